#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace bsg::data {

// Places in `labels` of the first example of every label, then the second of every label, and so on, until there are
// `limit`; ascending. A limit of 0 takes all. A set that lies class by class would lose classes if its first examples
// were taken.
std::vector<std::size_t> places_in_turn(const std::vector<std::int64_t>& labels, std::int64_t limit);

// The elements at these places, which ascend.
template <class T>
std::vector<T> taken_at(std::vector<T> values, const std::vector<std::size_t>& places) {
  std::vector<T> taken;
  taken.reserve(places.size());
  for (const std::size_t place : places) taken.push_back(std::move(values[place]));
  return taken;
}

}  // namespace bsg::data
