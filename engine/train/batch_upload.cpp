#include "engine/train/batch_upload.hpp"

#include "engine/core/axes.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg::train {

// The stations of a batch: pinned host memory, then memory of the device.
struct BatchUpload::Slot {
  std::shared_ptr<void> pinned;
  std::size_t capacity = 0;
  Tensor images;
  std::shared_ptr<void> copied;  // the pinned memory may be written again
  std::shared_ptr<void> used;    // the device's memory may be
};

BatchUpload::BatchUpload(Context& context) : context_(context) {
  if (context.on_cpu()) return;
  const kernels::DeviceRuntime& runtime = context.backend().runtime;
  stream_ = {runtime.create_stream(), runtime.destroy_stream};
  for (auto& slot : slots_) {
    slot = std::make_unique<Slot>();
    slot->copied = {runtime.create_event(), runtime.destroy_event};
    slot->used = {runtime.create_event(), runtime.destroy_event};
  }
}

BatchUpload::~BatchUpload() {
  if (stream_ == nullptr) return;
  // What failed there, the work behind it has reported.
  try {
    context_.backend().runtime.synchronize(stream_.get());
  } catch (const std::exception&) {
  }
}

Tensor BatchUpload::images(const LabelledImages& batch) {
  if (context_.on_cpu()) return batch.images;
  const kernels::DeviceRuntime& runtime = context_.backend().runtime;
  void* const compute = context_.launch().stream;
  // All work on the batch before this one is queued by now.
  if (calls_ > 0) runtime.record_event(slots_[(calls_ - 1) % kSlots]->used.get(), compute);
  Slot& slot = *slots_[calls_++ % kSlots];
  const std::size_t bytes = batch.images.bytes();
  runtime.synchronize_event(slot.copied.get());
  if (slot.capacity < bytes) {
    slot.pinned = {runtime.allocate_pinned(bytes), runtime.release_pinned};
    if (slot.pinned == nullptr) throw_error<OutOfMemory>("batch: no {} bytes of pinned memory", bytes);
    slot.capacity = bytes;
  }
  if (!slot.images.defined() || slot.images.shape() != batch.images.shape()) {
    slot.images = Tensor::empty(context_, batch.images.shape());
    // Its memory may have served other tensors of work that is still queued.
    runtime.record_event(slot.used.get(), compute);
  }
  const Shape& shape = batch.images.shape();
  exchange_axes(sizeof(float), shape[0], shape[1], shape[2] * shape[3], batch.images.data<float>(), slot.pinned.get());
  runtime.wait_for_event(stream_.get(), slot.used.get());
  runtime.copy_to_device(slot.images.raw(), slot.pinned.get(), bytes, stream_.get());
  runtime.record_event(slot.copied.get(), stream_.get());
  runtime.wait_for_event(compute, slot.copied.get());
  slot.images.bump_version();
  return slot.images;
}

}  // namespace bsg::train
