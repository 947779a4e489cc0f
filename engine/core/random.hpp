// Random numbers that depend on the seed alone: not on the device, the thread count, or what other parts of the program
// draw.
#pragma once

#include <cstdint>

namespace bsg {

// A position in one Philox stream: who draws n numbers takes the position with reserve(n) and computes number i from
// (seed, stream, position + i), in any order and on any thread (kernels/random/philox.hpp).
class Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  // Takes `count` numbers and returns the position of the first.
  std::uint64_t reserve(std::uint64_t count) {
    const std::uint64_t first = position_;
    position_ += count;
    return first;
  }

  // One number, for host code: uniform in [0, 1), uniform in [0, bound), standard normal (two positions).
  double uniform();
  std::uint64_t below(std::uint64_t bound);
  double normal();

  // An independent stream of the same seed.
  Generator fork(std::uint64_t stream) const { return Generator(seed_, stream); }

  std::uint64_t seed() const { return seed_; }
  std::uint64_t stream() const { return stream_; }
  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t position) { position_ = position; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_ = 0;
};

}  // namespace bsg
