// Where the training loop gets its images from.
#pragma once

#include <cstdint>

#include "engine/core/tensor.hpp"

namespace bsg::train {

// What a step learns from.
struct LabelledImages {
  Tensor images;  // f32 [N, 3, H, W], normalised
  Tensor labels;  // i64 [N]
};

// Batches of one split. What batch `b` of epoch `e` holds depends on nothing but the source's own seed, e and b, so
// that a run that is stopped and resumed sees the same images as one that is not.
class BatchSource {
 public:
  virtual ~BatchSource() = default;
  // Batches of an epoch, and the examples in them.
  virtual std::int64_t batches() const = 0;
  virtual std::int64_t examples() const = 0;
  // Prepares to deliver the batches first_batch, first_batch + 1, ... of the epoch.
  virtual void start(std::int64_t epoch, std::int64_t first_batch) = 0;
  // The next batch, or false after the last. Throws DataError for an example that cannot be read.
  virtual bool next(LabelledImages& batch) = 0;
};

}  // namespace bsg::train
