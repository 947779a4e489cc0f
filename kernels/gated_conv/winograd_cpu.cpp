#include <algorithm>
#include <array>
#include <utility>

#include "kernels/gated_conv/methods.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gated_conv/winograd_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/conv2d/winograd_input-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using Vector = hn::Vec<D>;

constexpr std::int64_t kPositions = WinogradGeometry::kPositions;
constexpr std::int64_t kBlock = WinogradGeometry::kBlock;
constexpr std::int64_t kMaxLanes = PlaneLayout::kSlack;

// Outputs of a register tile, which is one vector of tiles wide. With weights in the order of inputs they share a
// pointer to their weights; otherwise each has its own, and there are registers for half as many. Kept small where the
// address sanitizer's checks make them slow to compile, as in direct_cpu.cpp.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kMaxTogether = 4, kMaxApart = 2;
#else
constexpr std::size_t kMaxTogether = HWY_TARGET == HWY_AVX3 ? 16 : 8, kMaxApart = 8;
#endif

// B^T d B of rows of a channel's tiles: to [position][group][tile].
template <class Tag>
HWY_INLINE void transform_input(Tag d, const WinogradGeometry& w, const float* plane, std::int64_t plane_row,
                                std::int64_t rows, float* to) {
  using V = hn::Vec<Tag>;
  const std::int64_t columns = w.columns, step = w.input, group_rows = w.group_rows;
  const std::int64_t to_next_group = w.group_tiles - group_rows * columns;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t begin = 0; begin < columns; begin += lanes) {
    // The last vector of a long row overlaps the one before; that of a short row reaches into the next row's place,
    // which is written later.
    const std::int64_t column = columns >= lanes ? std::min(begin, columns - lanes) : begin;
    const float* from = plane + 2 * column;
    V h0[4], h1[4], h2[4], h3[4];
    transform_row(d, from, h0);
    transform_row(d, from + plane_row, h1);
    float* tile = to + column;
    for (std::int64_t row = 0, in_group = 0; row < rows; ++row) {
      from += 2 * plane_row;
      transform_row(d, from, h2);
      transform_row(d, from + plane_row, h3);
      for (int j = 0; j < 4; ++j) {
        hn::StoreU(hn::Sub(h0[j], h2[j]), d, tile + j * step);
        hn::StoreU(hn::Add(h1[j], h2[j]), d, tile + (4 + j) * step);
        hn::StoreU(hn::Sub(h2[j], h1[j]), d, tile + (8 + j) * step);
        hn::StoreU(hn::Sub(h1[j], h3[j]), d, tile + (12 + j) * step);
        h0[j] = h2[j];
        h1[j] = h3[j];
      }
      tile += columns;
      if (++in_group == group_rows) {
        in_group = 0;
        tile += to_next_group;
      }
    }
  }
}

// Products of one vector of tiles at all positions.
struct Multiply {
  const float* input;       // [position][active input][tile]
  std::int64_t input_step;  // from one active input to the next
  std::int64_t input_position;
  const float* weight;  // as WinogradGeometry says
  std::int64_t weight_position, weight_output;
  const std::int32_t* inputs;
  std::int64_t input_count;
  const std::int32_t* outputs;
  std::int64_t output_count;
  float* products;       // as WinogradGeometry says
  std::int64_t product;  // from one active output to the next
  bool far;              // there are more weights than kNear
};

// Weights of more than 8 MB come from afar: in the order of inputs, whose list has gaps at which processors lose track,
// they are asked for so many inputs ahead.
constexpr std::int64_t kAhead = 24, kNear = 2 * 1024 * 1024;

// kR active outputs, the first of which is number `output` of the list. What the loops need is copied out of the
// arguments: for all that the compiler knows, a vector that is stored may change them.
template <std::size_t kR, WeightOrder kOrder>
void multiply_tile(const Multiply& a, std::int64_t output) {
  constexpr bool kTogether = kOrder == WeightOrder::inputs;
  const D d;
  const std::int64_t step = a.input_step, count = a.input_count, product = a.product;
  const std::int64_t input_position = a.input_position, weight_position = a.weight_position;
  const std::int32_t* const inputs = a.inputs;
  const float* weight[kTogether ? 1 : kR];
  for (std::size_t r = 0; r < (kTogether ? 1 : kR); ++r) {
    const std::int64_t k = a.outputs[output + static_cast<std::int64_t>(r)];
    weight[r] = a.weight + (kTogether ? k / kBlock * a.weight_output + k % kBlock : k * a.weight_output);
  }
  const float* input = a.input;
  float* to = a.products + (output / kBlock * kPositions * kBlock + output % kBlock) * product;
  for (std::int64_t position = 0; position < kPositions; ++position) {
    Vector sum[kR];
    for (std::size_t r = 0; r < kR; ++r) sum[r] = hn::Zero(d);
    const auto add = [&](std::int64_t i, const float* x) HWY_ATTR {
      const std::int64_t at = kTogether ? inputs[i] * kBlock : inputs[i];
      const Vector value = hn::LoadU(d, x);
      for (std::size_t r = 0; r < kR; ++r) {
        const float w = kTogether ? weight[0][at + static_cast<std::int64_t>(r)] : weight[r][at];
        sum[r] = hn::MulAdd(hn::Set(d, w), value, sum[r]);
      }
    };
    const float* x = input;
    std::int64_t i = 0;
    if (kTogether && a.far && count >= kAhead) {
      for (; i < count - kAhead; ++i, x += step) {
        __builtin_prefetch(weight[0] + inputs[i + kAhead] * kBlock);
        add(i, x);
      }
      for (; i < count; ++i, x += step) {
        __builtin_prefetch(weight[0] + weight_position + inputs[i + kAhead - count] * kBlock);
        add(i, x);
      }
    }
    for (; i < count; ++i, x += step) add(i, x);
    float* next = to;
    for (std::size_t r = 0; r < kR; ++r, next += product) hn::StoreU(sum[r], d, next);
    to += kBlock * product;
    input += input_position;
    for (const float*& w : weight) w += weight_position;
  }
}

using Tile = void (*)(const Multiply&, std::int64_t);

// multiply_tile<r + 1, kOrder> at [r]
template <WeightOrder kOrder, std::size_t... r>
constexpr std::array<Tile, sizeof...(r)> tiles_of(std::index_sequence<r...>) {
  return {multiply_tile<r + 1, kOrder>...};
}

// No tile crosses the end of a block of products.
std::int64_t rest_of_block(const Multiply& a, std::int64_t k) {
  return std::min(a.output_count, (k / kBlock + 1) * kBlock) - k;
}

void multiply_together(const Multiply& a) {
  static constexpr auto kTiles = tiles_of<WeightOrder::inputs>(std::make_index_sequence<kMaxTogether>());
  for (std::int64_t k = 0; k < a.output_count;) {
    const std::int64_t most = std::min(rest_of_block(a, k), static_cast<std::int64_t>(kMaxTogether));
    std::int64_t run = 1;  // outputs whose weights lie side by side
    while (run < most && a.outputs[k + run] == a.outputs[k + run - 1] + 1 && a.outputs[k + run] % kBlock != 0) ++run;
    kTiles[static_cast<std::size_t>(run - 1)](a, k);
    k += run;
  }
}

void multiply_apart(const Multiply& a) {
  static constexpr auto kTiles = tiles_of<WeightOrder::outputs>(std::make_index_sequence<kMaxApart>());
  constexpr auto kMost = static_cast<std::int64_t>(kMaxApart);
  for (std::int64_t k = 0; k < a.output_count;) {
    // As many nearly equal tiles as the rest needs: one of a single output would wait for its loads.
    const std::int64_t rest = rest_of_block(a, k), tiles = (rest + kMost - 1) / kMost;
    const std::int64_t outputs = (rest + tiles - 1) / tiles;
    kTiles[static_cast<std::size_t>(outputs - 1)](a, k);
    k += outputs;
  }
}

// A plane of every dilation-th pixel of every dilation-th row of y: what undilated convolutions make of the pixels of x
// that lie so far apart. Without dilation all of y.
struct Phase {
  std::int64_t row, column;  // its first pixel
  std::int64_t height, width;
};

// Of a phase of x, `rows` by `columns` pixels `dilation` apart, the frame's included; rows `from_row` apart. To rows
// without gaps, and zeros around them up to `to_rows` by `to_row`.
void copy_phase(const float* from, std::int64_t from_row, std::int64_t dilation, std::int64_t rows,
                std::int64_t columns, std::int64_t to_rows, std::int64_t to_row, float* to) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t row = 0; row < to_rows; ++row, from += from_row, to += to_row) {
    std::int64_t i = 0;
    if (row < rows) {
      if (dilation == 2) {
        Vector even, odd;
        for (; i + lanes <= columns; i += lanes) {
          hn::LoadInterleaved2(d, from + 2 * i, even, odd);
          hn::StoreU(even, d, to + i);
        }
      }
      for (; i < columns; ++i) to[i] = from[i * dilation];
    }
    std::fill(to + i, to + to_row, 0.0F);
  }
}

// Stores pixels (even lanes from one vector, odd ones from the other), `count` of them.
template <class Tag, class V>
HWY_INLINE void store_pixels(Tag d, V even, V odd, std::int64_t count, float* to) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  if (count >= 2 * lanes) {
    hn::StoreInterleaved2(even, odd, d, to);
    return;
  }
  HWY_ALIGN float pixels[2 * kMaxLanes];
  hn::StoreInterleaved2(even, odd, d, pixels);
  hn::BlendedStore(hn::Load(d, pixels), hn::FirstN(d, static_cast<std::size_t>(std::min(count, lanes))), d, to);
  if (count > lanes)
    hn::BlendedStore(hn::LoadU(d, pixels + lanes), hn::FirstN(d, static_cast<std::size_t>(count - lanes)), d,
                     to + lanes);
}

// A^T m A of the active outputs' tiles in a group, and everything that follows the convolution. kTiles: of a group,
// where that is known when this is compiled; otherwise 0.
template <std::int64_t kTiles, bool kDilated, class Tag>
HWY_INLINE void transform_outputs(Tag d, const GatedConv& a, const Phase& phase, const float* products,
                                  std::int64_t first_row, std::int64_t rows) {
  using V = hn::Vec<Tag>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const ConvGeometry& g = *a.geometry;
  const WinogradGeometry& w = g.winograd;
  const std::int64_t tiles = kTiles > 0 ? kTiles : w.group_tiles, step = kBlock * tiles;
  const std::int64_t columns = w.columns, height = phase.height, width = phase.width;
  const std::int64_t step_right = kDilated ? w.dilation : 1;
  const std::int64_t y_row = step_right * g.y_row, residual_row = step_right * g.residual_row;
  const bool begins = first_row == 0 && phase.row == 0 && phase.column == 0;
  const bool relu = a.relu, scaled = a.scale != nullptr, summed = a.sums != nullptr;
  const V zero = hn::Zero(d);
  for (std::int64_t k = 0; k < a.output_count; ++k) {
    const std::int32_t output = a.outputs[k];
    const float* const product = products + (k / kBlock * kPositions * kBlock + k % kBlock) * tiles;
    const V bias = hn::Set(d, a.bias[output]);
    const V scale = hn::Set(d, scaled ? a.scale[output] : 1.0F);
    const std::int64_t channel = output - a.residual_first;
    const float* const residual =
        a.residual != nullptr && channel >= 0 && channel < a.residual_channels
            ? a.residual + channel * g.residual_plane + w.residual + phase.row * g.residual_row + phase.column
            : nullptr;
    float* const y = a.y + output * g.y_plane + w.y + phase.row * g.y_row + phase.column;
    V total = zero;
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t column = 0; column < columns; column += lanes) {
        const float* const m = product + row * columns + column;
        V upper[4], lower[4];
        for (int j = 0; j < 4; ++j) {
          const V m0 = hn::LoadU(d, m + j * step), m1 = hn::LoadU(d, m + (4 + j) * step),
                  m2 = hn::LoadU(d, m + (8 + j) * step), m3 = hn::LoadU(d, m + (12 + j) * step);
          upper[j] = hn::Add(hn::Add(m0, m1), m2);
          lower[j] = hn::Sub(hn::Sub(m1, m2), m3);
        }
        const std::int64_t count = std::min(2 * lanes, width - 2 * column);
        if (kDilated && count <= 0) continue;  // a phase that is a pixel narrower than the first
        const auto put = [&](const V(&u)[4], std::int64_t i) HWY_ATTR {
          V even = hn::Add(hn::Add(hn::Add(u[0], u[1]), u[2]), bias);
          V odd = hn::Add(hn::Sub(hn::Sub(u[1], u[2]), u[3]), bias);
          if (residual != nullptr) {
            V residual_even, residual_odd;
            const float* from = residual + i * residual_row + 2 * column * step_right;
            HWY_ALIGN float gathered[2 * kMaxLanes] = {};
            if (kDilated) {
              for (std::int64_t n = 0; n < count; ++n) gathered[n] = from[n * step_right];
              from = gathered;
            }
            hn::LoadInterleaved2(d, from, residual_even, residual_odd);
            even = hn::Add(even, residual_even);
            odd = hn::Add(odd, residual_odd);
          }
          // In this order x86 returns the value when it is NaN: it must not pass for zero.
          if (relu) {
            even = hn::Max(zero, even);
            odd = hn::Max(zero, odd);
          }
          if (scaled) {
            even = hn::Mul(even, scale);
            odd = hn::Mul(odd, scale);
          }
          if (summed) {
            if (count == 2 * lanes) {
              total = hn::Add(total, hn::Add(even, odd));
            } else {
              const auto first = [&](std::int64_t n) HWY_ATTR { return hn::FirstN(d, static_cast<std::size_t>(n)); };
              total = hn::Add(total, hn::Add(hn::IfThenElseZero(first((count + 1) / 2), even),
                                             hn::IfThenElseZero(first(count / 2), odd)));
            }
          }
          float* const to = y + i * y_row + 2 * column * step_right;
          if (kDilated) {
            HWY_ALIGN float pixels[2 * kMaxLanes];
            hn::StoreInterleaved2(even, odd, d, pixels);
            for (std::int64_t n = 0; n < count; ++n) to[n * step_right] = pixels[n];
          } else {
            store_pixels(d, even, odd, count, to);
          }
        };
        const std::int64_t i = 2 * (first_row + row);
        if (i < height) put(upper, i);
        if (i + 1 < height) put(lower, i + 1);
      }
    if (summed) {
      float* const sums = a.sums + output * kMaxLanes;
      if (begins) std::fill_n(sums, kMaxLanes, 0.0F);
      hn::StoreU(hn::Add(hn::LoadU(d, sums), total), d, sums);
    }
  }
}

template <bool kDilated>
void conv_phase(const GatedConv& a, const Phase& phase) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const ConvGeometry& g = *a.geometry;
  const WinogradGeometry& w = g.winograd;
  float* const input = a.scratch;
  float* const products = input + kPositions * w.input;
  float* const plane = a.scratch + w.phase_plane;
  for (std::int64_t block = 0; block < w.rows; block += w.block_rows) {
    const std::int64_t block_end = std::min(block + w.block_rows, w.rows);
    for (std::int64_t i = 0; i < a.input_count; ++i) {
      const float* x = a.x + a.inputs[i] * g.x_plane + w.x + 2 * block * g.x_row;
      std::int64_t x_row = g.x_row;
      if (kDilated) {
        const std::int64_t above = phase.row + 2 * block * w.dilation, apart = w.dilation;
        copy_phase(a.x + a.inputs[i] * g.x_plane + w.x + above * g.x_row + phase.column, apart * g.x_row, apart,
                   (w.x_height - above + apart - 1) / apart, (w.x_width - phase.column + apart - 1) / apart,
                   2 * (block_end - block) + 2, w.phase_row, plane);
        x = plane;
        x_row = w.phase_row;
      }
      with_lanes_for(d, w.columns, [&](auto tag) HWY_ATTR {
        transform_input(tag, w, x, x_row, block_end - block, input + i * w.block_tiles);
      });
    }
    for (std::int64_t first = block; first < block_end; first += w.group_rows) {
      const std::int64_t rows = std::min(w.group_rows, block_end - first);
      const float* const group = input + (first - block) / w.group_rows * w.group_tiles;
      for (std::int64_t tile = 0; tile < rows * w.columns; tile += lanes) {
        const Multiply products_of_tile = {group + tile,
                                           w.block_tiles,
                                           w.input,
                                           a.weight,
                                           w.weight_position,
                                           w.weight_output,
                                           a.inputs,
                                           a.input_count,
                                           a.outputs,
                                           a.output_count,
                                           products + tile,
                                           w.group_tiles,
                                           kPositions * g.x_channels * g.y_channels > kNear};
        w.order == WeightOrder::inputs ? multiply_together(products_of_tile) : multiply_apart(products_of_tile);
      }
      with_lanes_for(d, w.columns, [&](auto tag) HWY_ATTR {
        if (w.group_tiles == kMaxLanes) {
          transform_outputs<kMaxLanes, kDilated>(tag, a, phase, products, first, rows);
        } else {
          transform_outputs<0, kDilated>(tag, a, phase, products, first, rows);
        }
      });
    }
  }
}

void conv(const GatedConv& a) {
  const WinogradGeometry& w = a.geometry->winograd;
  if (w.dilation == 1) return conv_phase<false>(a, {0, 0, w.height, w.width});
  const auto part = [&](std::int64_t extent, std::int64_t first) {
    return (extent - first + w.dilation - 1) / w.dilation;
  };
  for (std::int64_t row = 0; row < std::min(w.dilation, w.height); ++row)
    for (std::int64_t column = 0; column < std::min(w.dilation, w.width); ++column)
      conv_phase<true>(a, {row, column, part(w.height, row), part(w.width, column)});
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {
HWY_EXPORT(conv);
}  // namespace

void winograd_conv(const GatedConv& arguments) { HWY_DYNAMIC_DISPATCH(conv)(arguments); }

}  // namespace bsg::kernels::cpu
#endif
