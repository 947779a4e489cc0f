// y = a b: the three products of a linear layer differ in which of an operand's extents is adjacent in memory.
#include "kernels/common/sum_columns.hpp"
#include "kernels/common/tiled_product.hpp"
#include "kernels/linear/linear_device.hpp"

namespace bsg::kernels::device {
namespace {

// An operand as lines of the product (rows of a, columns of b) along the depth.
struct Operand {
  const float* data;
  std::int64_t lines;
};

template <bool a_along_depth, bool b_along_depth>
struct MatrixProduct {
  using Row = std::int64_t;
  using Column = std::int64_t;
  static constexpr bool kRowsLieAlongDepth = a_along_depth, kColumnsLieAlongDepth = b_along_depth;

  Operand left, right;
  std::int64_t summed;
  const float* bias;  // a number for each column, or null
  float* y;
  bool accumulate;

  template <bool along_depth>
  __device__ float at(const Operand& from, std::int64_t line, std::int64_t k) const {
    if (line >= from.lines) return 0;
    return from.data[along_depth ? line * summed + k : k * from.lines + line];
  }

  __device__ std::int64_t rows() const { return left.lines; }
  __device__ std::int64_t columns() const { return right.lines; }
  __device__ std::int64_t depth() const { return summed; }
  __device__ Row row(std::int64_t m) const { return m; }
  __device__ Column column(std::int64_t n) const { return n; }
  __device__ float a(Row m, std::int64_t k) const { return at<a_along_depth>(left, m, k); }
  __device__ float b(Column n, std::int64_t k) const { return at<b_along_depth>(right, n, k); }
  __device__ void store(std::int64_t m, std::int64_t n, unsigned, float sum) const {
    const float value = bias != nullptr ? sum + bias[n] : sum;
    float& to = y[m * right.lines + n];
    to = accumulate ? to + value : value;
  }

  void run(const Launch& launch) const { tiled::launch_product(launch, *this, left.lines, right.lines, summed, 1); }
};

}  // namespace

void linear(const Launch& launch, const LinearShape& s, const float* x, const float* weight, const float* bias,
            float* y) {
  MatrixProduct<true, true>{{x, s.rows}, {weight, s.outputs}, s.inputs, bias, y, false}.run(launch);
}

void linear_backward_input(const Launch& launch, const LinearShape& s, const float* weight, const float* dy, float* dx,
                           bool accumulate) {
  MatrixProduct<true, false>{{dy, s.rows}, {weight, s.inputs}, s.outputs, nullptr, dx, accumulate}.run(launch);
}

void linear_backward_weight(const Launch& launch, const LinearShape& s, const float* x, const float* dy, float* dweight,
                            bool accumulate) {
  MatrixProduct<false, false>{{dy, s.outputs}, {x, s.inputs}, s.rows, nullptr, dweight, accumulate}.run(launch);
}

void linear_backward_bias(const Launch& launch, const LinearShape& s, const float* dy, float* dbias, bool accumulate) {
  sum_columns(launch, dy, s.rows, s.outputs, dbias, accumulate);
}

}  // namespace bsg::kernels::device
