#pragma once

#include <cstdint>
#include <vector>

namespace bsg::kernels::cpu {

// The channels of one sample that are on, ascending; all of them without a gate.
template <class T>
void list_active(const T* gate, std::int64_t count, std::vector<std::int64_t>& active) {
  active.clear();
  for (std::int64_t i = 0; i < count; ++i)
    if (gate == nullptr || gate[i] != T{0}) active.push_back(i);
}

// All channels in order, -1 in the place of one that is off.
template <class T>
void list_all(const T* gate, std::int64_t count, std::vector<std::int64_t>& channels) {
  channels.clear();
  for (std::int64_t i = 0; i < count; ++i) channels.push_back(gate == nullptr || gate[i] != T{0} ? i : -1);
}

}  // namespace bsg::kernels::cpu
