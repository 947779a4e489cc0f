#include "engine/ops/concat.hpp"

#include <array>
#include <span>

#include "engine/core/dispatch.hpp"
#include "engine/ops/float_dispatch.hpp"
#include "kernels/concat/concat.hpp"

namespace bsg::ops {
namespace {

constexpr std::string_view kOp = "concat";

Shape with_channels(const Shape& shape, std::int64_t channels) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  for (int axis = 0; axis < shape.rank(); ++axis)
    extents[static_cast<std::size_t>(axis)] = axis == 1 ? channels : shape[axis];
  return Shape(std::span<const std::int64_t>(extents.data(), static_cast<std::size_t>(shape.rank())));
}

// Shape of the result, after all checks.
Shape checked_shape(const std::vector<Var>& inputs) {
  if (inputs.empty()) throw_error<ShapeError>("{}: no inputs", kOp);
  const Var& first = inputs.front();
  if (first.shape().rank() < 2)
    throw_error<ShapeError>("{}: input 0 {}, expected [N, C, ...]", kOp, first.shape().str());
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Var& input = inputs[i];
    if (input.dtype() != first.dtype() || input.shape().rank() != first.shape().rank() ||
        with_channels(input.shape(), 0) != with_channels(first.shape(), 0))
      throw_error<ShapeError>("{}: input {} {} {} beside input 0 {} {}; only the second extent may differ", kOp, i,
                              to_string(input.dtype()), input.shape().str(), to_string(first.dtype()),
                              first.shape().str());
    channels += input.shape()[1];
  }
  return with_channels(first.shape(), channels);
}

// How a tensor lies in memory, as rows of which a concatenation joins one of each input: samples, or where channels lie
// last pixels.
struct Rows {
  std::int64_t count, size;
};

Rows rows_of(const Context& context, const Shape& shape) {
  Rows rows{shape[0], 1};
  for (int axis = 1; axis < shape.rank(); ++axis) rows.size *= shape[axis];
  if (!context.on_cpu() && shape.rank() == 4) rows = {shape[0] * shape[2] * shape[3], shape[1]};
  return rows;
}

template <class T>
void copy_columns(const Context& context, std::int64_t rows, std::int64_t columns, const T* from,
                  std::int64_t from_stride, T* to, std::int64_t to_stride, bool accumulate) {
  dispatch<T>(
      kOp, context,
      [&] {
        kernels::cpu::copy_columns<T>(context.launch(), rows, columns, from, from_stride, to, to_stride, accumulate);
      },
      [&](const auto& device) {
        device.copy_columns(context.launch(), rows, columns, from, from_stride, to, to_stride, accumulate);
      });
}

}  // namespace

Var concat(Context& context, const std::vector<Var>& inputs) {
  const Shape shape = checked_shape(inputs);
  return with_activation_type(kOp, inputs.front().dtype(), [&](auto type) {
    using T = decltype(type);
    const Rows rows = rows_of(context, shape);
    Tensor y = Tensor::empty(context, shape, inputs.front().dtype());
    std::vector<const Var*> operands;
    std::vector<Shape> shapes;
    T* to = y.data<T>();
    for (const Var& input : inputs) {
      const std::int64_t size = rows_of(context, input.shape()).size;
      copy_columns<T>(context, rows.count, size, input.value.data<T>(), size, to, rows.size, false);
      to += size;
      operands.push_back(&input);
      shapes.push_back(input.shape());
    }
    return record(kOp, y, std::span<const Var* const>(operands), [shapes, rows](BackwardPass& pass) {
      const T* from = pass.output().data<T>();
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        const std::int64_t size = rows_of(pass.context(), shapes[i]).size;
        const int input = static_cast<int>(i);
        if (pass.wants(input)) {
          GradTarget dx = pass.target(input, shapes[i], pass.output().dtype());
          copy_columns<T>(pass.context(), rows.count, size, from, rows.size, dx.tensor.template data<T>(), size,
                          dx.accumulate);
        }
        from += size;
      }
    });
  });
}

}  // namespace bsg::ops
