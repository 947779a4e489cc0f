#include "engine/ops/batch_shaping_loss.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "engine/ops/loss_gradient.hpp"
#include "engine/ops/tickets.hpp"
#include "kernels/batch_shaping/batch_shaping.hpp"

namespace bsg::ops {
namespace {

constexpr std::string_view kOp = "batch_shaping_loss";

double divisor(ShapingNormalization normalization, std::int64_t batch, std::int64_t gates) {
  switch (normalization) {
    case ShapingNormalization::batch_mean_gate_sum:
      return static_cast<double>(batch);
    case ShapingNormalization::batch_mean_gate_mean:
      return static_cast<double>(batch * gates);
    case ShapingNormalization::batch_sum_gate_sum:
      return 1;
    case ShapingNormalization::batch_sum_gate_mean:
      return static_cast<double>(gates);
  }
  return 1;
}

Var run(Context& context, const Var& x, const BatchShapingOptions& options, bool logits) {
  if (x.shape().rank() != 2 || x.value.numel() == 0)
    throw_error<ShapeError>("{}: x {}, expected [N, gates] with at least one value", kOp, x.shape().str());
  const auto supported = [](double p) { return p > 0 && p <= kernels::BetaDistribution::kLargest; };
  if (!supported(options.a) || !supported(options.b))
    throw_error<ShapeError>("{}: Beta({}, {}), both must be above 0 and at most {}", kOp, options.a, options.b,
                            kernels::BetaDistribution::kLargest);
  if (!(options.pdf_min >= 0 && options.pdf_min <= options.pdf_max))
    throw_error<ShapeError>("{}: density clipped to [{}, {}], expected 0 <= pdf_min <= pdf_max", kOp, options.pdf_min,
                            options.pdf_max);
  return with_float_type(kOp, x.dtype(), [&](auto type) {
    using T = decltype(type);
    // On another device looking would mean waiting for it; its kernel makes NaN of what is no probability.
    if (!logits && context.on_cpu())
      for (const T value : x.value.span<T>())
        if (value < 0 || value > 1) throw_error<ShapeError>("{}: value {} is not a probability", kOp, value);
    const kernels::BetaDistribution prior(options.a, options.b);
    kernels::BatchShapingArguments arguments;
    arguments.batch = x.shape()[0];
    arguments.gates = x.shape()[1];
    arguments.prior = &prior;
    arguments.logits = logits;
    arguments.scale = 1 / divisor(options.normalization, arguments.batch, arguments.gates);
    arguments.pdf_min = options.pdf_min;
    arguments.pdf_max = options.pdf_max;
    Tensor gradient = Tensor::empty(context, x.shape(), x.dtype());
    Tensor loss = Tensor::empty(context, {1}, x.dtype());
    dispatch_float<T>(
        kOp, context,
        [&] {
          loss.data<T>()[0] = static_cast<T>(
              kernels::cpu::batch_shaping<T>(context.launch(), arguments, x.value.data<T>(), gradient.data<T>()));
        },
        [&](const auto& device) {
          if (arguments.batch > kernels::device::kLargestShapingBatch)
            throw_error<ShapeError>("{}: x {}, device {} takes at most {} samples", kOp, x.shape().str(),
                                    to_string(context.device()), kernels::device::kLargestShapingBatch);
          Tensor losses = Tensor::empty(context, {arguments.gates});
          Tickets ticket(context);
          device.batch_shaping(context.launch(), arguments, x.value.data<T>(), gradient.data<T>(), loss.data<T>(),
                               {losses.data<float>(), ticket.data()});
        });
    return record(kOp, loss, {&x},
                  [saved = Saved(gradient)](BackwardPass& pass) { hand_on<T>(kOp, pass, saved.get(kOp)); });
  });
}

}  // namespace

Var batch_shaping_loss(Context& context, const Var& probabilities, const BatchShapingOptions& options) {
  return run(context, probabilities, options, false);
}

Var batch_shaping_loss_from_logits(Context& context, const Var& logits, const BatchShapingOptions& options) {
  return run(context, logits, options, true);
}

}  // namespace bsg::ops
