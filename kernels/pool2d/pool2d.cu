// A thread computes some channels of one pixel: of y from its window, of dx from the windows that hold it.
#include <limits>

#include "kernels/common/columns_device.hpp"
#include "kernels/common/pixels_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/pool2d/pool2d_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Pool2dShape for device code.
struct Windows {
  int height, width, out_height, out_width, channels, kernel, stride, padding, dilation;
  bool count_include_pad;

  // Of row or column `tap` of window `i`.
  __device__ int input(int i, int tap) const { return i * stride - padding + tap * dilation; }
  // The window whose tap lies on input h, or -1.
  __device__ int window(int h, int tap, int windows) const {
    const int shifted = h + padding - tap * dilation;
    return shifted >= 0 && shifted % stride == 0 && shifted / stride < windows ? shifted / stride : -1;
  }
  __device__ std::int64_t input_at(unsigned sample, int h, int w) const {
    return ((static_cast<std::int64_t>(sample) * height + h) * width + w) * channels;
  }
  __device__ std::int64_t output_at(unsigned sample, int i, int j) const {
    return ((static_cast<std::int64_t>(sample) * out_height + i) * out_width + j) * channels;
  }
  __device__ static bool inside(int h, int extent) { return h >= 0 && h < extent; }
  // Elements that a window without dilation has along an axis.
  __device__ int held(int i, int extent) const {
    const int first = i * stride - padding, last = first + kernel;
    return (last < extent ? last : extent) - (first > 0 ? first : 0);
  }
  __device__ float divisor(int i, int j) const {
    return static_cast<float>(count_include_pad ? kernel * kernel : held(i, height) * held(j, width));
  }
};

template <class T>
struct Maximum {
  Windows s;
  const T* x;
  T* y;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    Floats<N> best;
    for (int k = 0; k < N; ++k) best.v[k] = -kInfinity;
    for (int r = 0; r < s.kernel; ++r) {
      const int h = s.input(static_cast<int>(p.row), r);
      for (int c = 0; c < s.kernel && Windows::inside(h, s.height); ++c) {
        const int w = s.input(static_cast<int>(p.column), c);
        if (!Windows::inside(w, s.width)) continue;
        const auto v = load_floats<N>(x + s.input_at(p.sample, h, w) + p.channel);
        // A NaN is taken, and then stays: nothing is larger than it.
        for (int k = 0; k < N; ++k) best.v[k] = v.v[k] > best.v[k] || v.v[k] != v.v[k] ? v.v[k] : best.v[k];
      }
    }
    store_floats(y + p.at, best);
  }
};

template <class T>
struct MaximumBackward {
  Windows s;
  const T* x;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    const auto h = static_cast<int>(p.row), w = static_cast<int>(p.column);
    const auto mine = load_floats<N>(x + p.at);
    Floats<N> sum{};
    // Taps from the last to the first: windows from the first to the last.
    for (int r = s.kernel - 1; r >= 0; --r) {
      const int i = s.window(h, r, s.out_height);
      for (int c = s.kernel - 1; c >= 0 && i >= 0; --c) {
        const int j = s.window(w, c, s.out_width);
        if (j >= 0) add_window<N>(p, mine, i, j, r, c, sum);
      }
    }
    put_floats(dx + p.at, sum, accumulate);
  }

  // Adds dy of window (i, j) where `mine`, at its tap (mine_r, mine_c), is the first NaN or else the first maximum.
  template <int N>
  __device__ void add_window(const PixelPlace& p, const Floats<N>& mine, int i, int j, int mine_r, int mine_c,
                             Floats<N>& sum) const {
    unsigned taken = 0;  // bit k: another element of channel k goes before mine
    for (int r = 0; r < s.kernel; ++r) {
      const int h = s.input(i, r);
      for (int c = 0; c < s.kernel && Windows::inside(h, s.height); ++c) {
        const int w = s.input(j, c);
        if (!Windows::inside(w, s.width) || (r == mine_r && c == mine_c)) continue;
        const bool earlier = r < mine_r || (r == mine_r && c < mine_c);
        const auto other = load_floats<N>(x + s.input_at(p.sample, h, w) + p.channel);
        for (int k = 0; k < N; ++k) {
          const float o = other.v[k], m = mine.v[k];
          const bool nan = m != m;
          const bool wins = o != o ? !nan || earlier : !nan && (earlier ? o >= m : o > m);
          taken |= wins ? 1U << k : 0U;
        }
      }
    }
    const auto gradient = load_floats<N>(dy + s.output_at(p.sample, i, j) + p.channel);
    for (int k = 0; k < N; ++k) sum.v[k] += (taken >> k & 1U) != 0 ? 0 : gradient.v[k];
  }
};

template <class T>
struct Average {
  Windows s;
  const T* x;
  T* y;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    const auto i = static_cast<int>(p.row), j = static_cast<int>(p.column);
    Floats<N> sum{};
    for (int r = 0; r < s.kernel; ++r) {
      const int h = s.input(i, r);
      for (int c = 0; c < s.kernel && Windows::inside(h, s.height); ++c) {
        const int w = s.input(j, c);
        if (!Windows::inside(w, s.width)) continue;
        const auto v = load_floats<N>(x + s.input_at(p.sample, h, w) + p.channel);
        for (int k = 0; k < N; ++k) sum.v[k] += v.v[k];
      }
    }
    const float divisor = s.divisor(i, j);
    for (int k = 0; k < N; ++k) sum.v[k] /= divisor;
    store_floats(y + p.at, sum);
  }
};

template <class T>
struct AverageBackward {
  Windows s;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    Floats<N> sum{};
    for (int r = s.kernel - 1; r >= 0; --r) {
      const int i = s.window(static_cast<int>(p.row), r, s.out_height);
      for (int c = s.kernel - 1; c >= 0 && i >= 0; --c) {
        const int j = s.window(static_cast<int>(p.column), c, s.out_width);
        if (j < 0) continue;
        const auto v = load_floats<N>(dy + s.output_at(p.sample, i, j) + p.channel);
        const float divisor = s.divisor(i, j);
        for (int k = 0; k < N; ++k) sum.v[k] += v.v[k] / divisor;
      }
    }
    put_floats(dx + p.at, sum, accumulate);
  }
};

Windows windows(const Pool2dShape& s, std::int64_t channels, bool count_include_pad) {
  const auto i = [](std::int64_t value) { return static_cast<int>(value); };
  return {i(s.height), i(s.width),  i(s.out_height()), i(s.out_width()), i(channels),
          i(s.kernel), i(s.stride), i(s.padding),      i(s.dilation),    count_include_pad};
}

// Over the pixels of y, or of x.
template <class T, class Function>
void each_output(const Launch& launch, const Pool2dShape& s, std::int64_t channels, const Function& function) {
  if (channels == 0) return;
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(
        launch.stream, PixelGrid(s.planes / channels, s.out_height(), s.out_width(), channels, vector), function);
  });
}

template <class T, class Function>
void each_input(const Launch& launch, const Pool2dShape& s, std::int64_t channels, const Function& function) {
  if (channels == 0) return;
  with_channel_vector<T>(channels, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream, PixelGrid(s.planes / channels, s.height, s.width, channels, vector),
                              function);
  });
}

}  // namespace

template <class T>
void max_pool2d(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, const T* x, T* y) {
  each_output<T>(launch, shape, channels, Maximum<T>{windows(shape, channels, false), x, y});
}

template <class T>
void max_pool2d_backward(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, const T* x, const T* dy,
                         T* dx, bool accumulate) {
  each_input<T>(launch, shape, channels, MaximumBackward<T>{windows(shape, channels, false), x, dy, dx, accumulate});
}

template <class T>
void average_pool2d(const Launch& launch, const Pool2dShape& shape, std::int64_t channels, bool count_include_pad,
                    const T* x, T* y) {
  each_output<T>(launch, shape, channels, Average<T>{windows(shape, channels, count_include_pad), x, y});
}

template <class T>
void average_pool2d_backward(const Launch& launch, const Pool2dShape& shape, std::int64_t channels,
                             bool count_include_pad, const T* dy, T* dx, bool accumulate) {
  each_input<T>(launch, shape, channels,
                AverageBackward<T>{windows(shape, channels, count_include_pad), dy, dx, accumulate});
}

#define BSG_INSTANTIATE(T)                                                                                             \
  template void max_pool2d<T>(const Launch&, const Pool2dShape&, std::int64_t, const T*, T*);                          \
  template void max_pool2d_backward<T>(const Launch&, const Pool2dShape&, std::int64_t, const T*, const T*, T*, bool); \
  template void average_pool2d<T>(const Launch&, const Pool2dShape&, std::int64_t, bool, const T*, T*);                \
  template void average_pool2d_backward<T>(const Launch&, const Pool2dShape&, std::int64_t, bool, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
