// The input side of Winograd's convolutions, B^T d B. Included once per instruction set, after hwy/foreach_target.h.
#if defined(BSG_KERNELS_CONV2D_WINOGRAD_INPUT_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef BSG_KERNELS_CONV2D_WINOGRAD_INPUT_INL_HPP
#undef BSG_KERNELS_CONV2D_WINOGRAD_INPUT_INL_HPP
#else
#define BSG_KERNELS_CONV2D_WINOGRAD_INPUT_INL_HPP
#endif

#include <algorithm>
#include <cstdint>
#include <vector>

#include <hwy/highway.h>

#include "kernels/common/prefetch.hpp"
#include "kernels/conv2d/winograd.hpp"

#ifndef BSG_KERNELS_CONV2D_WINOGRAD_INPUT
#define BSG_KERNELS_CONV2D_WINOGRAD_INPUT
namespace bsg::kernels::cpu {

// One sample's channels, and where a group of bands is transformed to.
template <class T>
struct WinogradInput {
  // scratch: bands.scratch elements, all zero.
  WinogradInput(const WinogradShape& of, const WinogradBands& in, T* scratch)
      : shape(&of), bands(&in), tiles(scratch), plane(scratch + in.bands * in.input) {}
  void take(const T* sample, const std::vector<std::int64_t>& active) {
    x = sample;
    active_inputs = active.data();
    inputs = static_cast<std::int64_t>(active.size());
  }
  // The band that starts so many tile rows into the group: [position][active input][tile].
  T* tiles_at(std::int64_t row) const { return tiles + row / bands->rows * bands->input; }

  const WinogradShape* shape;
  const WinogradBands* bands;
  const T* x = nullptr;
  const std::int64_t* active_inputs = nullptr;
  std::int64_t inputs = 0;
  T* tiles;
  T* plane;  // one channel's copy, zero around the image
};

}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls body with whole vectors, or with shorter ones where a row of tiles does not fill a half (of 128 bits at least).
template <class D, class Body>
HWY_INLINE void with_lanes_for(D d, std::int64_t columns, const Body& body) {
  if constexpr (sizeof(hn::TFromD<D>) * hn::MaxLanes(D()) > 16) {
    const hn::Half<D> half;
    if (columns <= static_cast<std::int64_t>(hn::Lanes(half))) return with_lanes_for(half, columns, body);
  }
  body(d);
}

// Copies a row of an image.
template <class D, class T>
HWY_INLINE void copy_row(D d, const T* from, std::int64_t width, T* to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= width; i += lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  for (; i < width; ++i) to[i] = from[i];
}

// One row of B^T d B's right half: four neighbours d0..d3 of each tile become d0-d2, d1+d2, d2-d1, d1-d3.
template <class D, class T, class V>
HWY_INLINE void transform_row(D d, const T* row, V (&out)[4]) {
  V d0, d1, d2, d3;
  hn::LoadInterleaved2(d, row, d0, d1);
  hn::LoadInterleaved2(d, row + 2, d2, d3);
  out[0] = hn::Sub(d0, d2);
  out[1] = hn::Add(d1, d2);
  out[2] = hn::Sub(d2, d1);
  out[3] = hn::Sub(d1, d3);
}

// B^T d B of one channel's tiles: from its padded plane to [position][tile], positions `step` apart.
template <class D, class T>
HWY_INLINE void transform_input(D d, const T* plane, std::int64_t plane_row, std::int64_t rows, std::int64_t columns,
                                T* to, std::int64_t step) {
  using V = hn::Vec<D>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t begin = 0; begin < columns; begin += lanes) {
    // The last vector of a long row overlaps the one before; that of a short row reaches into the next row's place,
    // which is written later.
    const std::int64_t column = columns >= lanes ? std::min(begin, columns - lanes) : begin;
    const T* from = plane + 2 * column;
    V h0[4], h1[4], h2[4], h3[4];
    transform_row(d, from, h0);
    transform_row(d, from + plane_row, h1);
    for (std::int64_t row = 0; row < rows; ++row) {
      from += 2 * plane_row;
      transform_row(d, from, h2);
      transform_row(d, from + plane_row, h3);
      T* const tile = to + row * columns + column;
      for (int j = 0; j < 4; ++j) {
        hn::StoreU(hn::Sub(h0[j], h2[j]), d, tile + j * step);
        hn::StoreU(hn::Add(h1[j], h2[j]), d, tile + (4 + j) * step);
        hn::StoreU(hn::Sub(h2[j], h1[j]), d, tile + (8 + j) * step);
        hn::StoreU(hn::Sub(h1[j], h3[j]), d, tile + (12 + j) * step);
        h0[j] = h2[j];
        h1[j] = h3[j];
      }
    }
  }
}

// The active inputs' tiles of all bands of the group that starts at a tile row.
template <class T>
HWY_INLINE void transform_group(const WinogradInput<T>& a, std::int64_t group) {
  const hn::ScalableTag<T> whole;
  const WinogradShape& s = *a.shape;
  const WinogradBands& bands = *a.bands;
  const std::int64_t end = std::min(s.tile_rows(), group + bands.group_rows());
  for (std::int64_t i = 0; i < a.inputs; ++i) {
    const T* const x = a.x + a.active_inputs[i] * s.height * s.width;
    const T* const ahead = i + 2 < a.inputs ? a.x + a.active_inputs[i + 2] * s.height * s.width : x;
    with_lanes_for(whole, s.width, [&](auto d) HWY_ATTR {
      const std::int64_t last = std::min(2 * end + 2, s.height + s.padding);
      for (std::int64_t row = std::max(2 * group, s.padding); row < last; ++row) {
        prefetch(ahead + (row - s.padding) * s.width, s.width);
        copy_row(d, x + (row - s.padding) * s.width, s.width, a.plane + row * bands.plane_row + s.padding);
      }
    });
    with_lanes_for(whole, s.tile_columns(), [&](auto d) HWY_ATTR {
      for (std::int64_t row = group; row < end; row += bands.rows)
        transform_input(d, a.plane + 2 * row * bands.plane_row, bands.plane_row, std::min(bands.rows, end - row),
                        s.tile_columns(), a.tiles_at(row - group) + i * bands.tiles, bands.position);
    });
  }
}

}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
