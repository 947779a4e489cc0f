#include "engine/inference/storage.hpp"

#include <algorithm>

namespace bsg::inference {

Storage assign_storage(const std::vector<Life>& values) {
  struct Slot {
    kernels::PlaneLayout layout;
    std::int64_t offset;
    std::size_t holds;  // the latest value
  };
  std::vector<Slot> slots;
  Storage storage;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Life& life = values[i];
    const auto free_for_it = [&](const Slot& slot) {
      if (!(slot.layout == life.layout)) return false;
      const Life& held = values[slot.holds];
      const int last = std::max(held.last_read, held.written);
      return last < life.written || (last == life.written && life.overwrites == static_cast<int>(slot.holds));
    };
    // In place first: it keeps fewer bytes in the cache.
    auto slot = std::find_if(slots.begin(), slots.end(), [&](const Slot& s) {
      return life.overwrites == static_cast<int>(s.holds) && free_for_it(s);
    });
    if (slot == slots.end()) slot = std::find_if(slots.begin(), slots.end(), free_for_it);
    if (slot == slots.end()) {
      slot = slots.insert(slots.end(), {life.layout, storage.size, i});
      storage.size += life.layout.size();
    }
    slot->holds = i;
    storage.offset.push_back(slot->offset);
  }
  return storage;
}

}  // namespace bsg::inference
