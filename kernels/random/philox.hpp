// Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1,
// 2, 3" (SC 2011). Number i of a stream is a pure function of (seed, stream, i): every device and every thread count
// draws the same. Device code too.
#pragma once

#include <cstdint>

#include "kernels/simt/language.hpp"

namespace bsg::kernels {

struct PhiloxBlock {
  std::uint32_t words[4];
};

// Four 32-bit words from a 128-bit counter and a 64-bit key.
__host__ __device__ constexpr PhiloxBlock philox4x32(const PhiloxBlock& counter, std::uint32_t key0,
                                                     std::uint32_t key1) {
  constexpr std::uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  PhiloxBlock block = counter;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = static_cast<std::uint64_t>(kMultiplier0) * block.words[0];
    const std::uint64_t product1 = static_cast<std::uint64_t>(kMultiplier1) * block.words[2];
    block = {{static_cast<std::uint32_t>(product1 >> 32) ^ block.words[1] ^ key0, static_cast<std::uint32_t>(product1),
              static_cast<std::uint32_t>(product0 >> 32) ^ block.words[3] ^ key1,
              static_cast<std::uint32_t>(product0)}};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return block;
}

// 32 random bits: number `index` of stream `stream`. Four consecutive numbers share one Philox block.
__host__ __device__ constexpr std::uint32_t philox_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const std::uint64_t block = index / 4;
  const PhiloxBlock result =
      philox4x32({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                   static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}},
                 static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  // No indexing by a variable: on a GPU that would put the block into memory.
  const std::uint32_t* words = result.words;
  switch (index % 4) {
    case 0:
      return words[0];
    case 1:
      return words[1];
    case 2:
      return words[2];
    default:
      return words[3];
  }
}

// Strictly inside (0, 1): (k + 1/2) / 2^23 for the upper 23 bits k, exact in float, so log(u) and log(1 - u) are
// finite.
__host__ __device__ constexpr float uniform_open(std::uint32_t bits) {
  return (static_cast<float>(bits >> 9) + 0.5f) * 0x1p-23f;
}

}  // namespace bsg::kernels
