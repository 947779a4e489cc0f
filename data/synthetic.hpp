// Images that the program draws itself: 32x32 RGB, ten classes, easy and hard ones. A shape or a patch of texture of
// any size, place, turn and colour lies on a shaded background. Each image has a difficulty, uniform in [0, 1], from
// which all of these follow together: less contrast, a smaller object, more noise, more clutter behind the object, more
// bars across it. No class changes when an image is mirrored.
//
// The same bytes on every machine: only additions, multiplications, divisions, square roots and rounding are used,
// which IEEE 754 defines to the last bit.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"

namespace bsg::data {

inline constexpr int kSyntheticSide = 32;
// Names by label, in alphabetical order: folders of these names give the same labels.
const std::vector<std::string>& synthetic_classes();

// Image `index` (>= 0) of a split: a function of its arguments alone. Its label is index % 10. The two splits of a
// seed, and different seeds, draw from disjoint streams of random numbers.
Example draw_synthetic(std::uint64_t seed, Split split, std::int64_t index);
// The same of a chosen difficulty, in [0, 1].
Example draw_synthetic(std::uint64_t seed, Split split, std::int64_t index, double difficulty);

// The first `size` images of a split, in memory.
std::shared_ptr<const Dataset> make_synthetic(std::uint64_t seed, Split split, std::int64_t size);

}  // namespace bsg::data
