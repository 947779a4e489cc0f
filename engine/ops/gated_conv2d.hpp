// The two convolutions that a gate stands between: the first computes only the channels that are on, the second reads
// only those. Gates hold 0 or 1 per (sample, channel), f32 beside x of bf16, else of x's type; other values are an
// error on the CPU. Devices other than the CPU compute all channels and mask what gates close: skipping there is for
// inference.
#pragma once

#include "engine/ops/conv2d.hpp"

namespace bsg::ops {

// gate [N, K]: y = gate * conv2d(x, weight), off channels exactly zero and not computed. When the gate wants a gradient
// every channel is computed: the straight-through gradient of a gate that is off is the sum of dy times what the
// channel would have been.
Var gated_output_conv2d(Context& context, const Var& x, const Var& weight, const Var& gate,
                        const Conv2dOptions& options);

// gate [N, C]: y = conv2d(gate * x, weight). Off channels are not read, neither here nor in the weight gradient. dx is
// masked by the gate; the gate's gradient is the sum over the plane of x * d(gate * x), for channels that are on and
// off alike (straight-through).
Var gated_input_conv2d(Context& context, const Var& x, const Var& gate, const Var& weight,
                       const Conv2dOptions& options);

}  // namespace bsg::ops
