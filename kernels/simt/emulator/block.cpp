#include "kernels/simt/emulator/block.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <new>
#include <sys/mman.h>

#include <fmt/format.h>

#include "kernels/simt/emulator/describe.hpp"
#include "kernels/simt/emulator/sanitizers.hpp"

namespace bsg::simt::emulator {

namespace {

constexpr unsigned kMostThreads = 1024;

// Sanitizers make frames larger. Only touched pages take memory.
constexpr std::size_t kStackBytes = kAddressSanitizer || kThreadSanitizer ? 512 * 1024 : 128 * 1024;
constexpr std::size_t kPage = 4096, kStackStride = kStackBytes + kPage;  // an inaccessible page below each stack
constexpr std::size_t kStacksBytes = kMostThreads * kStackStride;

constinit thread_local BlockRunner* running = nullptr;

// The lowest address of fiber `number`'s stack.
std::byte* stack_of(std::byte* stacks, unsigned number) { return stacks + number * kStackStride + kPage; }

}  // namespace

BlockRunner::BlockRunner() : thread_(std::make_unique<Thread[]>(kMostThreads)), ready_(kMostThreads) {
  void* stacks =
      mmap(nullptr, kStacksBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stacks == MAP_FAILED) throw std::bad_alloc();
  stacks_ = static_cast<std::byte*>(stacks);
  // Aligned to 128 bytes and not to more, as a kernel may expect.
  shared_block_ = static_cast<unsigned char*>(
      ::operator new (128 + kMostSharedBytes + 2 * kGuardBytes, std::align_val_t{2 * kGuardBytes}));
  shared_ = shared_block_ + 128 + kGuardBytes;
  raise_guard(shared_ - kGuardBytes);
  raise_guard(shared_);
}

BlockRunner::~BlockRunner() {
  thread_.reset();
  munmap(stacks_, kStacksBytes);
  allow_access(shared_block_, 128 + kMostSharedBytes + 2 * kGuardBytes);
  ::operator delete (shared_block_, std::align_val_t{2 * kGuardBytes});
}

BlockRunner* BlockRunner::current() { return running; }

std::string BlockRunner::run(const Launched& launched, std::uint64_t index) {
  const Bookkeeping bookkeeping;
  launched_ = &launched;
  start_block(index);
  running = this;
  host_.adopt();
  publish(&start_key_);
  current_ = &next_ready();
  ++switches_;
  Context::change(host_, current_->context);
  // The fibers of a block that failed will not come to its end.
  if (!error_.empty())
    for (unsigned number = 0; number < threads_; ++number) thread_[number].context.publish_here(&end_key_);
  observe(&end_key_);
  running = nullptr;
  if (error_.empty()) error_ = check_shared();
  return error_;
}

void BlockRunner::start_block(std::uint64_t index) {
  const Index3 grid = launched_->grid, size = launched_->block;
  block_ = {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
            static_cast<unsigned>(index / grid.x / grid.y)};
  threads_ = size.x * size.y * size.z;
  live_ = threads_;
  at_barrier_ = 0;
  predicates_ = 0;
  ready_first_ = ready_count_ = 0;
  last_allocation_ = 0;
  shuffle_.seed(static_cast<std::minstd_rand::result_type>(launched_->options.seed * 1000003 + index));
  lay_out_shared();
  for (unsigned number = 0; number < threads_; ++number) {
    if (number >= fibers_) start_fiber(number);
    Thread& thread = thread_[number];
    thread.place = {{number % size.x, number / size.x % size.y, number / size.x / size.y}, block_, size, grid, number};
    thread.barriers = thread.groups = 0;
    thread.copies.clear();
  }
  const bool reverse = launched_->options.order == ThreadOrder::reverse;
  for (unsigned number = 0; number < threads_; ++number) make_ready(reverse ? threads_ - 1 - number : number);
}

void BlockRunner::start_fiber(unsigned number) {
  std::byte* lowest = stack_of(stacks_, number);
  mprotect(lowest - kPage, kPage, PROT_NONE);
  // Stacks that all begin at the same offset in a page would meet in the same few sets of the first-level cache.
  const std::size_t offset = number * 320 % kPage;
  thread_[number].context.start(lowest, kStackBytes - offset, &BlockRunner::fiber_main);
  fibers_ = number + 1;
}

// A fiber lives on: one turn of the loop is one thread of one block.
void BlockRunner::fiber_main() {
  BlockRunner& runner = *running;
  const Bookkeeping bookkeeping;
  Thread& self = *runner.current_;
  self.context.arrived();
  for (;;) {
    try {
      const KernelCode kernel;
      observe(&runner.start_key_);
      runner.launched_->body(runner.launched_->arguments);
    } catch (const EmulationError& error) {
      runner.error_ = error.what();
    } catch (const std::exception& error) {
      runner.error_ = runner.describe_block() + describe_thread(self.place) + " threw: " + error.what();
    } catch (...) {
      runner.error_ = runner.describe_block() + describe_thread(self.place) + " threw something";
    }
    publish(&runner.end_key_);
    if (!runner.error_.empty()) Context::change(self.context, runner.host_);  // and never back
    self.state = ThreadState::returned;
    --runner.live_;
    runner.yield();
  }
}

void BlockRunner::lay_out_shared() {
  if (shared_bytes_ != launched_->shared_bytes) {
    allow_access(shared_, kMostSharedBytes + kGuardBytes);
    shared_bytes_ = launched_->shared_bytes;
    raise_guard(shared_ + shared_bytes_);
  }
  std::memset(shared_, kPoisonByte, shared_bytes_);
}

std::string BlockRunner::check_shared() {
  const std::size_t before = check_guard(shared_ - kGuardBytes), after = check_guard(shared_ + shared_bytes_);
  if (before == kGuardBytes && after == kGuardBytes) return {};
  const auto byte = after != kGuardBytes
                        ? static_cast<std::ptrdiff_t>(shared_bytes_ + after)
                        : static_cast<std::ptrdiff_t>(before) - static_cast<std::ptrdiff_t>(kGuardBytes);
  return describe_block() + fmt::format(": byte {} of {} bytes of shared storage was written", byte, shared_bytes_);
}

void BlockRunner::make_ready(unsigned number) {
  thread_[number].state = ThreadState::ready;
  ready_[(ready_first_ + ready_count_++) % kMostThreads] = static_cast<std::uint16_t>(number);
}

void BlockRunner::make_lanes_ready(unsigned first, unsigned lanes) {
  const bool reverse = launched_->options.order == ThreadOrder::reverse;
  for (unsigned turn = 0; turn < kWarp; ++turn) {
    const unsigned lane = reverse ? kWarp - 1 - turn : turn;
    if ((lanes >> lane & 1u) != 0) make_ready(first + lane);
  }
}

Thread& BlockRunner::next_ready() {
  if (launched_->options.order == ThreadOrder::shuffled) {
    const unsigned chosen = ready_first_ + static_cast<unsigned>(shuffle_() % ready_count_);
    std::swap(ready_[ready_first_ % kMostThreads], ready_[chosen % kMostThreads]);
  }
  --ready_count_;
  return thread_[ready_[ready_first_++ % kMostThreads]];
}

// Ends the current thread's turn; returns at the begin of its next one.
void BlockRunner::yield() {
  Thread& from = *current_;
  if (ready_count_ == 0) {
    if (live_ > 0) error_ = describe_stuck();
    Context::change(from.context, host_);
    return;
  }
  current_ = &next_ready();
  if (current_ == &from) return;
  ++switches_;
  Context::change(from.context, current_->context);
}

void BlockRunner::meet(const WarpOperation& operation, unsigned lanes, void* posted, const Where& where) {
  const Bookkeeping bookkeeping;
  Thread& thread = *current_;
  const unsigned lane = thread.place.linear % kWarp, first = thread.place.linear - lane;
  thread.waits_in = operation.name;
  thread.operation = &operation;
  thread.lanes = lanes;
  thread.posted = posted;
  thread.where = where;
  if ((lanes >> lane & 1u) == 0) fail(fmt::format("its lanes {:#010x} are without the calling lane {}", lanes, lane));
  if (operation.orders_memory) publish(&thread.arrived_key);
  thread.state = ThreadState::in_warp_operation;

  // Whoever comes next in turn is looked at first: until the last has come, that one has not.
  const unsigned step = launched_->options.order == ThreadOrder::reverse ? kWarp - 1 : 1;
  void* all_posted[kWarp];  // of the lanes of the set
  for (unsigned turn = 1, other = lane; turn <= kWarp; ++turn) {
    other = (other + step) % kWarp;
    if ((lanes >> other & 1u) == 0) continue;
    const unsigned number = first + other;
    if (number >= threads_) fail(fmt::format("lane {} is beyond the {} threads of the block", other, threads_));
    const Thread& peer = thread_[number];
    if (peer.state == ThreadState::returned) fail(fmt::format("lane {} has returned from the kernel", other));
    if (peer.state != ThreadState::in_warp_operation || peer.lanes != lanes) {
      yield();
      if (operation.orders_memory) observe(&thread.left_key);
      return;
    }
    if (peer.operation != &operation || !same_place(peer.where, where))
      fail(fmt::format("lane {} is in {} at {}", other, peer.waits_in, describe_place(peer.where)));
    all_posted[other] = peer.posted;
  }
  if (operation.orders_memory) {
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1)
      observe(&thread_[first + static_cast<unsigned>(std::countr_zero(rest))].arrived_key);
    for (unsigned rest = lanes; rest != 0; rest &= rest - 1)
      publish(&thread_[first + static_cast<unsigned>(std::countr_zero(rest))].left_key);
  }
  if (operation.exchange != nullptr) operation.exchange(all_posted, lanes);
  make_lanes_ready(first, lanes);
  yield();
  if (operation.orders_memory) observe(&thread.left_key);
}

int BlockRunner::meet_block(const char* name, bool predicate, const Where& where) {
  const Bookkeeping bookkeeping;
  Thread& thread = *current_;
  thread.waits_in = name;
  thread.operation = nullptr;
  thread.where = where;
  const unsigned parity = thread.barriers++ % 2;
  publish(&barrier_key_[parity]);
  thread.state = ThreadState::at_barrier;
  predicates_ += predicate ? 1 : 0;
  if (++at_barrier_ == threads_) {
    for (unsigned number = 0; number < threads_; ++number) {
      const Thread& peer = thread_[number];
      if ((peer.waits_in != name && std::strcmp(peer.waits_in, name) != 0) || !same_place(peer.where, where))
        fail(fmt::format("thread {} is in {} at {}", number, peer.waits_in, describe_place(peer.where)));
    }
    counted_[parity] = predicates_;
    predicates_ = 0;
    at_barrier_ = 0;
    const bool reverse = launched_->options.order == ThreadOrder::reverse;
    for (unsigned number = 0; number < threads_; ++number) make_ready(reverse ? threads_ - 1 - number : number);
  }
  yield();
  observe(&barrier_key_[parity]);
  return counted_[parity];
}

bool BlockRunner::in_shared(std::uintptr_t address, std::size_t bytes) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(shared_);
  return address >= begin && address + bytes <= begin + shared_bytes_;
}

void BlockRunner::check_access(const char* name, const void* memory, std::size_t bytes, const Where& where) {
  const Bookkeeping bookkeeping;
  Thread& thread = *current_;
  thread.waits_in = name;
  thread.where = where;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  if (address % bytes != 0) fail(fmt::format("{} bytes at {:#x}, which is no multiple of {}", bytes, address, bytes));
  if (in_shared(address, bytes)) return;
  const std::vector<Range>& ranges = launched_->allocations;
  const auto holds = [&](const Range& range) { return address >= range.begin && address + bytes <= range.end; };
  if (last_allocation_ < ranges.size() && holds(ranges[last_allocation_])) return;
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), address,
                                      [](std::uintptr_t value, const Range& range) { return value < range.begin; });
  if (after != ranges.begin() && holds(*std::prev(after))) {
    last_allocation_ = static_cast<std::size_t>(std::prev(after) - ranges.begin());
    return;
  }
  const auto stack = reinterpret_cast<std::uintptr_t>(stack_of(stacks_, thread.place.linear));
  if (address >= stack && address + bytes <= stack + kStackBytes) return;
  const auto shared_begin = reinterpret_cast<std::uintptr_t>(shared_);
  if (address + kGuardBytes >= shared_begin && address < shared_begin + shared_bytes_ + kGuardBytes)
    fail(describe_address({{shared_begin, shared_begin + shared_bytes_}}, address, bytes) + " (shared storage)");
  fail(describe_address(ranges, address, bytes));
}

void BlockRunner::check_shared_access(const char* name, const void* memory, std::size_t bytes, const Where& where) {
  check_access(name, memory, bytes, where);
  if (!in_shared(reinterpret_cast<std::uintptr_t>(memory), bytes)) fail("an address outside shared storage");
}

void BlockRunner::copy_async(void* shared, const void* global, std::size_t bytes, bool valid, const Where& where) {
  check_shared_access("copy_async", shared, bytes, where);
  if (valid) {
    check_access("copy_async", global, bytes, where);
    if (in_shared(reinterpret_cast<std::uintptr_t>(global), bytes)) fail("the source is in shared storage");
  }
  // From now to the wait the bytes may change at any time: whoever reads them before gets neither old nor new ones.
  std::memset(shared, kPoisonByte, bytes);
  current_->copies.push_back({shared, global, bytes, valid, current_->groups});
}

void BlockRunner::wait_copies(unsigned pending) {
  Thread& thread = *current_;
  std::size_t landed = 0;
  for (const PendingCopy& copy : thread.copies) {
    if (copy.group + pending >= thread.groups) break;
    if (copy.valid) {
      std::memcpy(copy.to, copy.from, copy.bytes);
    } else {
      std::memset(copy.to, 0, copy.bytes);
    }
    ++landed;
  }
  thread.copies.erase(thread.copies.begin(), thread.copies.begin() + static_cast<std::ptrdiff_t>(landed));
}

void* BlockRunner::shared_storage(std::size_t bytes, const Where& where) {
  current_->waits_in = "shared";
  current_->where = where;
  if (bytes > shared_bytes_)
    fail(fmt::format("a storage of {} bytes in a kernel launched with {}", bytes, shared_bytes_));
  return shared_;
}

void BlockRunner::fail(const std::string& text) const {
  const Thread& thread = *current_;
  throw EmulationError(describe_block() + describe_thread(thread.place) + ": " + thread.waits_in + " at " +
                       describe_place(thread.where) + ": " + text);
}

std::string BlockRunner::describe_block() const {
  return fmt::format("kernel launched by {} ({}), block ({}, {}, {})", launched_->where.function,
                     describe_place(launched_->where), block_.x, block_.y, block_.z);
}

std::string BlockRunner::describe_stuck() const {
  return describe_block() + ": no thread can go on: " + describe_waiting(thread_.get(), threads_);
}

}  // namespace bsg::simt::emulator
