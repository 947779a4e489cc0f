// How one sample's activations lie in memory between the layers of an inference plan.
#pragma once

#include <cstdint>

namespace bsg::kernels {

// A plane per channel, in a frame of zeros that nobody writes after the memory was cleared once: convolutions read
// their padding from it, so that no layer copies its input. The frame to the right of a row is the one to the left of
// the next row.
//
// With phases s > 1, pixels whose padded coordinates are equal modulo s form a plane of their own, s * s of them for
// each channel: a convolution of stride s reads neighbours from each.
struct PlaneLayout {
  // Behind every channel: a vector may start at the last element.
  static constexpr std::int64_t kSlack = 16;

  std::int64_t channels = 0, height = 0, width = 0;
  std::int64_t frame = 0;   // rows and columns of zeros on each side
  std::int64_t phases = 1;  // per axis

  // Elements from a row to the next.
  std::int64_t row() const { return phases == 1 ? width + frame : (width + 2 * frame + phases - 1) / phases; }
  std::int64_t phase_plane() const {
    return phases == 1 ? (height + 2 * frame) * row() + frame : (height + 2 * frame + phases - 1) / phases * row();
  }
  // Elements from a channel to the next: whole cache lines.
  std::int64_t plane() const { return (phases * phases * phase_plane() + kSlack + 15) / 16 * 16; }
  // Elements of all channels. Behind the last one a reader may look at one row too many, and three vectors further.
  std::int64_t size() const { return channels * plane() + (row() + 3 * kSlack + 15) / 16 * 16; }
  // Of pixel (i, j) in its channel; the frame's have coordinates from -frame.
  std::int64_t offset(std::int64_t i, std::int64_t j) const {
    const std::int64_t down = i + frame, right = j + frame;
    return (down % phases * phases + right % phases) * phase_plane() + down / phases * row() + right / phases;
  }

  bool operator==(const PlaneLayout&) const = default;
};

}  // namespace bsg::kernels
