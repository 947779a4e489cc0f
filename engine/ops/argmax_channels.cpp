#include "engine/ops/argmax_channels.hpp"

#include "engine/core/dispatch.hpp"
#include "engine/core/error.hpp"
#include "kernels/argmax/argmax.hpp"

namespace bsg::ops {

Tensor argmax_channels(Context& context, const Tensor& x) {
  constexpr std::string_view kOp = "argmax_channels";
  const Shape& shape = x.shape();
  const bool planes = shape.rank() == 4;
  if ((shape.rank() != 2 && !planes) || x.dtype() != DType::f32 || shape[1] < 1)
    throw_error<ShapeError>("{}: x {} {}, expected f32 [N, K] or [N, K, H, W] with K at least 1", kOp,
                            to_string(x.dtype()), shape.str());
  const std::int64_t plane = planes ? shape[2] * shape[3] : 1;
  Tensor y = Tensor::empty(context, planes ? Shape{shape[0], shape[2], shape[3]} : Shape{shape[0]}, DType::i32);
  dispatch_float<float>(
      kOp, context,
      [&] {
        kernels::cpu::argmax_channels(context.launch(), shape[0], shape[1], plane, x.data<float>(),
                                      y.data<std::int32_t>());
      },
      [&](const auto& device) {
        device.argmax_channels(context.launch(), shape[0] * plane, shape[1], x.data<float>(), y.data<std::int32_t>());
      });
  return y;
}

}  // namespace bsg::ops
