#include "data/limit.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace bsg::data {

std::vector<std::size_t> places_in_turn(const std::vector<std::int64_t>& labels, std::int64_t limit) {
  std::map<std::int64_t, std::int64_t> seen;
  std::vector<std::pair<std::int64_t, std::size_t>> ranked;  // rank among its label, place
  for (std::size_t i = 0; i < labels.size(); ++i) ranked.emplace_back(seen[labels[i]]++, i);
  if (limit > 0 && limit < static_cast<std::int64_t>(ranked.size())) {
    std::sort(ranked.begin(), ranked.end());
    ranked.resize(static_cast<std::size_t>(limit));
  }
  std::vector<std::size_t> places;
  for (const auto& [rank, place] : ranked) places.push_back(place);
  std::sort(places.begin(), places.end());
  return places;
}

}  // namespace bsg::data
