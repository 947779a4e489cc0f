#include "engine/core/tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/core/axes.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {

struct Tensor::Storage {
  Storage(std::shared_ptr<Allocator> from, std::size_t size)
      : allocator(std::move(from)), bytes(size), block(allocator->allocate(bytes)) {}
  ~Storage() { allocator->free(block, bytes); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  const MemorySource& source() const { return allocator->source(); }

  std::shared_ptr<Allocator> allocator;
  std::size_t bytes;
  void* block;
  std::uint64_t version = 0;
};

namespace {

// Calls visit(T{}) with the C++ type of dtype.
template <class Visitor>
void visit_dtype(DType dtype, Visitor&& visit) {
  switch (dtype) {
    case DType::f32:
      return visit(float{});
    case DType::f64:
      return visit(double{});
    case DType::bf16:
      return visit(bfloat16{});
    case DType::i64:
      return visit(std::int64_t{});
    case DType::i32:
      return visit(std::int32_t{});
    case DType::u8:
      return visit(std::uint8_t{});
  }
}

template <class To, class From>
To converted(From value) {
  if constexpr (std::is_same_v<From, bfloat16>) {
    return converted<To>(simt::to_float(value));
  } else if constexpr (std::is_same_v<To, bfloat16>) {
    return simt::to_bfloat16(static_cast<float>(value));
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

Tensor Tensor::empty(Context& context, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ =
      std::make_shared<Storage>(context.allocator(), static_cast<std::size_t>(shape.numel()) * size_of(dtype));
  return tensor;
}

Tensor Tensor::zeros(Context& context, const Shape& shape, DType dtype) {
  Tensor tensor = empty(context, shape, dtype);
  tensor.clear();
  return tensor;
}

Tensor Tensor::full(Context& context, const Shape& shape, double value, DType dtype) {
  Tensor tensor = empty(context, shape, dtype);
  tensor.fill(value);
  return tensor;
}

template <class T>
Tensor Tensor::from(Context& context, const Shape& shape, std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel())
    throw_error<ShapeError>("tensor: {} values do not fill shape {}", values.size(), shape.str());
  Tensor tensor = empty(context, shape, DTypeOf<T>::value);
  tensor.assign(values.data());
  return tensor;
}

Device Tensor::device() const { return storage_ ? storage_->source().device : Device::cpu; }

template <class T>
T* Tensor::data() {
  return const_cast<T*>(std::as_const(*this).data<T>());
}

template <class T>
const T* Tensor::data() const {
  if (!defined())
    throw_error<ShapeError>("tensor: no memory where {} values were expected", to_string(DTypeOf<T>::value));
  if (dtype_ != DTypeOf<T>::value)
    throw_error<ShapeError>("tensor: {} values of shape {} were read as {}", to_string(dtype_), shape_.str(),
                            to_string(DTypeOf<T>::value));
  return static_cast<const T*>(storage_->block);
}

template <class T>
std::span<T> Tensor::span() {
  const std::span<const T> view = std::as_const(*this).span<T>();
  return {const_cast<T*>(view.data()), view.size()};
}

template <class T>
std::span<const T> Tensor::span() const {
  if (device() != Device::cpu)
    throw_error<ShapeError>("tensor: {} values of shape {} on device {} were read by the host", to_string(dtype_),
                            shape_.str(), to_string(device()));
  return {data<T>(), static_cast<std::size_t>(numel())};
}

template <class T>
std::vector<T> Tensor::values() const {
  static_cast<void>(data<T>());  // checks the type
  std::vector<T> result(static_cast<std::size_t>(numel()));
  read(result.data());
  return result;
}

void* Tensor::raw() { return storage_ ? storage_->block : nullptr; }
const void* Tensor::raw() const { return storage_ ? storage_->block : nullptr; }

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.numel() != numel())
    throw_error<ShapeError>("reshape: {} has {} elements, {} has {}", shape_.str(), numel(), shape.str(),
                            shape.numel());
  Tensor tensor = *this;
  tensor.shape_ = shape;
  return tensor;
}

Tensor Tensor::clone(Context& context) const {
  Tensor tensor = empty(context, shape_, dtype_);
  tensor.copy_from(*this);
  return tensor;
}

Tensor Tensor::to(Context& context) const { return device() == context.device() ? *this : clone(context); }

double Tensor::item() const {
  if (numel() != 1) throw_error<ShapeError>("tensor: shape {} where one value was expected", shape_.str());
  double value = 0;
  visit_dtype(dtype_, [&](auto type) {
    read(&type);
    value = converted<double>(type);
  });
  return value;
}

Tensor Tensor::cast(Context& context, DType dtype) const {
  if (device() != context.device())
    throw_error<ShapeError>("cast: shape {} lies on device {}, not {}", shape_.str(), to_string(device()),
                            to_string(context.device()));
  Tensor result = empty(context, shape_, dtype);
  if (!context.on_cpu()) {
    const kernels::Backend& device = context.backend();
    if (dtype_ == dtype) {
      result.copy_from(*this);
    } else if (dtype_ == DType::f32 && dtype == DType::bf16) {
      device.to_bf16(context.launch(), numel(), data<float>(), result.data<bfloat16>());
    } else if (dtype_ == DType::bf16 && dtype == DType::f32) {
      device.from_bf16(context.launch(), numel(), data<bfloat16>(), result.data<float>());
    } else {
      throw_error<ShapeError>("cast: {} {} to {}; device {} converts between f32 and bf16", to_string(dtype_),
                              shape_.str(), to_string(dtype), to_string(context.device()));
    }
    return result;
  }
  visit_dtype(dtype_, [&](auto from) {
    using From = decltype(from);
    visit_dtype(dtype, [&](auto to) {
      using To = decltype(to);
      const auto source = span<From>();
      std::transform(source.begin(), source.end(), result.data<To>(), converted<To, From>);
    });
  });
  return result;
}

void Tensor::fill(double value) {
  if (value == 0 && !std::signbit(value)) {
    clear();
  } else {
    visit_dtype(dtype_, [&](auto type) {
      using T = decltype(type);
      if (device() == Device::cpu) {
        std::ranges::fill(span<T>(), converted<T>(value));
      } else {
        assign(std::vector<T>(static_cast<std::size_t>(numel()), converted<T>(value)).data());
      }
    });
  }
  bump_version();
}

void Tensor::copy_from(const Tensor& source) {
  if (source.shape_ != shape_ || source.dtype_ != dtype_)
    throw_error<ShapeError>("copy: {} {} into {} {}", to_string(source.dtype_), source.shape_.str(), to_string(dtype_),
                            shape_.str());
  if (bytes() > 0) {
    if (device() == source.device()) {
      if (const MemorySource& memory = storage_->source(); memory.runtime != nullptr) {
        memory.runtime->copy_on_device(raw(), source.raw(), bytes(), memory.stream.get());
      } else {
        std::memmove(raw(), source.raw(), bytes());
      }
    } else {
      // One side is the host: devices know nothing of each other.
      std::vector<std::byte> values(bytes());
      source.read(values.data());
      assign(values.data());
    }
  }
  bump_version();
}

void Tensor::clear() {
  if (bytes() == 0) return;
  if (const MemorySource& memory = storage_->source(); memory.runtime != nullptr) {
    memory.runtime->clear(raw(), 0, bytes(), memory.stream.get());
  } else {
    std::memset(raw(), 0, bytes());
  }
}

void Tensor::read(void* to) const {
  if (bytes() == 0) return;
  const MemorySource& memory = storage_->source();
  if (memory.runtime == nullptr) {
    std::memcpy(to, raw(), bytes());
  } else if (shape_.rank() != 4) {
    memory.runtime->copy_to_host(to, raw(), bytes(), memory.stream.get());
  } else {
    std::vector<std::byte> values(bytes());
    memory.runtime->copy_to_host(values.data(), raw(), bytes(), memory.stream.get());
    exchange_axes(size_of(dtype_), shape_[0], shape_[2] * shape_[3], shape_[1], values.data(), to);
  }
}

void Tensor::assign(const void* from) {
  if (bytes() == 0) return;
  const MemorySource& memory = storage_->source();
  if (memory.runtime == nullptr) {
    std::memcpy(raw(), from, bytes());
  } else if (shape_.rank() != 4) {
    memory.runtime->copy_to_device(raw(), from, bytes(), memory.stream.get());
  } else {
    std::vector<std::byte> values(bytes());
    exchange_axes(size_of(dtype_), shape_[0], shape_[1], shape_[2] * shape_[3], from, values.data());
    memory.runtime->copy_to_device(raw(), values.data(), bytes(), memory.stream.get());
  }
}

std::uint64_t Tensor::version() const { return storage_ ? storage_->version : 0; }
void Tensor::bump_version() {
  if (storage_) ++storage_->version;
}

#define BSG_TENSOR_TYPES(X) X(float) X(double) X(bfloat16) X(std::int64_t) X(std::int32_t) X(std::uint8_t)
#define BSG_INSTANTIATE(T)                                                     \
  template Tensor Tensor::from<T>(Context&, const Shape&, std::span<const T>); \
  template T* Tensor::data<T>();                                               \
  template const T* Tensor::data<T>() const;                                   \
  template std::span<T> Tensor::span<T>();                                     \
  template std::span<const T> Tensor::span<T>() const;                         \
  template std::vector<T> Tensor::values<T>() const;
BSG_TENSOR_TYPES(BSG_INSTANTIATE)

}  // namespace bsg
