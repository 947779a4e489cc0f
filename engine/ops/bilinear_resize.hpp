#pragma once

#include "engine/autograd/tape.hpp"

namespace bsg::ops {

struct ResizeOptions {
  std::int64_t height = 0, width = 0;  // of the result
  bool align_corners = false;
};

// x [N, C, H, W] -> [N, C, height, width] by bilinear interpolation (kernels/resize/resize.hpp), as PyTorch's
// interpolate(mode="bilinear", antialias=False) for a given size. All extents of the planes at least 1. f32 or f64.
// Throws ShapeError.
Var bilinear_resize(Context& context, const Var& x, const ResizeOptions& options);

}  // namespace bsg::ops
