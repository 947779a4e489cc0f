#include "kernels/simt/emulator/operations.hpp"

#include <bit>

#include "kernels/simt/emulator/block.hpp"

namespace bsg::simt::emulator {

namespace {

BlockRunner& runner() {
  BlockRunner* running = BlockRunner::current();
  if (running == nullptr) throw EmulationError("a device function was called outside a kernel");
  return *running;
}

struct Shuffle {
  std::uint64_t bits, result;
  unsigned source;
};

void exchange_shuffle(void* const* posted, unsigned lanes) {
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    auto* mine = static_cast<Shuffle*>(posted[std::countr_zero(rest)]);
    mine->result = static_cast<const Shuffle*>(posted[mine->source])->bits;
  }
}

struct Vote {
  bool predicate;
  unsigned result;
};

void exchange_vote(void* const* posted, unsigned lanes) {
  unsigned result = 0;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    if (static_cast<const Vote*>(posted[lane])->predicate) result |= 1u << lane;
  }
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1)
    static_cast<Vote*>(posted[std::countr_zero(rest)])->result = result;
}

constexpr WarpOperation kShuffle{"shuffle", exchange_shuffle, false}, kVote{"vote", exchange_vote, false};

}  // namespace

const Place& place() { return runner().self().place; }

void meet(const WarpOperation& operation, unsigned lanes, void* posted, Where where) {
  runner().meet(operation, lanes, posted, where);
}

int meet_block(const char* name, bool predicate, Where where) { return runner().meet_block(name, predicate, where); }

std::uint64_t shuffle_bits(std::uint64_t bits, unsigned source, unsigned lanes, Where where) {
  if (source >= kWarp || (lanes >> source & 1u) == 0) {
    const std::string text = "reads lane " + std::to_string(source) + ", which is not among its lanes";
    fail("shuffle", text.c_str(), where);
  }
  Shuffle shuffle{bits, 0, source};
  meet(kShuffle, lanes, &shuffle, where);
  return shuffle.result;
}

unsigned vote(bool predicate, unsigned lanes, Where where) {
  Vote vote{predicate, 0};
  meet(kVote, lanes, &vote, where);
  return vote.result;
}

void check_access(const char* name, const void* memory, std::size_t bytes, Where where) {
  runner().check_access(name, memory, bytes, where);
}

void check_shared_access(const char* name, const void* memory, std::size_t bytes, Where where) {
  runner().check_shared_access(name, memory, bytes, where);
}

void copy_async(void* shared, const void* global, std::size_t bytes, bool valid, Where where) {
  runner().copy_async(shared, global, bytes, valid, where);
}

void commit_copies() { ++runner().self().groups; }

void wait_copies(unsigned pending) { runner().wait_copies(pending); }

void* shared_storage(std::size_t bytes, Where where) { return runner().shared_storage(bytes, where); }

void fail(const char* name, const char* text, Where where) {
  BlockRunner& block = runner();
  block.self().waits_in = name;
  block.self().where = where;
  block.fail(text);
}

}  // namespace bsg::simt::emulator
