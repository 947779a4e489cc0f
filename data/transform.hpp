// From an example of a data set to what a network learns from. A transform reads the example itself, so that it can
// have less decoded than the whole of a large image.
#pragma once

#include <cstdint>

#include "data/dataset.hpp"
#include "engine/core/random.hpp"

namespace bsg::data {

// The label of a pixel that belongs to no class, as losses and metrics expect it.
inline constexpr std::int64_t kNoLabel = -100;

class Transform {
 public:
  virtual ~Transform() = default;
  // Of what load writes, in pixels.
  virtual int height() const = 0;
  virtual int width() const = 0;
  // Whether every pixel has a label, not the image.
  virtual bool labels_pixels() const { return false; }
  // Values that load takes from its generator, at most.
  virtual std::uint64_t draws() const = 0;
  // Thread-safe. image: [3][height][width], normalised; labels: one, or [height][width] of them, kNoLabel where
  // there is none. Returns the example's difficulty. Throws what Dataset::get throws.
  virtual float load(const Dataset& dataset, std::int64_t index, Generator& random, float* image,
                     std::int64_t* labels) const = 0;
};

}  // namespace bsg::data
