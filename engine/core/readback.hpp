// Values on their way from a device to the host.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/tensor.hpp"

namespace bsg {

// Fetches tensors while the host goes on: copies into pinned memory are queued behind the work that makes the tensors.
// On the CPU the tensors themselves are read, and nobody waits. Buffers are kept for the next collection.
class Readback {
 public:
  // The context outlives the readback.
  explicit Readback(Context& context);
  ~Readback();
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;

  // Begins a collection, after waiting for copies of the last one.
  void clear();
  // Fetches an f32 or i32 tensor of any rank but 4 (on devices those lie in another order); ShapeError for others.
  // Returns its place in the collection.
  std::size_t fetch(const Tensor& tensor);
  // Waits for all that was fetched, and for nothing that was queued later than the last fetch.
  void wait();
  // After wait(). T: float or std::int32_t, as the tensor's.
  template <class T>
  std::span<const T> values(std::size_t place) const;

 private:
  struct Slot;

  Context& context_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::size_t used_ = 0;
  std::shared_ptr<void> done_;  // an event; null on the CPU
};

}  // namespace bsg
