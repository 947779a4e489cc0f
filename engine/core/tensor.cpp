#include "engine/core/tensor.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/core/error.hpp"

namespace bsg {

struct Tensor::Storage {
  Storage(std::shared_ptr<Allocator> from, std::size_t size, Device where)
      : allocator(std::move(from)), bytes(size), device(where), block(allocator->allocate(bytes)) {}
  ~Storage() { allocator->free(block, bytes); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::shared_ptr<Allocator> allocator;
  std::size_t bytes;
  Device device;
  void* block;
  std::uint64_t version = 0;
};

namespace {

// Calls visit(T{}) with the C++ type of dtype.
template <class Visitor>
void visit_dtype(DType dtype, Visitor&& visit) {
  switch (dtype) {
    case DType::f32:
      return visit(float{});
    case DType::f64:
      return visit(double{});
    case DType::i64:
      return visit(std::int64_t{});
    case DType::i32:
      return visit(std::int32_t{});
    case DType::u8:
      return visit(std::uint8_t{});
  }
}

}  // namespace

Tensor Tensor::empty(Context& context, const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.shape_ = shape;
  tensor.dtype_ = dtype;
  tensor.storage_ = std::make_shared<Storage>(
      context.allocator(), static_cast<std::size_t>(shape.numel()) * size_of(dtype), context.device());
  return tensor;
}

Tensor Tensor::zeros(Context& context, const Shape& shape, DType dtype) {
  Tensor tensor = empty(context, shape, dtype);
  if (tensor.bytes() > 0) std::memset(tensor.raw(), 0, tensor.bytes());
  return tensor;
}

Tensor Tensor::full(Context& context, const Shape& shape, double value, DType dtype) {
  Tensor tensor = empty(context, shape, dtype);
  tensor.fill(value);
  return tensor;
}

template <class T>
Tensor Tensor::from(Context& context, const Shape& shape, std::span<const T> values) {
  if (static_cast<std::int64_t>(values.size()) != shape.numel())
    throw_error<ShapeError>("tensor: {} values do not fill shape {}", values.size(), shape.str());
  Tensor tensor = empty(context, shape, DTypeOf<T>::value);
  std::copy(values.begin(), values.end(), tensor.data<T>());
  return tensor;
}

Device Tensor::device() const { return storage_ ? storage_->device : Device::cpu; }

template <class T>
T* Tensor::data() {
  return const_cast<T*>(std::as_const(*this).data<T>());
}

template <class T>
const T* Tensor::data() const {
  if (!defined())
    throw_error<ShapeError>("tensor: no memory where {} values were expected", to_string(DTypeOf<T>::value));
  if (dtype_ != DTypeOf<T>::value)
    throw_error<ShapeError>("tensor: {} values of shape {} were read as {}", to_string(dtype_), shape_.str(),
                            to_string(DTypeOf<T>::value));
  return static_cast<const T*>(storage_->block);
}

void* Tensor::raw() { return storage_ ? storage_->block : nullptr; }
const void* Tensor::raw() const { return storage_ ? storage_->block : nullptr; }

Tensor Tensor::reshaped(const Shape& shape) const {
  if (shape.numel() != numel())
    throw_error<ShapeError>("reshape: {} has {} elements, {} has {}", shape_.str(), numel(), shape.str(),
                            shape.numel());
  Tensor tensor = *this;
  tensor.shape_ = shape;
  return tensor;
}

Tensor Tensor::clone(Context& context) const {
  Tensor tensor = empty(context, shape_, dtype_);
  if (bytes() > 0) std::memcpy(tensor.raw(), raw(), bytes());
  return tensor;
}

Tensor Tensor::cast(Context& context, DType dtype) const {
  Tensor result = empty(context, shape_, dtype);
  visit_dtype(dtype_, [&](auto from) {
    using From = decltype(from);
    visit_dtype(dtype, [&](auto to) {
      using To = decltype(to);
      const auto source = span<From>();
      std::transform(source.begin(), source.end(), result.data<To>(),
                     [](From value) { return static_cast<To>(value); });
    });
  });
  return result;
}

void Tensor::fill(double value) {
  visit_dtype(dtype_, [&](auto type) {
    using T = decltype(type);
    std::ranges::fill(span<T>(), static_cast<T>(value));
  });
  bump_version();
}

void Tensor::copy_from(const Tensor& source) {
  if (source.shape_ != shape_ || source.dtype_ != dtype_)
    throw_error<ShapeError>("copy: {} {} into {} {}", to_string(source.dtype_), source.shape_.str(), to_string(dtype_),
                            shape_.str());
  if (bytes() > 0) std::memmove(raw(), source.raw(), bytes());
  bump_version();
}

std::uint64_t Tensor::version() const { return storage_ ? storage_->version : 0; }
void Tensor::bump_version() {
  if (storage_) ++storage_->version;
}

#define BSG_TENSOR_TYPES(X) X(float) X(double) X(std::int64_t) X(std::int32_t) X(std::uint8_t)
#define BSG_INSTANTIATE(T)                                                     \
  template Tensor Tensor::from<T>(Context&, const Shape&, std::span<const T>); \
  template T* Tensor::data<T>();                                               \
  template const T* Tensor::data<T>() const;
BSG_TENSOR_TYPES(BSG_INSTANTIATE)

}  // namespace bsg
