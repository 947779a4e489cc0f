#include "benchmarks/bsg_bench/device_memory.hpp"

#include <cstring>

namespace bsg::bench {
namespace {

// As plain bytes, which every tensor can hold.
template <class T>
Tensor bytes_of(Context& context, const std::vector<T>& values) {
  std::vector<std::uint8_t> bytes(values.size() * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return Tensor::from(context, {static_cast<std::int64_t>(bytes.size())}, bytes);
}

}  // namespace

DeviceMask::DeviceMask(Context& context, std::int64_t batch, std::int64_t channels) : mask_{batch, channels} {
  list_ = Tensor::zeros(context, {batch * channels * 2}, DType::u8);
  count_ = Tensor::zeros(context, {batch}, DType::i32);
  bits_ = Tensor::zeros(context, {batch * mask_.words()}, DType::i32);
  mask_.list = static_cast<std::uint16_t*>(list_.raw());
  mask_.count = count_.data<std::int32_t>();
  mask_.bits = static_cast<std::uint32_t*>(bits_.raw());
}

DeviceMask::DeviceMask(Context& context, const Gates& gates)
    : mask_{static_cast<std::int64_t>(gates.open.size()), gates.channels} {
  const auto row = static_cast<std::size_t>(gates.channels), words = static_cast<std::size_t>(mask_.words());
  std::vector<std::uint16_t> list(gates.open.size() * row);
  std::vector<std::int32_t> count;
  std::vector<std::uint32_t> bits(gates.open.size() * words);
  for (std::size_t n = 0; n < gates.open.size(); ++n) {
    std::size_t next = n * row;
    for (const std::int32_t c : gates.open[n]) {
      list[next++] = static_cast<std::uint16_t>(c);
      bits[n * words + static_cast<std::size_t>(c) / 32] |= 1U << (c % 32);
    }
    count.push_back(static_cast<std::int32_t>(gates.open[n].size()));
  }
  list_ = bytes_of(context, list);
  count_ = Tensor::from(context, {static_cast<std::int64_t>(count.size())}, count);
  bits_ = bytes_of(context, bits);
  mask_.list = static_cast<std::uint16_t*>(list_.raw());
  mask_.count = count_.data<std::int32_t>();
  mask_.bits = static_cast<std::uint32_t*>(bits_.raw());
}

std::vector<std::int32_t> DeviceMask::open(std::int64_t n) const {
  const std::vector<std::uint8_t> bytes = list_.values<std::uint8_t>();
  std::vector<std::uint16_t> list(bytes.size() / 2);
  if (!list.empty()) std::memcpy(list.data(), bytes.data(), bytes.size());
  const auto first = list.begin() + static_cast<std::ptrdiff_t>(n * mask_.channels);
  return {first, first + count_.values<std::int32_t>()[static_cast<std::size_t>(n)]};
}

}  // namespace bsg::bench
