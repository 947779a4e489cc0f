#include <algorithm>
#include <array>
#include <utility>

#include "kernels/gated_conv/methods.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gated_conv/direct_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
static_assert(HWY_LANES(float) <= PlaneLayout::kSlack);
using Vector = hn::Vec<D>;
using Spot = DirectGeometry::Spot;

// Register tiles of outputs x vectors: AVX-512 has 32 vector registers, everything before it 16. One register holds a
// weight, as many as the tile has vectors hold pixels, the others sums. With the address sanitizer's checks in them,
// all of these tiles would take minutes to compile: small ones have the same code.
#ifdef __SANITIZE_ADDRESS__
constexpr std::size_t kMaxOutputs = 2, kMaxVectors = 2;
#else
constexpr std::size_t kMaxOutputs = 6, kMaxVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;
#endif

template <class Tag>
HWY_INLINE hn::Mask<Tag> lane_mask(Tag d, std::uint64_t lanes) {
  return hn::LoadMaskBits(d, reinterpret_cast<const std::uint8_t*>(&lanes));
}

HWY_INLINE Vector load_row(const float* from) { return hn::LoadU(D(), from); }

HWY_INLINE void store_row(Vector v, const Spot& spot, float* to) {
  const D d;
  if (spot.whole) {
    hn::StoreU(v, d, to);
  } else {
    hn::BlendedStore(v, lane_mask(d, spot.lanes), d, to);
  }
}

// A pair of rows is half a vector from each. Vectors of one lane have no halves, and no geometry asks them for any.
#if HWY_TARGET == HWY_SCALAR
HWY_INLINE Vector load_pair(const float* from, std::int64_t) { return load_row(from); }
HWY_INLINE void store_pair(Vector v, const Spot& spot, float* to, std::int64_t) { store_row(v, spot, to); }
#else
using HalfD = hn::Half<D>;

HWY_INLINE Vector load_pair(const float* from, std::int64_t row) {
  return hn::Combine(D(), hn::LoadU(HalfD(), from + row), hn::LoadU(HalfD(), from));
}

HWY_INLINE void store_pair(Vector v, const Spot& spot, float* to, std::int64_t row) {
  const HalfD half;
  const auto lower = hn::LowerHalf(half, v), upper = hn::UpperHalf(half, v);
  if (spot.whole) {
    hn::StoreU(lower, half, to);
    hn::StoreU(upper, half, to + row);
  } else {
    const std::uint64_t upper_lanes = spot.lanes >> hn::Lanes(half);
    hn::BlendedStore(lower, lane_mask(half, spot.lanes), half, to);
    if (upper_lanes != 0) hn::BlendedStore(upper, lane_mask(half, upper_lanes), half, to + row);
  }
}
#endif

template <bool kPairs>
HWY_INLINE Vector load(const float* from, std::int64_t row) {
  return kPairs ? load_pair(from, row) : load_row(from);
}

template <bool kPairs>
HWY_INLINE void store(Vector v, const Spot& spot, float* to, std::int64_t row) {
  kPairs ? store_pair(v, spot, to, row) : store_row(v, spot, to);
}

// Bias, residual, ReLU, scale, sums and store of one output channel's vectors.
template <std::size_t kP, bool kPairs>
HWY_INLINE void finish(const GatedConv& a, std::int32_t output, const Spot* spots, bool first, Vector (&value)[kP]) {
  const D d;
  const ConvGeometry& g = *a.geometry;
  const Vector bias = hn::Set(d, a.bias[output]);
  for (std::size_t p = 0; p < kP; ++p) value[p] = hn::Add(value[p], bias);
  const std::int64_t channel = output - a.residual_first;
  if (a.residual != nullptr && channel >= 0 && channel < a.residual_channels) {
    const float* const residual = a.residual + channel * g.residual_plane;
    for (std::size_t p = 0; p < kP; ++p)
      value[p] = hn::Add(value[p], load<kPairs>(residual + spots[p].residual, g.residual_row));
  }
  // In this order x86 returns the value when it is NaN: it must not pass for zero.
  if (a.relu)
    for (std::size_t p = 0; p < kP; ++p) value[p] = hn::Max(hn::Zero(d), value[p]);
  if (a.scale != nullptr) {
    const Vector scale = hn::Set(d, a.scale[output]);
    for (std::size_t p = 0; p < kP; ++p) value[p] = hn::Mul(value[p], scale);
  }
  float* const y = a.y + output * g.y_plane;
  for (std::size_t p = 0; p < kP; ++p) store<kPairs>(value[p], spots[p], y + spots[p].y, g.y_row);
  if (a.sums != nullptr) {
    float* const sums = a.sums + output * PlaneLayout::kSlack;
    if (first) std::fill_n(sums, PlaneLayout::kSlack, 0.0F);
    Vector sum = hn::LoadU(d, sums);
    for (std::size_t p = 0; p < kP; ++p)
      sum = hn::Add(sum, spots[p].whole ? value[p] : hn::IfThenElseZero(lane_mask(d, spots[p].lanes), value[p]));
    hn::StoreU(sum, d, sums);
  }
}

// square3: three neighbours in each of three rows. With offsets that are constants, or none at all, a loop over taps is
// spared, and the registers that it needs.
enum class Taps { any, one, square3 };

// kR output channels x kP vectors of positions, over all active inputs and taps.
template <std::size_t kR, std::size_t kP, bool kPairs, Taps kTaps>
void tile(const GatedConv& a, const std::int32_t* outputs, std::size_t first_spot) {
  const D d;
  const ConvGeometry& g = *a.geometry;
  const Spot* const spots = g.direct.spots.data() + first_spot;
  const auto tap_count = static_cast<std::int64_t>(g.direct.taps.size());
  const std::int64_t row = g.x_row;
  const float* source[kP];
  for (std::size_t p = 0; p < kP; ++p) source[p] = a.x + spots[p].x;
  const float* weight[kR];
  Vector sum[kR][kP];
  for (std::size_t r = 0; r < kR; ++r) {
    weight[r] = a.weight + outputs[r] * g.x_channels * tap_count;
    for (std::size_t p = 0; p < kP; ++p) sum[r][p] = hn::Zero(d);
  }
  const auto add_tap = [&](std::int64_t at, std::int64_t weight_at) HWY_ATTR {
    Vector x[kP];
    for (std::size_t p = 0; p < kP; ++p) x[p] = load<kPairs>(source[p] + at, row);
    for (std::size_t r = 0; r < kR; ++r) {
      const Vector w = hn::Set(d, weight[r][weight_at]);
      for (std::size_t p = 0; p < kP; ++p) sum[r][p] = hn::MulAdd(w, x[p], sum[r][p]);
    }
  };
  const std::int64_t* const taps = g.direct.taps.data();
  for (std::int64_t i = 0; i < a.input_count; ++i) {
    const std::int64_t at = a.inputs[i] * g.x_plane, weight_at = a.inputs[i] * tap_count;
    if constexpr (kTaps == Taps::one) {
      add_tap(at, weight_at);
    } else if constexpr (kTaps == Taps::square3) {
      // Written out, so that offsets are constants.
      add_tap(at, weight_at);
      add_tap(at + 1, weight_at + 1);
      add_tap(at + 2, weight_at + 2);
      add_tap(at + row, weight_at + 3);
      add_tap(at + row + 1, weight_at + 4);
      add_tap(at + row + 2, weight_at + 5);
      add_tap(at + 2 * row, weight_at + 6);
      add_tap(at + 2 * row + 1, weight_at + 7);
      add_tap(at + 2 * row + 2, weight_at + 8);
    } else {
      for (std::int64_t t = 0; t < tap_count; ++t) add_tap(at + taps[t], weight_at + t);
    }
  }
  for (std::size_t r = 0; r < kR; ++r) finish<kP, kPairs>(a, outputs[r], spots, first_spot == 0, sum[r]);
}

using Tile = void (*)(const GatedConv&, const std::int32_t*, std::size_t);

// tile<r + 1, p + 1, ...> at [p * kMaxOutputs + r]
template <bool kPairs, Taps kTaps, std::size_t... i>
constexpr std::array<Tile, sizeof...(i)> tiles(std::index_sequence<i...>) {
  return {tile<i % kMaxOutputs + 1, i / kMaxOutputs + 1, kPairs, kTaps>...};
}

// The size of the next of as many nearly equal blocks as `rest` needs: a tile of one output waits for its loads, two
// halves do not.
std::size_t next_block(std::size_t rest, std::size_t max) {
  const std::size_t blocks = (rest + max - 1) / max;
  return (rest + blocks - 1) / blocks;
}

template <bool kPairs, Taps kTaps>
void conv_with(const GatedConv& a) {
  static constexpr auto kTiles = tiles<kPairs, kTaps>(std::make_index_sequence<kMaxOutputs * kMaxVectors>());
  const std::size_t spots = a.geometry->direct.spots.size();
  const auto outputs = static_cast<std::size_t>(a.output_count);
  // Positions outside, outputs inside: the window of the input that a tile reads stays in the first cache level.
  for (std::size_t spot = 0; spot < spots;) {
    const std::size_t p = next_block(spots - spot, kMaxVectors);
    for (std::size_t k = 0; k < outputs;) {
      const std::size_t r = next_block(outputs - k, kMaxOutputs);
      kTiles[(p - 1) * kMaxOutputs + r - 1](a, a.outputs + k, spot);
      k += r;
    }
    spot += p;
  }
}

template <bool kPairs>
void conv_cut(const GatedConv& a) {
  if (a.geometry->direct.square3) return conv_with<kPairs, Taps::square3>(a);
  if (a.geometry->direct.taps.size() == 1) return conv_with<kPairs, Taps::one>(a);
  conv_with<kPairs, Taps::any>(a);
}

void conv(const GatedConv& a) { a.geometry->direct.row_pairs ? conv_cut<true>(a) : conv_cut<false>(a); }

// Elements j, j + 2, j + 4, ... of `from` to `even`, the others to `odd`, as far as whole vectors go; returns where
// they end.
template <class Tag>
HWY_INLINE std::int64_t split_vectors(Tag d, const float* from, std::int64_t j, std::int64_t count, float* even,
                                      float* odd) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (; j + 2 * lanes <= count; j += 2 * lanes) {
    hn::Vec<Tag> a, b;
    hn::LoadInterleaved2(d, from + j, a, b);
    hn::StoreU(a, d, even + j / 2);
    hn::StoreU(b, d, odd + j / 2);
  }
  if constexpr (sizeof(float) * hn::MaxLanes(Tag()) > 16) j = split_vectors(hn::Half<Tag>(), from, j, count, even, odd);
  return j;
}

// split_phases for two phases an axis.
void split_in_two(const PlaneLayout& from, const float* x, const PlaneLayout& to, std::int64_t begin, std::int64_t end,
                  float* y) {
  const std::int64_t phase = to.phase_plane(), row = to.row(), from_row = from.row();
  const std::int64_t right = (to.frame & 1) * phase + (to.frame >> 1),
                     next = ((to.frame + 1) & 1) * phase + ((to.frame + 1) >> 1);
  for (std::int64_t c = begin; c < end; ++c) {
    const float* source = x + c * from.plane() + from.offset(0, 0);
    for (std::int64_t i = 0; i < from.height; ++i, source += from_row) {
      const std::int64_t down = i + to.frame;
      float* const target = y + c * to.plane() + (down & 1) * 2 * phase + (down >> 1) * row;
      float *const even = target + right, *const odd = target + next;
      for (std::int64_t j = split_vectors(D(), source, 0, from.width, even, odd); j < from.width; ++j)
        (j % 2 == 0 ? even : odd)[j / 2] = source[j];
    }
  }
}

void mean(const float* sums, std::int64_t channels, float factor, float* to) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  for (std::int64_t c = 0; c < channels; ++c) {
    // All of them, however few a vector holds: not only convolutions leave sums.
    Vector sum = hn::Zero(d);
    for (std::int64_t i = 0; i < PlaneLayout::kSlack; i += lanes)
      sum = hn::Add(sum, hn::LoadU(d, sums + c * PlaneLayout::kSlack + i));
    to[c] = hn::GetLane(hn::SumOfLanes(d, sum)) * factor;
  }
}

std::size_t lanes_of_target() { return hn::Lanes(D()); }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

HWY_EXPORT(conv);
HWY_EXPORT(split_in_two);
HWY_EXPORT(mean);
HWY_EXPORT(lanes_of_target);

}  // namespace

std::size_t vector_lanes() { return HWY_DYNAMIC_DISPATCH(lanes_of_target)(); }

void direct_conv(const GatedConv& arguments) { HWY_DYNAMIC_DISPATCH(conv)(arguments); }

void place_sample(const PlaneLayout& to, const float* sample, std::int64_t begin, std::int64_t end, float* planes) {
  for (std::int64_t c = begin; c < end; ++c)
    for (std::int64_t i = 0; i < to.height; ++i)
      std::copy_n(sample + (c * to.height + i) * to.width, to.width, planes + c * to.plane() + to.offset(i, 0));
}

void split_phases(const PlaneLayout& from, const float* x, const PlaneLayout& to, std::int64_t begin, std::int64_t end,
                  float* y) {
  if (to.phases == 2) return HWY_DYNAMIC_DISPATCH(split_in_two)(from, x, to, begin, end, y);
  for (std::int64_t c = begin; c < end; ++c)
    for (std::int64_t i = 0; i < from.height; ++i)
      for (std::int64_t j = 0; j < from.width; ++j)
        y[c * to.plane() + to.offset(i, j)] = x[c * from.plane() + from.offset(i, j)];
}

void mean_of_planes(const float* sums, std::int64_t channels, float factor, float* mean) {
  HWY_DYNAMIC_DISPATCH(mean)(sums, channels, factor, mean);
}

}  // namespace bsg::kernels::cpu
#endif
