#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/core/context.hpp"
#include "engine/core/dtype.hpp"
#include "engine/core/shape.hpp"

namespace bsg {

// A contiguous array with a shape. Copies share the memory. Logical shapes are always (N, C, H, W) for activations and
// (K, C, R, S) for convolution weights. The CPU stores them in that order; other devices store a rank-4 tensor channels
// last: (N, H, W, C) and (K, R, S, C). A tensor knows nothing of gradients.
class Tensor {
 public:
  Tensor() = default;  // no memory; defined() is false

  // Values are indeterminate.
  static Tensor empty(Context& context, const Shape& shape, DType dtype = DType::f32);
  static Tensor zeros(Context& context, const Shape& shape, DType dtype = DType::f32);
  static Tensor full(Context& context, const Shape& shape, double value, DType dtype = DType::f32);
  // Copies; throws ShapeError unless values.size() == shape.numel().
  template <class T>
  static Tensor from(Context& context, const Shape& shape, std::span<const T> values);
  template <class T>
  static Tensor from(Context& context, const Shape& shape, const std::vector<T>& values) {
    return from(context, shape, std::span<const T>(values));
  }

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const;
  std::int64_t numel() const { return shape_.numel(); }
  std::size_t bytes() const { return static_cast<std::size_t>(numel()) * size_of(dtype_); }

  // Typed access to memory of the tensor's device; throws ShapeError when T is not the tensor's type. Writers that
  // overwrite a tensor which others may have saved call bump_version() afterwards.
  template <class T>
  T* data();
  template <class T>
  const T* data() const;
  // The same for the host; throws ShapeError when the tensor lies on another device.
  template <class T>
  std::span<T> span();
  template <class T>
  std::span<const T> span() const;
  // All values in the order of the logical shape, copied to the host; waits for the device.
  template <class T>
  std::vector<T> values() const;
  void* raw();
  const void* raw() const;

  // The same memory under another shape of equal numel().
  Tensor reshaped(const Shape& shape) const;
  Tensor clone(Context& context) const;
  // The same values on context's device: this very tensor when it is there already, else a copy in that device's order.
  Tensor to(Context& context) const;
  // The value of a tensor of one element; waits for the device. Throws ShapeError for any other number of elements.
  double item() const;
  // Element-wise conversion, a copy on the same device, which must be context's: between all types on the CPU, between
  // f32 and bf16 on other devices (else ShapeError). To bf16 rounds to nearest even.
  Tensor cast(Context& context, DType dtype) const;
  void fill(double value);
  // Throws ShapeError unless shape and dtype agree. The source may lie on another device.
  void copy_from(const Tensor& source);

  // Counts in-place changes, so that the tape sees when a saved tensor was overwritten before its backward pass.
  std::uint64_t version() const;
  void bump_version();
  // True when no other Tensor shares the memory.
  bool unique() const { return storage_.use_count() == 1; }

 private:
  struct Storage;

  void clear();
  // All values, in the order of the logical shape, from or into host memory.
  void read(void* to) const;
  void assign(const void* from);

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  DType dtype_ = DType::f32;
};

}  // namespace bsg
