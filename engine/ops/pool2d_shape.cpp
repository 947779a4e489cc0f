#include "engine/ops/pool2d_shape.hpp"

#include "engine/core/error.hpp"

namespace bsg::ops {
namespace {

// Whether each of the `outputs` windows along an axis has a position in [0, extent). Only dilated ones can miss it.
bool windows_hold_input(const kernels::Pool2dShape& s, std::int64_t extent, std::int64_t outputs) {
  for (std::int64_t i = 0; i < outputs; ++i) {
    const std::int64_t first = i * s.stride - s.padding;
    // The first position that is not before the input.
    const std::int64_t inside = first >= 0 ? first : first + (-first + s.dilation - 1) / s.dilation * s.dilation;
    if (inside >= extent || inside > first + (s.kernel - 1) * s.dilation) return false;
  }
  return true;
}

}  // namespace

kernels::Pool2dShape checked_pool2d_shape(std::string_view op, const Var& x, const Pool2dOptions& options) {
  const auto check = [&](bool ok, std::string_view what) {
    if (!ok)
      throw_error<ShapeError>("{}: {} (x {}, kernel {}, stride {}, padding {}, dilation {})", op, what, x.shape().str(),
                              options.kernel, options.stride, options.padding, options.dilation);
  };
  check(x.shape().rank() == 4, "x must be [N, C, H, W]");
  check(options.kernel >= 1 && options.stride >= 1 && options.dilation >= 1,
        "kernel, stride and dilation must be at least 1");
  check(options.padding >= 0 && options.padding <= options.kernel / 2,
        "padding must be at least 0 and at most half the kernel");
  kernels::Pool2dShape shape;
  shape.planes = x.shape()[0] * x.shape()[1];
  shape.height = x.shape()[2];
  shape.width = x.shape()[3];
  shape.kernel = options.kernel;
  shape.stride = options.stride;
  shape.padding = options.padding;
  shape.dilation = options.dilation;
  const std::int64_t reach = shape.dilation * (shape.kernel - 1) + 1;
  check(shape.height + 2 * shape.padding >= reach && shape.width + 2 * shape.padding >= reach,
        "the kernel is larger than the padded input");
  check(windows_hold_input(shape, shape.height, shape.out_height()) &&
            windows_hold_input(shape, shape.width, shape.out_width()),
        "a window would hold nothing but padding");
  return shape;
}

}  // namespace bsg::ops
