// Batches on their way from the loader to the device.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include "engine/train/batch_source.hpp"

namespace bsg::train {

// Copies batches through pinned memory on a stream of their own, so that a batch travels while the device computes on
// the one before it. On the CPU batches stay where they are.
class BatchUpload {
 public:
  // The context outlives the upload.
  explicit BatchUpload(Context& context);
  ~BatchUpload();
  BatchUpload(const BatchUpload&) = delete;
  BatchUpload& operator=(const BatchUpload&) = delete;

  // The images of a batch that lies on the host, for work that is queued from now on. They may be overwritten after the
  // next call but one: work on them must be queued before that.
  Tensor images(const LabelledImages& batch);

 private:
  struct Slot;
  static constexpr std::size_t kSlots = 2;

  Context& context_;
  std::shared_ptr<void> stream_;
  std::array<std::unique_ptr<Slot>, kSlots> slots_;
  std::size_t calls_ = 0;
};

}  // namespace bsg::train
