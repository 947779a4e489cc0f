// A block's stable radix sort of indices by 32-bit keys in shared memory, 5 bits a pass, least significant first.
//
// Every thread counts the digits of its own consecutive items in counters of its own (no atomics, and stable); the
// counters, two to a word, are scanned in the order (digit, thread), which gives every item its place. Only indices
// move: 2 bytes an item, where moving keys too would be 6.
#pragma once

#include <cstdint>

#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {

template <unsigned kThreads, unsigned kItems>
struct RadixOrderStorage {
  static_assert(kThreads % simt::kWarp == 0 && kItems % 4 == 0 && kThreads * kItems < 65536);
  static constexpr unsigned kWords = 16;  // counters of 32 digits, digit d in the half d / 16 of word d % 16
  // Word i of the counters lies at i + i / 16, so that threads which scan 16 words each are in different banks.
  __device__ static constexpr unsigned place(unsigned i) { return i + i / kWords; }

  alignas(16) std::uint16_t order[kThreads * kItems];
  unsigned counters[kThreads * (kWords + 1)];
  unsigned warp_totals[kThreads / simt::kWarp];
};

// order[i] = the index of the i-th smallest of kThreads * kItems keys, compared by their lowest `bits` bits; equal ones
// keep their order. Called by the whole block after the keys were written, barrier included; ends with a barrier.
template <unsigned kThreads, unsigned kItems>
__device__ void radix_order(RadixOrderStorage<kThreads, kItems>& s, const unsigned* keys, unsigned bits) {
  using Storage = RadixOrderStorage<kThreads, kItems>;
  constexpr unsigned kWords = Storage::kWords, kDigitBits = 5;
  const unsigned t = simt::thread().x, lane = t % simt::kWarp, warp = t / simt::kWarp;
  for (unsigned i = 0; i < kItems; ++i) s.order[t * kItems + i] = static_cast<std::uint16_t>(t * kItems + i);
  for (unsigned shift = 0; shift < bits; shift += kDigitBits) {
    for (unsigned w = 0; w < kWords; ++w) s.counters[Storage::place(w * kThreads + t)] = 0;
    // Item: index in bits 0 to 15, digit in 16 to 20, how many equal digits this thread had before it from 24 on.
    unsigned items[kItems];
    for (unsigned first = 0; first < kItems; first += 4) {
      const auto four = simt::load<4>(s.order + t * kItems + first);
      for (unsigned i = 0; i < 4; ++i) {
        const unsigned index = four.v[i], digit = keys[index] >> shift & 31U, half = digit / kWords * 16;
        unsigned& counter = s.counters[Storage::place(digit % kWords * kThreads + t)];
        const unsigned counts = counter;
        counter = counts + (1U << half);
        items[first + i] = index | digit << 16 | (counts >> half & 0xffffU) << 24;
      }
    }
    simt::sync_block();
    // Exclusive scan over all words, both halves at once: no sum exceeds 65535.
    unsigned sum = 0;
    for (unsigned w = 0; w < kWords; ++w) sum += s.counters[t * (kWords + 1) + w];
    unsigned inclusive = sum;
    for (unsigned distance = 1; distance < simt::kWarp; distance *= 2) {
      const unsigned lower = simt::shuffle_up(inclusive, distance);
      if (lane >= distance) inclusive += lower;
    }
    if (lane == simt::kWarp - 1) s.warp_totals[warp] = inclusive;
    simt::sync_block();
    unsigned before = inclusive - sum, total = 0;
    for (unsigned w = 0; w < kThreads / simt::kWarp; ++w) {
      before += w < warp ? s.warp_totals[w] : 0;
      total += s.warp_totals[w];
    }
    before += total << 16;  // digits 16 to 31 come behind all of 0 to 15
    for (unsigned w = 0; w < kWords; ++w) {
      unsigned& word = s.counters[t * (kWords + 1) + w];
      const unsigned counts = word;
      word = before;
      before += counts;
    }
    simt::sync_block();
    for (unsigned i = 0; i < kItems; ++i) {
      const unsigned digit = items[i] >> 16 & 31U;
      const unsigned start =
          s.counters[Storage::place(digit % kWords * kThreads + t)] >> (digit / kWords * 16) & 0xffffU;
      s.order[start + (items[i] >> 24)] = static_cast<std::uint16_t>(items[i] & 0xffffU);
    }
    simt::sync_block();
  }
}

}  // namespace bsg::kernels::device
