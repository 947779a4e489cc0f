// Which kernels compute a pass: bf16 and tf32 by the matrix units (conv2d_matrix.hpp) where the shape suits them. All
// else by FMAs: the three passes are one tiled matrix product (implicit GEMM), and a pass is a struct that says where
// an element lies.
#include <algorithm>

#include "kernels/common/sum_columns.hpp"
#include "kernels/common/tiled_product.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/conv2d/conv2d_device.hpp"
#include "kernels/conv2d/conv2d_matrix.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

using std::int64_t;

// A pixel that a window's first tap reads; taps count from it.
struct Window {
  int64_t sample = 0;
  int row = 0, column = 0;
  bool valid = false;
};

struct Extents {
  int channels, height, width, outputs, kernel_width, taps, stride, padding, dilation, out_height, out_width;
  int64_t batch;

  explicit Extents(const Conv2dShape& s)
      : channels(static_cast<int>(s.channels)),
        height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        outputs(static_cast<int>(s.outputs)),
        kernel_width(static_cast<int>(s.kernel_width)),
        taps(static_cast<int>(s.taps())),
        stride(static_cast<int>(s.stride)),
        padding(static_cast<int>(s.padding)),
        dilation(static_cast<int>(s.dilation)),
        out_height(static_cast<int>(s.out_height())),
        out_width(static_cast<int>(s.out_width())),
        batch(s.batch) {}

  __device__ Window window_of_output(int64_t position) const {
    const auto column = static_cast<int>(position % out_width);
    const auto row = static_cast<int>(position / out_width % out_height);
    const int64_t sample = position / out_width / out_height;
    return {sample, row * stride - padding, column * stride - padding, sample < batch};
  }
  // Whether a gate of [N, count], if there is one, is open.
  static __device__ bool on(const float* gate, int64_t sample, int count, int64_t channel) {
    return gate == nullptr || gate[sample * count + channel] != 0;
  }
  // x under a tap of an output's window.
  template <class T>
  __device__ float input(const T* x, const float* gate, const Window& window, int tap, int channel) const {
    const int row = window.row + tap / kernel_width * dilation;
    const int column = window.column + tap % kernel_width * dilation;
    if (!window.valid || row < 0 || row >= height || column < 0 || column >= width) return 0;
    if (!on(gate, window.sample, channels, channel)) return 0;
    return widen(x[((window.sample * height + row) * width + column) * channels + channel]);
  }
};

// y [positions, K] = windows of x [positions, taps * C] times weight^T [taps * C, K].
template <class T>
struct Forward {
  using Row = Window;
  using Column = int64_t;
  static constexpr bool kRowsLieAlongDepth = true, kColumnsLieAlongDepth = true;

  Extents e;
  const T *x, *weight;
  const float *bias, *input_gate, *output_gate;
  T* y;

  __device__ int64_t rows() const { return e.batch * e.out_height * e.out_width; }
  __device__ int64_t columns() const { return e.outputs; }
  __device__ int64_t depth() const { return static_cast<int64_t>(e.taps) * e.channels; }
  __device__ Row row(int64_t m) const { return e.window_of_output(m); }
  __device__ Column column(int64_t n) const { return n < e.outputs ? n : -1; }
  __device__ float a(const Row& window, int64_t k) const {
    return e.input(x, input_gate, window, static_cast<int>(k / e.channels), static_cast<int>(k % e.channels));
  }
  __device__ float b(const Column& output, int64_t k) const {
    return output < 0 ? 0 : widen(weight[output * depth() + k]);
  }
  __device__ void store(int64_t m, int64_t n, unsigned, float value) const {
    const bool open = Extents::on(output_gate, m / e.out_width / e.out_height, e.outputs, n);
    y[m * e.outputs + n] = narrow<T>(!open ? 0 : bias != nullptr ? value + bias[n] : value);
  }
};

// dx [pixels, C] = windows of dy [pixels, taps * K] times weight [taps * K, C].
template <class T>
struct BackwardInput {
  using Row = Window;  // the pixel itself, in padded coordinates
  using Column = int64_t;
  static constexpr bool kRowsLieAlongDepth = true, kColumnsLieAlongDepth = false;

  Extents e;
  const T *weight, *dy;
  const float* output_gate;
  T* dx;
  bool accumulate;

  __device__ int64_t rows() const { return e.batch * e.height * e.width; }
  __device__ int64_t columns() const { return e.channels; }
  __device__ int64_t depth() const { return static_cast<int64_t>(e.taps) * e.outputs; }
  __device__ Row row(int64_t m) const {
    const int64_t sample = m / e.width / e.height;
    return {sample, static_cast<int>(m / e.width % e.height) + e.padding, static_cast<int>(m % e.width) + e.padding,
            sample < e.batch};
  }
  __device__ Column column(int64_t n) const { return n < e.channels ? n : -1; }
  __device__ float a(const Row& pixel, int64_t k) const {
    const auto tap = static_cast<int>(k / e.outputs);
    const int down = pixel.row - tap / e.kernel_width * e.dilation;
    const int right = pixel.column - tap % e.kernel_width * e.dilation;
    if (!pixel.valid || down < 0 || right < 0 || down % e.stride != 0 || right % e.stride != 0) return 0;
    const int out_row = down / e.stride, out_column = right / e.stride;
    if (out_row >= e.out_height || out_column >= e.out_width) return 0;
    if (!Extents::on(output_gate, pixel.sample, e.outputs, k % e.outputs)) return 0;
    return widen(dy[((pixel.sample * e.out_height + out_row) * e.out_width + out_column) * e.outputs + k % e.outputs]);
  }
  __device__ float b(const Column& channel, int64_t k) const {
    if (channel < 0) return 0;
    return widen(weight[(k % e.outputs * e.taps + k / e.outputs) * e.channels + channel]);
  }
  __device__ void store(int64_t m, int64_t n, unsigned, float value) const {
    T& to = dx[m * e.channels + n];
    to = narrow<T>(accumulate ? widen(to) + value : value);
  }
};

// dweight [K, taps * C] = dy^T [K, positions] times windows of x [positions, taps * C].
template <class T>
struct BackwardWeight {
  struct Column {
    int tap = 0, channel = 0;
    bool valid = false;
  };
  using Row = int64_t;
  static constexpr bool kRowsLieAlongDepth = false, kColumnsLieAlongDepth = false;

  Extents e;
  const T *x, *dy;
  const float *input_gate, *output_gate;
  float* partial;  // [parts, K, taps * C]

  __device__ int64_t rows() const { return e.outputs; }
  __device__ int64_t columns() const { return static_cast<int64_t>(e.taps) * e.channels; }
  __device__ int64_t depth() const { return e.batch * e.out_height * e.out_width; }
  __device__ Row row(int64_t m) const { return m < e.outputs ? m : -1; }
  __device__ Column column(int64_t n) const {
    return {static_cast<int>(n / e.channels), static_cast<int>(n % e.channels), n < columns()};
  }
  __device__ float a(const Row& output, int64_t k) const {
    if (output < 0 || !Extents::on(output_gate, k / e.out_width / e.out_height, e.outputs, output)) return 0;
    return widen(dy[k * e.outputs + output]);
  }
  __device__ float b(const Column& column, int64_t k) const {
    return column.valid ? e.input(x, input_gate, e.window_of_output(k), column.tap, column.channel) : 0;
  }
  __device__ void store(int64_t m, int64_t n, unsigned part, float value) const {
    partial[(part * rows() + m) * columns() + n] = value;
  }
};

// to[i] = sum over parts, ascending, of partial[part][i].
__global__ void add_parts(const float* __restrict__ partial, int64_t count, int64_t parts, float* __restrict__ to,
                          bool accumulate) {
  const int64_t i = static_cast<int64_t>(simt::block().x) * tiled::kThreads + simt::thread().x;
  if (i >= count) return;
  float sum = accumulate ? to[i] : 0;
  for (int64_t part = 0; part < parts; ++part) sum += partial[part * count + i];
  to[i] = sum;
}

// Into how many parts the positions of the weight's gradient are cut: as many as give a large GPU two blocks for each
// of its multiprocessors, of at least 2048 positions each, which outweigh the partial gradient that they write.
int64_t weight_gradient_parts(const Conv2dShape& shape) {
  constexpr int64_t kPositions = 2048, kMost = 64, kBlocks = 264;
  const auto divided = [](int64_t value, int64_t by) { return (value + by - 1) / by; };
  const int64_t tiles = divided(shape.taps() * shape.channels, 128) * divided(shape.outputs, 64);
  const int64_t useful = divided(shape.batch * shape.out_height() * shape.out_width(), kPositions);
  return std::clamp<int64_t>(divided(kBlocks, std::max<int64_t>(tiles, 1)), 1, std::clamp<int64_t>(useful, 1, kMost));
}

// Whether the matrix units compute a pass on these arrays of T.
template <class T>
bool by_matrices(const Launch& launch, const Conv2dShape& shape, bool backward, const void* a, const void* b,
                 const void* c = nullptr) {
  return (sizeof(T) == 2 || launch.tf32) && matrices_fit<T>(shape, backward) && aligned(a) && aligned(b) && aligned(c);
}

}  // namespace

template <class T>
void conv2d_forward(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const float* bias,
                    const float* input_gate, const float* output_gate, T* y) {
  // Gates on what is copied would have to be asked element by element.
  if (input_gate == nullptr && by_matrices<T>(launch, shape, false, x, weight, y))
    return forward_by_matrices(launch, shape, x, weight, bias, output_gate, y);
  tiled::launch_product(launch, Forward<T>{Extents(shape), x, weight, bias, input_gate, output_gate, y},
                        shape.batch * shape.out_height() * shape.out_width(), shape.outputs,
                        shape.taps() * shape.channels, 1);
}

template <class T>
void conv2d_backward_input(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy,
                           const float* output_gate, T* dx, bool accumulate) {
  if (output_gate == nullptr && by_matrices<T>(launch, shape, true, weight, dy, dx))
    return backward_input_by_matrices(launch, shape, weight, dy, dx, accumulate);
  tiled::launch_product(launch, BackwardInput<T>{Extents(shape), weight, dy, output_gate, dx, accumulate},
                        shape.batch * shape.height * shape.width, shape.channels, shape.taps() * shape.outputs, 1);
}

int64_t conv2d_weight_gradient_workspace(const Conv2dShape& shape) {
  return weight_gradient_parts(shape) * shape.weights();
}

template <class T>
void conv2d_backward_weight(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy,
                            const float* input_gate, const float* output_gate, float* dweight, bool accumulate,
                            float* workspace) {
  const int64_t parts = weight_gradient_parts(shape);
  if (input_gate == nullptr && output_gate == nullptr && by_matrices<T>(launch, shape, true, x, dy))
    backward_weight_by_matrices(launch, shape, x, dy, parts, workspace);
  else
    tiled::launch_product(launch, BackwardWeight<T>{Extents(shape), x, dy, input_gate, output_gate, workspace},
                          shape.outputs, shape.taps() * shape.channels,
                          shape.batch * shape.out_height() * shape.out_width(), parts);
  simt::launch(add_parts, {static_cast<unsigned>((shape.weights() + tiled::kThreads - 1) / tiled::kThreads)},
               {tiled::kThreads}, launch.stream, workspace, shape.weights(), parts, dweight, accumulate);
}

template <class T>
void conv2d_backward_bias(const Launch& launch, const Conv2dShape& shape, const T* dy, float* dbias, bool accumulate) {
  sum_columns(launch, dy, shape.batch * shape.out_height() * shape.out_width(), shape.outputs, dbias, accumulate);
}

#define BSG_INSTANTIATE(T)                                                                                           \
  template void conv2d_forward<T>(const Launch&, const Conv2dShape&, const T*, const T*, const float*, const float*, \
                                  const float*, T*);                                                                 \
  template void conv2d_backward_input<T>(const Launch&, const Conv2dShape&, const T*, const T*, const float*, T*,    \
                                         bool);                                                                      \
  template void conv2d_backward_weight<T>(const Launch&, const Conv2dShape&, const T*, const T*, const float*,       \
                                          const float*, float*, bool, float*);                                       \
  template void conv2d_backward_bias<T>(const Launch&, const Conv2dShape&, const T*, float*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
