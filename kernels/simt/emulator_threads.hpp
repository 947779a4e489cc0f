// threads.hpp for the emulator.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/simt/emulator/operations.hpp"
#include "kernels/simt/threads.hpp"

namespace bsg::simt {

inline Index3 thread() { return emulator::place().thread; }
inline Index3 block() { return emulator::place().block; }
inline Index3 block_size() { return emulator::place().block_size; }
inline Index3 grid_size() { return emulator::place().grid_size; }
inline unsigned lane() { return emulator::place().linear % kWarp; }
inline unsigned warp() { return emulator::place().linear / kWarp; }

inline void sync_block(Where where) { emulator::meet_block("sync_block", false, where); }
inline int sync_block_count(bool predicate, Where where) {
  return emulator::meet_block("sync_block_count", predicate, where);
}
inline bool sync_block_any(bool predicate, Where where) {
  return emulator::meet_block("sync_block_any", predicate, where) != 0;
}

namespace emulator {
inline constexpr WarpOperation kSyncWarp{"sync_warp", nullptr, true};

template <class T>
T shuffle_value(T value, unsigned source, unsigned lanes, const Where& where) {
  static_assert((sizeof(T) == 4 || sizeof(T) == 8) && std::is_trivially_copyable_v<T>, "a value of 4 or 8 bytes");
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = shuffle_bits(bits, source, lanes, where);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
}  // namespace emulator

inline void sync_warp(unsigned lanes, Where where) { emulator::meet(emulator::kSyncWarp, lanes, nullptr, where); }

template <class T>
T shuffle(T value, unsigned source, unsigned lanes, Where where) {
  return emulator::shuffle_value(value, source, lanes, where);
}
template <class T>
T shuffle_up(T value, unsigned distance, unsigned lanes, Where where) {
  return emulator::shuffle_value(value, distance <= lane() ? lane() - distance : lane(), lanes, where);
}
template <class T>
T shuffle_down(T value, unsigned distance, unsigned lanes, Where where) {
  return emulator::shuffle_value(value, distance < kWarp - lane() ? lane() + distance : lane(), lanes, where);
}
template <class T>
T shuffle_xor(T value, unsigned bits, unsigned lanes, Where where) {
  return emulator::shuffle_value(value, lane() ^ bits, lanes, where);
}

inline unsigned ballot(bool predicate, unsigned lanes, Where where) { return emulator::vote(predicate, lanes, where); }
inline bool any(bool predicate, unsigned lanes, Where where) { return emulator::vote(predicate, lanes, where) != 0; }
inline bool all(bool predicate, unsigned lanes, Where where) {
  return emulator::vote(predicate, lanes, where) == lanes;
}

// Nothing to do: every atomic of the emulator orders memory.
inline void fence_device() {}

}  // namespace bsg::simt
