// The device's gated convolutions, one layer at a time: activations channels last, compacted where they are gated, as
// the inference plan has them.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "benchmarks/bsg_bench/conv_cases.hpp"
#include "benchmarks/bsg_bench/conv_reference.hpp"
#include "benchmarks/bsg_bench/device_memory.hpp"
#include "benchmarks/bsg_bench/suites.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/backend/backend.hpp"
#include "kernels/simt/number.hpp"

namespace bsg::bench {
namespace {

namespace device = kernels::device;
using device::ConvCompute;
using device::GatedSides;

// Samples with values of their own; the others of a batch repeat them.
constexpr std::int64_t kOwnSamples = 4;

struct Precision {
  const char* name;
  ConvCompute compute;
  double tolerance;  // of a result, relative to the sum of the products' magnitudes
};
constexpr std::array kPrecisions = {Precision{"f32", ConvCompute::fp32, 1e-5},
                                    Precision{"tf32", ConvCompute::tf32, 2e-3},
                                    Precision{"bf16", ConvCompute::bf16, 1e-2}};

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

// A layer with random values, for all precisions, sides and gates.
struct Values {
  Values(const ConvLayer& l, Generator& random)
      : layer(l),
        weight(normal_values(l.outputs * l.inputs * l.kernel * l.kernel,
                             1 / std::sqrt(static_cast<double>(l.inputs * l.kernel * l.kernel)), random)),
        bias(normal_values(l.outputs, 1, random)) {
    for (std::int64_t n = 0; n < kOwnSamples; ++n) {
      x.push_back(normal_values(l.inputs * l.size * l.size, 1, random));
      residual.push_back(normal_values(l.outputs * l.out_size() * l.out_size(), 1, random));
    }
  }
  ConvLayer layer;
  std::vector<float> weight, bias;
  std::vector<std::vector<float>> x, residual;  // of samples, channels first
};

// One execution: a plan, masks, and activations that fit them.
class Problem {
 public:
  // Null gates: all channels, by a plan without that gated side.
  Problem(Context& context, const Values& values, const Precision& precision, std::int64_t batch, const Gates* inputs,
          const Gates* outputs, bool residual)
      : context_(context),
        values_(values),
        precision_(precision),
        batch_(batch),
        inputs_(inputs),
        outputs_(outputs),
        plan_(plan(context, values.layer, precision.compute, sides(inputs, outputs))) {
    const ConvLayer& l = values.layer;
    x_ = upload(values.x, l.inputs, l.size, inputs);
    y_ = Tensor::zeros(context, {batch * l.out_size() * l.out_size() * l.outputs * bytes()}, DType::u8);
    bias_ = Tensor::from(context, {l.outputs}, values.bias);
    const Tensor weight = Tensor::from(context, {l.outputs * l.inputs * l.kernel * l.kernel}, values.weight);
    const kernels::Backend& backend = context.backend();
    weight_ = Tensor::empty(context, {backend.gated_conv_weight_bytes(plan_)}, DType::u8);
    backend.lay_out_gated_conv_weights(context.launch(), plan_, weight.data<float>(),
                                       device::WeightStrides::channels_first(plan_.shape), weight_.raw());
    arguments_.plan = &plan_;
    arguments_.batch = batch;
    arguments_.x = x_.raw();
    arguments_.x_pitch = l.inputs;
    arguments_.weight = weight_.raw();
    if (inputs != nullptr) arguments_.input_mask = input_mask_.emplace(context, *inputs).mask();
    if (outputs != nullptr) arguments_.output_mask = output_mask_.emplace(context, *outputs).mask();
    arguments_.bias = bias_.data<float>();
    arguments_.relu = true;
    arguments_.y = y_.raw();
    arguments_.y_pitch = l.outputs;
    if (residual) {
      residual_ = upload(values.residual, l.outputs, l.out_size(), nullptr);
      sums_ = Tensor::empty(context, {batch, plan_.parts(), l.outputs});
      arguments_.residual = residual_.raw();
      arguments_.residual_pitch = l.outputs;
      arguments_.sums = sums_.data<float>();
    }
  }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  void run(int times) {
    for (int time = 0; time < times; ++time) context_.backend().gated_conv(context_.launch(), arguments_);
  }

  // The first and the last sample.
  void check(const std::string& what, const Generator& random) {
    run(1);
    for (const std::int64_t n : {std::int64_t{0}, batch_ - 1}) check_sample(what, n, random);
  }

  double active_macs() const {
    double macs = 0;
    for (std::int64_t n = 0; n < batch_; ++n)
      macs += values_.layer.macs(static_cast<double>(list(inputs_, n, values_.layer.inputs).size()),
                                 static_cast<double>(list(outputs_, n, values_.layer.outputs).size()));
    return macs;
  }

 private:
  static GatedSides sides(const Gates* inputs, const Gates* outputs) {
    if (inputs != nullptr) return outputs != nullptr ? GatedSides::both : GatedSides::inputs;
    return outputs != nullptr ? GatedSides::outputs : GatedSides::none;
  }
  static device::ConvPlan plan(Context& context, const ConvLayer& l, ConvCompute compute, GatedSides gated) {
    return context.backend().plan_gated_conv(
        {l.size, l.size, l.inputs, l.outputs, {l.kernel, l.kernel, l.stride, l.padding(), 1}}, compute, gated);
  }
  static std::vector<std::int32_t> list(const Gates* gates, std::int64_t n, std::int64_t channels) {
    if (gates != nullptr) return gates->open[at(n)];
    std::vector<std::int32_t> all(at(channels));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::int64_t bytes() const { return device::element_bytes(precision_.compute); }

  Tensor upload(const std::vector<std::vector<float>>& samples, std::int64_t channels, std::int64_t size,
                const Gates* gates) {
    if (bytes() == 2)
      return upload_as<std::uint16_t>(samples, channels, size, gates,
                                      [](float value) { return simt::to_bfloat16(value).bits; });
    return upload_as<float>(samples, channels, size, gates, [](float value) { return value; });
  }

  // [batch][size][size][channels], compacted by the gates with zeros up to the next step; behind them lies NaN.
  template <class Element, class Encode>
  Tensor upload_as(const std::vector<std::vector<float>>& samples, std::int64_t channels, std::int64_t size,
                   const Gates* gates, const Encode& encode) {
    const std::int64_t pixels = size * size, step = device::channel_step(precision_.compute);
    std::vector<std::vector<Element>> own;  // channels last
    for (const std::vector<float>& sample : samples) {
      std::vector<Element>& to = own.emplace_back(sample.size());
      for (std::int64_t c = 0; c < channels; ++c)
        for (std::int64_t pixel = 0; pixel < pixels; ++pixel)
          to[at(pixel * channels + c)] = encode(sample[at(c * pixels + pixel)]);
    }
    std::vector<Element> all(at(batch_ * pixels * channels));
    Element* to = all.data();
    for (std::int64_t n = 0; n < batch_; ++n, to += pixels * channels) {
      const std::vector<Element>& sample = own[at(n % kOwnSamples)];
      if (gates == nullptr) {
        std::copy(sample.begin(), sample.end(), to);
        continue;
      }
      const std::vector<std::int32_t>& open = gates->open[at(n)];
      const std::int64_t zeros = std::min(channels, (gates->count(at(n)) + step - 1) / step * step);
      std::fill_n(to, pixels * channels, encode(std::numeric_limits<float>::quiet_NaN()));
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
        Element* const row = to + pixel * channels;
        std::fill_n(row, zeros, encode(0));
        for (std::size_t i = 0; i < open.size(); ++i) row[i] = sample[at(pixel * channels + open[i])];
      }
    }
    const std::size_t size_in_bytes = all.size() * sizeof(Element);
    Tensor tensor = Tensor::empty(context_, {static_cast<std::int64_t>(size_in_bytes)}, DType::u8);
    const kernels::DeviceRuntime& runtime = context_.backend().runtime;
    runtime.copy_to_device(tensor.raw(), all.data(), size_in_bytes, context_.launch().stream);
    runtime.synchronize(context_.launch().stream);
    return tensor;
  }

  void check_sample(const std::string& what, std::int64_t n, const Generator& random) {
    const ConvLayer& l = values_.layer;
    const std::int64_t size = l.out_size();
    std::vector<std::uint8_t> y(at(size * size * l.outputs * bytes()));
    const kernels::DeviceRuntime& runtime = context_.backend().runtime;
    runtime.copy_to_host(y.data(), static_cast<std::uint8_t*>(y_.raw()) + n * static_cast<std::int64_t>(y.size()),
                         y.size(), context_.launch().stream);
    const std::vector<std::int32_t> open = list(outputs_, n, l.outputs);
    const auto value = [&](std::int64_t k, std::int64_t i, std::int64_t j) -> double {
      const std::int64_t place = std::lower_bound(open.begin(), open.end(), k) - open.begin();
      const std::uint8_t* const from = y.data() + ((i * size + j) * l.outputs + place) * bytes();
      if (bytes() == 2) {
        simt::bfloat16 half;
        std::memcpy(&half.bits, from, sizeof half.bits);
        return simt::to_float(half);
      }
      float whole = 0;
      std::memcpy(&whole, from, sizeof whole);
      return whole;
    };
    const std::size_t own = at(n % kOwnSamples);
    check_conv(what,
               {l, values_.x[own], values_.weight, values_.bias,
                arguments_.residual != nullptr ? &values_.residual[own] : nullptr},
               list(inputs_, n, l.inputs), open, precision_.tolerance, random, value);
  }

  Context& context_;
  const Values& values_;
  const Precision precision_;
  const std::int64_t batch_;
  const Gates *inputs_, *outputs_;
  const device::ConvPlan plan_;
  Tensor x_, y_, bias_, weight_, residual_, sums_;
  std::optional<DeviceMask> input_mask_, output_mask_;
  device::GatedConv arguments_;
};

void measure(Bench& bench, const ConvCase& c) {
  const Precision precision = *std::find_if(kPrecisions.begin(), kPrecisions.end(),
                                            [&](const Precision& p) { return p.name == bench.options().precision; });
  Generator random = c.random;
  const Values values(c.layer, random);
  std::vector<std::unique_ptr<Problem>> problems;
  std::vector<Execution> executions;
  const auto add = [&](const std::string& gates, const Gates* inputs, const Gates* outputs) {
    problems.push_back(std::make_unique<Problem>(bench.context(), values, precision, c.group.batch, inputs, outputs,
                                                 c.with_residual()));
    Problem& problem = *problems.back();
    problem.check(c.group.name + ", " + gates, c.random.fork(2));
    executions.push_back({gates, problem.active_macs(), [&problem](int times) { problem.run(times); }});
  };
  add("dense", nullptr, nullptr);
  for (const ConvGates& gates : c.gates) add(gates.name, c.inputs(gates), c.outputs(gates));
  bench.measure(c.group, executions);
}

}  // namespace

void run_gated_conv_on_device(Bench& bench) {
  std::vector<ConvLayer> layers = conv_layers();
  std::vector<std::int64_t> batches = {1, 16, 128, 256};
  if (bench.options().quick || bench.context().device() == Device::simt) {
    layers = {{"resnet20", 3, 16, 16, 8}, {"resnet20", 3, 16, 32, 8, 2}, {"resnet50", 1, 32, 16, 7, 1, 0}};
    batches = {1, 3};
  }
  each_conv_case(bench, layers, batches, [&](const ConvCase& c) { measure(bench, c); });
}

}  // namespace bsg::bench
