#include "kernels/common/pixels_device.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/concat/concat_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

template <class T>
struct CopyColumns {
  const T* from;
  std::int64_t from_stride;
  T* to;
  std::int64_t to_stride;
  bool accumulate;
  // A matrix is an image one pixel wide.
  template <int N>
  __device__ void at(const PixelPlace& p) const {
    put_floats(to + p.row * to_stride + p.channel, load_floats<N>(from + p.row * from_stride + p.channel), accumulate);
  }
};

}  // namespace

template <class T>
void copy_columns(const Launch& launch, std::int64_t rows, std::int64_t columns, const T* from,
                  std::int64_t from_stride, T* to, std::int64_t to_stride, bool accumulate) {
  if (rows == 0) return;
  const CopyColumns<T> copy{from, from_stride, to, to_stride, accumulate};
  constexpr int kWide = kVector<T>;
  if (columns % kWide == 0 && from_stride % kWide == 0 && to_stride % kWide == 0 && aligned(from) && aligned(to)) {
    launch_each_pixel<kWide>(launch.stream, PixelGrid(1, rows, 1, columns, kWide), copy);
  } else {
    launch_each_pixel<1>(launch.stream, PixelGrid(1, rows, 1, columns, 1), copy);
  }
}

template void copy_columns<float>(const Launch&, std::int64_t, std::int64_t, const float*, std::int64_t, float*,
                                  std::int64_t, bool);
template void copy_columns<simt::bfloat16>(const Launch&, std::int64_t, std::int64_t, const simt::bfloat16*,
                                           std::int64_t, simt::bfloat16*, std::int64_t, bool);

}  // namespace bsg::kernels::device
