// How a convolution is laid out in a sample's scratch planes: pure integer arithmetic, no element type.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv2d/conv2d.hpp"

namespace bsg::kernels::cpu {

// Slack behind each scratch plane, and the largest number of lanes of a vector: a vector load may start at the last
// element.
inline constexpr std::int64_t kMaxLanes = 16;

// One weight of the kernel window, as seen from an output position: where its input lies in the scratch planes of a
// channel, and its index among the R * S weights of a channel.
struct Tap {
  std::int64_t offset;
  std::int64_t weight;
};

// A sample's planes in scratch: zero-padded, and for stride s split into s * s phase planes, so that neighbouring
// outputs always read neighbouring inputs.
struct ScratchPlanes {
  std::int64_t rows = 0, columns = 0;  // of a phase plane
  std::int64_t phases = 1;             // per axis
  std::int64_t top = 0,
               left = 0;  // where the source's first element goes, before the split into phases; may be negative

  std::int64_t phase_plane() const { return rows * columns + kMaxLanes; }
  std::int64_t channel() const { return phases * phases * phase_plane(); }
};

// Outputs that one tap list serves: rows x columns of them, element (i, j) at base + i * row_stride + j *
// column_stride.
struct OutputGrid {
  std::int64_t rows = 0, columns = 0;
  std::int64_t base = 0, row_stride = 0, column_stride = 1;
  std::vector<Tap> taps;
};

struct ForwardGeometry {
  explicit ForwardGeometry(const Conv2dShape& shape);
  ScratchPlanes scratch;  // of x
  OutputGrid grid;        // of y
};

// The gradient of x is itself a unit-stride convolution of dy, one for each phase of the stride.
struct BackwardInputGeometry {
  explicit BackwardInputGeometry(const Conv2dShape& shape);
  ScratchPlanes scratch;          // of dy
  std::vector<OutputGrid> grids;  // of dx; a grid without taps is zero
};

// How many samples a thread takes at a time: few enough that the threads end together, also where one is slowed down by
// other work or its samples have more channels on.
std::int64_t samples_at_a_time(std::int64_t batch, int threads);

// How the batch is cut for the weight gradient, and where dy lies once it is turned to [row][pixel][outputs]: decided
// by the shape alone, so that the sum does not depend on the thread count.
struct WeightGradientLayout {
  explicit WeightGradientLayout(const Conv2dShape& shape);
  std::int64_t parts;       // of the batch; each has a sum of its own, [channels][taps][pixel]
  std::int64_t taps;        // neighbours along a kernel row that are done together: 3 or 1
  std::int64_t band;        // dy rows that are turned at once
  std::int64_t margin;      // zero pixels in front of a turned row
  std::int64_t pixel, row;  // elements from one turned pixel (outputs, padded to whole vectors) and row to the next
  std::int64_t turned;      // elements of a band
  std::int64_t begin(std::int64_t part, std::int64_t batch) const { return batch * part / parts; }
};

}  // namespace bsg::kernels::cpu
