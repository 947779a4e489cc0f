#include "kernels/common/pixels_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/shortcut/shortcut_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

struct Extents {
  unsigned height, width, channels, out_height, out_width, out_channels, before, stride;
};

template <class T>
struct Forward {
  Extents e;
  const T* x;
  T* y;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    Floats<N> v{};
    if (p.channel >= e.before && p.channel < e.before + e.channels) {
      const std::int64_t pixel = (static_cast<std::int64_t>(p.sample) * e.height + p.row * e.stride) * e.width;
      v = load_floats<N>(x + (pixel + p.column * e.stride) * e.channels + p.channel - e.before);
    }
    store_floats(y + p.at, v);
  }
};

template <class T>
struct Backward {
  Extents e;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    Floats<N> v{};
    if (p.row % e.stride == 0 && p.column % e.stride == 0) {
      const std::int64_t pixel =
          (static_cast<std::int64_t>(p.sample) * e.out_height + p.row / e.stride) * e.out_width + p.column / e.stride;
      v = load_floats<N>(dy + pixel * e.out_channels + e.before + p.channel);
    } else if (accumulate) {
      return;
    }
    put_floats(dx + p.at, v, accumulate);
  }
};

Extents extents(const OptionAShape& s) {
  const auto u = [](std::int64_t extent) { return static_cast<unsigned>(extent); };
  return {u(s.height),
          u(s.width),
          u(s.channels),
          u(s.out_height()),
          u(s.out_width()),
          u(s.out_channels),
          u((s.out_channels - s.channels) / 2),
          u(s.stride)};
}

// Vectors must not straddle the border between x's channels and zeros.
template <class T, class Function>
void with_vector(const Extents& e, const Function& function) {
  constexpr unsigned kWide = kVector<T>;
  if (e.channels % kWide == 0 && e.out_channels % kWide == 0 && e.before % kWide == 0) {
    function(std::integral_constant<int, kVector<T>>{});
  } else {
    function(std::integral_constant<int, 1>{});
  }
}

}  // namespace

template <class T>
void option_a_shortcut(const Launch& launch, const OptionAShape& s, const T* x, T* y) {
  const Extents e = extents(s);
  with_vector<T>(e, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream,
                              PixelGrid(s.samples, s.out_height(), s.out_width(), s.out_channels, vector),
                              Forward<T>{e, x, y});
  });
}

template <class T>
void option_a_shortcut_backward(const Launch& launch, const OptionAShape& s, const T* dy, T* dx, bool accumulate) {
  const Extents e = extents(s);
  with_vector<T>(e, [&](auto n) {
    constexpr int vector = decltype(n)::value;
    launch_each_pixel<vector>(launch.stream, PixelGrid(s.samples, s.height, s.width, s.channels, vector),
                              Backward<T>{e, dy, dx, accumulate});
  });
}

#define BSG_INSTANTIATE(T)                                                              \
  template void option_a_shortcut<T>(const Launch&, const OptionAShape&, const T*, T*); \
  template void option_a_shortcut_backward<T>(const Launch&, const OptionAShape&, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
