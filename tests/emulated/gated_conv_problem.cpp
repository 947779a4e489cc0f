#include "tests/emulated/gated_conv_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/simt/number.hpp"
#include "tests/emulated/close.hpp"
#include "tests/support/catch.hpp"

namespace bsg::test {

using kernels::device::ConvCompute;
using kernels::device::ConvPlan;
using kernels::device::GatedSides;
using kernels::device::GatedStore;
using kernels::device::GateMask;

namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr std::uint8_t kUnwritten = 0xa5;  // in every byte of y before a launch

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

std::vector<float> random_values(std::int64_t count, double scale, std::uint64_t seed) {
  Numbers numbers(seed);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(scale * numbers.normal()));
  return values;
}

// Activations in device memory: elements of `compute`, `offset` of them behind the allocation's start.
class DeviceActivations {
 public:
  DeviceActivations(ConvCompute compute, std::int64_t elements, std::int64_t offset)
      : bytes_(kernels::device::element_bytes(compute)),
        offset_(offset),
        memory_(std::vector<std::uint8_t>(at((elements + offset) * bytes_), kUnwritten)) {}

  void* data() { return memory_.data() + offset_ * bytes_; }
  void assign(const std::vector<float>& values) {
    std::vector<std::uint8_t> raw(at(offset_ * bytes_));
    for (const float value : values) {
      const unsigned bits = bytes_ == 2 ? simt::to_bfloat16(value).bits : simt::bits_of(value);
      for (std::int64_t i = 0; i < bytes_; ++i) raw.push_back(static_cast<std::uint8_t>(bits >> (8 * i)));
    }
    memory_.assign(raw);
  }
  // Elements' bits.
  std::vector<unsigned> bits() const {
    const std::vector<std::uint8_t> raw = memory_.to_host();
    std::vector<unsigned> all;
    for (std::size_t i = at(offset_ * bytes_); i < raw.size(); i += at(bytes_)) {
      unsigned value = 0;
      for (std::size_t j = 0; j < at(bytes_); ++j) value |= static_cast<unsigned>(raw[i + j]) << (8 * j);
      all.push_back(value);
    }
    return all;
  }
  float value(unsigned bits) const { return simt::float_of(bytes_ == 2 ? bits << 16 : bits); }
  unsigned unwritten() const { return bytes_ == 2 ? kUnwritten * 0x0101u : kUnwritten * 0x01010101u; }

 private:
  std::int64_t bytes_, offset_;
  simt::DeviceArray<std::uint8_t> memory_;
};

std::vector<std::uint16_t> draw_list(Open open, std::int64_t channels, Numbers& numbers) {
  std::vector<std::uint16_t> list;
  const std::int64_t chosen = open == Open::last ? channels - 1 : std::min(channels - 1, numbers.below(channels));
  for (std::int64_t c = 0; c < channels; ++c) {
    const float draw = numbers.uniform();
    const bool on = open == Open::all || (open == Open::half && draw < 0.5) || (open == Open::tenth && draw < 0.1) ||
                    ((open == Open::one || open == Open::last) && c == chosen);
    if (on) list.push_back(static_cast<std::uint16_t>(c));
  }
  return list;
}

// Of a compacted sample with `count` open channels: channels that are written.
std::int64_t filled(ConvCompute compute, std::int64_t count, std::int64_t pitch) {
  const std::int64_t step = kernels::device::channel_step(compute);
  return std::min((count + step - 1) / step * step, pitch);
}

}  // namespace

float stored(ConvCompute compute, float value) {
  return compute == ConvCompute::bf16 ? simt::to_float(simt::to_bfloat16(value)) : value;
}

float multiplied(ConvCompute compute, float value) {
  return compute == ConvCompute::tf32 ? simt::float_of(simt::to_tf32(value)) : stored(compute, value);
}

bool Gates::on(std::size_t sample, std::int64_t channel) const {
  return std::binary_search(lists[sample].begin(), lists[sample].end(), static_cast<std::uint16_t>(channel));
}

bool Gates::ever_on(std::int64_t channel) const {
  for (std::size_t n = 0; n < lists.size(); ++n)
    if (on(n, channel)) return true;
  return false;
}

Gates draw_gates(Open open, std::int64_t batch, std::int64_t channels, std::uint64_t seed) {
  Numbers numbers(seed);
  Gates gates{channels, {}};
  for (std::int64_t n = 0; n < batch; ++n) {
    constexpr Open kVaried[] = {Open::none, Open::all, Open::half, Open::one, Open::tenth};
    gates.lists.push_back(draw_list(open == Open::varied ? kVaried[n % 5] : open, channels, numbers));
  }
  return gates;
}

DeviceGates::DeviceGates(const Gates& gates)
    : list_(gates.lists.size() * at(gates.channels)),
      count_(gates.lists.size()),
      bits_(gates.lists.size() * at((gates.channels + 31) / 32)),
      mask_{static_cast<std::int64_t>(gates.lists.size()), gates.channels, list_.data(), count_.data(), bits_.data()} {
  std::vector<std::uint16_t> list(list_.size(), 0xffff);
  std::vector<std::int32_t> count;
  std::vector<std::uint32_t> bits(bits_.size());
  for (std::size_t n = 0; n < gates.lists.size(); ++n) {
    std::copy(gates.lists[n].begin(), gates.lists[n].end(),
              list.begin() + static_cast<std::ptrdiff_t>(n * at(gates.channels)));
    count.push_back(static_cast<std::int32_t>(gates.lists[n].size()));
    for (const std::uint16_t c : gates.lists[n]) bits[n * at(mask_.words()) + c / 32] |= 1u << (c % 32);
  }
  list_.assign(list);
  count_.assign(count);
  bits_.assign(bits);
}

bool ConvProblem::gates_inputs() const { return plan.sides == GatedSides::inputs || plan.sides == GatedSides::both; }
bool ConvProblem::gates_outputs() const { return plan.sides == GatedSides::outputs || plan.sides == GatedSides::both; }

ConvProblem::ConvProblem(const ConvCase& of, ConvCompute compute, GatedSides sides)
    : c(of),
      plan(kernels::device::plan_gated_conv({of.height, of.width, of.inputs, of.outputs, of.window}, compute, sides)),
      inputs(draw_gates(gates_inputs() ? of.open_inputs : Open::all, of.batch, of.inputs, 1)),
      outputs(draw_gates(gates_outputs() ? of.open_outputs : Open::all, of.batch, of.outputs, 2)),
      x(random_values(of.batch * of.height * of.width * of.inputs, 1, 3)),
      weight(random_values(of.outputs * of.inputs * of.window.taps(),
                           1 / std::sqrt(static_cast<double>(of.inputs * of.window.taps())), 4)),
      scale(random_values(of.outputs, 1, 5)),
      bias(random_values(of.outputs, 1, 6)),
      residual(random_values(of.batch * plan.shape.out_height() * plan.shape.out_width() * of.outputs, 1, 7)) {
  for (float& value : x) value = stored(compute, value);
  for (float& value : residual) value = stored(compute, value);
  for (std::int64_t k = 0; k < of.outputs; ++k) {
    const bool output = outputs.ever_on(k);
    if (!output) scale[at(k)] = bias[at(k)] = kNaN;
    for (std::int64_t i = 0; i < of.inputs; ++i)
      if (!output || !inputs.ever_on(i))
        std::fill_n(weight.begin() + (k * of.inputs + i) * of.window.taps(), of.window.taps(), kNaN);
  }
  for (std::size_t i = 0; i < residual.size(); ++i) {
    const std::int64_t k = static_cast<std::int64_t>(i) % of.outputs;
    if (!outputs.on(i / (residual.size() / at(of.batch)), k)) residual[i] = kNaN;
  }
}

template <class S>
std::vector<double> ConvProblem::by_definition(const Finish& finish) const {
  const kernels::ConvWindow& w = c.window;
  const std::int64_t rows = plan.shape.out_height(), columns = plan.shape.out_width();
  std::vector<double> y(residual.size());
  std::vector<float> rounded_x, rounded_weight;
  for (const float value : x) rounded_x.push_back(multiplied(plan.compute, value));
  for (const float value : weight) rounded_weight.push_back(multiplied(plan.compute, value));
  for (std::int64_t n = 0; n < c.batch; ++n)
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j)
        for (const std::int64_t k : outputs.lists[at(n)]) {
          S sum = 0;
          for (const std::int64_t channel : inputs.lists[at(n)])
            for (std::int64_t r = 0; r < w.height; ++r)
              for (std::int64_t s = 0; s < w.width; ++s) {
                const std::int64_t row = i * w.stride + r * w.dilation - w.padding;
                const std::int64_t column = j * w.stride + s * w.dilation - w.padding;
                if (row < 0 || row >= c.height || column < 0 || column >= c.width) continue;
                sum += static_cast<S>(rounded_x[at(((n * c.height + row) * c.width + column) * c.inputs + channel)]) *
                       static_cast<S>(rounded_weight[at((k * c.inputs + channel) * w.taps() + r * w.width + s)]);
              }
          const std::size_t to = at(((n * rows + i) * columns + j) * c.outputs + k);
          if (finish.scale) sum *= static_cast<S>(scale[at(k)]);
          if (finish.bias) sum += static_cast<S>(bias[at(k)]);
          if (finish.residual) sum += static_cast<S>(residual[to]);
          if (finish.relu && sum < 0) sum = 0;
          if (multiplied_by && !multiplied_by->on(at(n), k)) sum = 0;
          y[to] = static_cast<double>(sum);
        }
  return y;
}
template std::vector<double> ConvProblem::by_definition<float>(const Finish&) const;
template std::vector<double> ConvProblem::by_definition<double>(const Finish&) const;

ConvResult run(const ConvProblem& problem, const Finish& finish, GatedStore store) {
  const ConvCase& c = problem.c;
  const ConvPlan& plan = problem.plan;
  const kernels::Launch launch;
  const std::int64_t pixels = c.batch * c.height * c.width, out = c.outputs + c.more_pitch;
  const std::int64_t out_pixels = c.batch * plan.shape.out_height() * plan.shape.out_width();

  // x, compacted where inputs are gated; NaN where nobody may look.
  const std::int64_t in = c.inputs + c.more_pitch;
  std::vector<float> rows(at(pixels * in), kNaN);
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    const std::vector<std::uint16_t>& list = problem.inputs.lists[at(pixel / (c.height * c.width))];
    const std::int64_t count = static_cast<std::int64_t>(list.size());
    for (std::int64_t i = 0; i < (problem.gates_inputs() ? filled(plan.compute, count, in) : count); ++i)
      rows[at(pixel * in + i)] = i < count ? problem.x[at(pixel * c.inputs + list[at(i)])] : 0;
  }
  DeviceActivations x(plan.compute, pixels * in, c.offset), residual(plan.compute, out_pixels * out, c.offset),
      y(plan.compute, out_pixels * out, c.offset);
  x.assign(rows);
  rows.assign(at(out_pixels * out), kNaN);
  for (std::size_t i = 0; i < problem.residual.size(); ++i)
    rows[i / at(c.outputs) * at(out) + i % at(c.outputs)] = problem.residual[i];
  residual.assign(rows);

  simt::DeviceArray<float> weight(problem.weight), scale(problem.scale), bias(problem.bias);
  simt::DeviceArray<std::uint8_t> laid_out(at(kernels::device::weight_bytes(plan)));
  lay_out_weights(launch, plan, weight.data(), kernels::device::WeightStrides::channels_first(plan.shape),
                  laid_out.data());
  const DeviceGates inputs(problem.inputs), outputs(problem.outputs);
  std::vector<float> no_sums(problem.gates_outputs() ? 0 : at(c.batch * plan.parts() * c.outputs), kNaN);
  simt::DeviceArray<float> sums(no_sums);

  kernels::device::GatedConv arguments;
  arguments.plan = &plan;
  arguments.batch = c.batch;
  arguments.x = x.data();
  arguments.x_pitch = in;
  arguments.weight = laid_out.data();
  if (problem.gates_inputs()) arguments.input_mask = inputs.mask();
  if (problem.gates_outputs()) arguments.output_mask = outputs.mask();
  std::optional<DeviceGates> multiplied_by;
  if (problem.multiplied_by) arguments.output_mask.bits = multiplied_by.emplace(*problem.multiplied_by).mask().bits;
  if (finish.scale) arguments.scale = scale.data();
  if (finish.bias) arguments.bias = bias.data();
  if (finish.residual) arguments.residual = residual.data();
  arguments.residual_pitch = out;
  arguments.relu = finish.relu;
  arguments.y = y.data();
  arguments.y_pitch = out;
  arguments.store = store;
  if (!problem.gates_outputs()) arguments.sums = sums.data();
  gated_conv(launch, arguments);
  simt::synchronize();

  ConvResult result{std::vector<float>(at(out_pixels * c.outputs)), sums.to_host()};
  const std::vector<unsigned> bits = y.bits();
  const bool compacted = problem.gates_outputs() && store == GatedStore::compacted;
  std::size_t wrong = 0;
  for (std::int64_t pixel = 0; pixel < out_pixels; ++pixel) {
    const std::vector<std::uint16_t>& list = problem.outputs.lists[at(pixel / (out_pixels / c.batch))];
    const std::int64_t count = static_cast<std::int64_t>(list.size());
    const std::int64_t written = compacted ? filled(plan.compute, count, out) : c.outputs;
    for (std::int64_t i = 0; i < out; ++i) {
      const unsigned value = bits[at(pixel * out + i)];
      if (i >= written) {
        wrong += value != y.unwritten();
      } else if (!compacted) {
        result.y[at(pixel * c.outputs + i)] = y.value(value);
        wrong += !problem.outputs.on(at(pixel / (out_pixels / c.batch)), i) && value != 0;
      } else if (i < count) {
        result.y[at(pixel * c.outputs + list[at(i)])] = y.value(value);
      } else {
        wrong += value != 0;
      }
    }
  }
  CHECK(wrong == 0);
  return result;
}

}  // namespace bsg::test
