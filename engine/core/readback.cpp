#include "engine/core/readback.hpp"

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {

struct Readback::Slot {
  Tensor host;                   // on the CPU
  std::shared_ptr<void> pinned;  // elsewhere
  std::size_t capacity = 0;
  std::size_t count = 0;
};

Readback::Readback(Context& context) : context_(context) {
  if (context.on_cpu()) return;
  const kernels::DeviceRuntime& runtime = context.backend().runtime;
  done_ = std::shared_ptr<void>(runtime.create_event(), runtime.destroy_event);
}

Readback::~Readback() {
  // Copies into the memory that goes now must be done. What failed on the device was or will be told by others.
  try {
    wait();
  } catch (const std::exception&) {
  }
}

void Readback::clear() {
  wait();
  used_ = 0;
}

std::size_t Readback::fetch(const Tensor& tensor) {
  if ((tensor.dtype() != DType::f32 && tensor.dtype() != DType::i32) || tensor.shape().rank() == 4)
    throw_error<ShapeError>("readback: {} {}, f32 or i32 of a rank other than 4 is needed", to_string(tensor.dtype()),
                            tensor.shape().str());
  if (used_ == slots_.size()) slots_.push_back(std::make_unique<Slot>());
  Slot& slot = *slots_[used_];
  slot.count = static_cast<std::size_t>(tensor.numel());
  if (context_.on_cpu()) {
    slot.host = tensor;
  } else if (slot.count > 0) {
    const kernels::DeviceRuntime& runtime = context_.backend().runtime;
    if (slot.capacity < tensor.bytes()) {
      slot.pinned = {runtime.allocate_pinned(tensor.bytes()), runtime.release_pinned};
      if (slot.pinned == nullptr) throw_error<OutOfMemory>("readback: no {} bytes of pinned memory", tensor.bytes());
      slot.capacity = tensor.bytes();
    }
    runtime.copy_to_host_later(slot.pinned.get(), tensor.raw(), tensor.bytes(), context_.launch().stream);
    runtime.record_event(done_.get(), context_.launch().stream);
  }
  return used_++;
}

void Readback::wait() {
  if (done_ != nullptr) context_.backend().runtime.synchronize_event(done_.get());
}

template <class T>
std::span<const T> Readback::values(std::size_t place) const {
  const Slot& slot = *slots_.at(place);
  return {context_.on_cpu() ? slot.host.data<T>() : static_cast<const T*>(slot.pinned.get()), slot.count};
}
template std::span<const float> Readback::values(std::size_t) const;
template std::span<const std::int32_t> Readback::values(std::size_t) const;

}  // namespace bsg
