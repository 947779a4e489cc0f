// memory.hpp for the emulator.
#pragma once

#include <atomic>
#include <cstring>

#include "kernels/simt/emulator/operations.hpp"
#include "kernels/simt/memory.hpp"

namespace bsg::simt {

template <int N, class T>
Pack<T, N> load(const T* from, Where where) {
  Pack<T, N> pack;
  emulator::check_access("load", from, sizeof pack, where);
  std::memcpy(&pack, from, sizeof pack);
  return pack;
}

template <int N, class T>
Pack<T, N> load_read_only(const T* from, Where where) {
  return load<N>(from, where);
}

template <class T, int N>
void store(T* to, const Pack<T, N>& pack, Where where) {
  emulator::check_access("store", to, sizeof pack, where);
  std::memcpy(to, &pack, sizeof pack);
}

template <int kBytes>
void copy_async_or_zero(void* shared, const void* global, bool valid, Where where) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16, "cp.async moves 4, 8 or 16 bytes");
  emulator::copy_async(shared, global, kBytes, valid, where);
}

template <int kBytes>
void copy_async(void* shared, const void* global, Where where) {
  copy_async_or_zero<kBytes>(shared, global, true, where);
}

inline void commit_copies() { emulator::commit_copies(); }

template <int kPending>
void wait_copies() {
  emulator::wait_copies(kPending);
}

template <class T>
T atomic_add(T* to, std::type_identity_t<T> value, Where where) {
  emulator::check_access("atomic_add", to, sizeof(T), where);
  return std::atomic_ref<T>(*to).fetch_add(value);
}

template <class T>
T atomic_max(T* to, std::type_identity_t<T> value, Where where) {
  emulator::check_access("atomic_max", to, sizeof(T), where);
  std::atomic_ref<T> shared_value(*to);
  T before = shared_value.load();
  while (before < value && !shared_value.compare_exchange_weak(before, value)) {
  }
  return before;
}

template <class T>
T atomic_cas(T* to, std::type_identity_t<T> expected, std::type_identity_t<T> desired, Where where) {
  emulator::check_access("atomic_cas", to, sizeof(T), where);
  std::atomic_ref<T>(*to).compare_exchange_strong(expected, desired);
  return expected;
}

template <class Storage>
Storage& shared(Where where) {
  static_assert(alignof(Storage) <= 128 && std::is_trivially_copyable_v<Storage>);
  return *static_cast<Storage*>(emulator::shared_storage(sizeof(Storage), where));
}

template <class Storage>
unsigned char* shared_tail(Where where) {
  return static_cast<unsigned char*>(emulator::shared_storage(kTailOffset<Storage>, where)) + kTailOffset<Storage>;
}

}  // namespace bsg::simt
