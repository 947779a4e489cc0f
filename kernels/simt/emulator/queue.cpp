#include "kernels/simt/emulator/queue.hpp"

#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/launcher.hpp"

namespace bsg::simt::emulator {
namespace {

struct Queue {
  std::deque<std::function<void()>> waiting;
  std::uint64_t done = 0;  // how much was taken from its front

  std::uint64_t end() const { return done + waiting.size(); }
};

// Of this process, as a device has one set of streams. Whoever waits for one stream may have to do the work of others
// first, hence a recursive mutex.
struct Queues {
  std::recursive_mutex mutex;
  std::map<void*, Queue> by_stream;
  std::map<std::uintptr_t, std::uintptr_t> pinned;  // ends by begins

  static Queues& instance() {
    static Queues queues;
    return queues;
  }
};

}  // namespace

bool queues_work(void* stream) {
  if (launch_options().queued_work == QueuedWork::late) return true;
  finish(stream);
  return false;
}

void queue(void* stream, std::function<void()> work) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  queues.by_stream[stream].waiting.push_back(std::move(work));
}

QueuePlace end_of_queue(void* stream) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  const auto found = queues.by_stream.find(stream);
  return {stream, found == queues.by_stream.end() ? 0 : found->second.end()};
}

void finish(const QueuePlace& place) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  const auto found = queues.by_stream.find(place.stream);
  if (found == queues.by_stream.end()) return;
  Queue& queue = found->second;
  while (queue.done < place.count && !queue.waiting.empty()) {
    const std::function<void()> work = std::move(queue.waiting.front());
    queue.waiting.pop_front();
    ++queue.done;
    work();
  }
}

void finish(void* stream) { finish(end_of_queue(stream)); }

void forget(void* stream) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  queues.by_stream.erase(stream);
}

void add_pinned(const void* memory, std::size_t bytes) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory);
  queues.pinned[begin] = begin + bytes;
}

void remove_pinned(const void* memory) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  queues.pinned.erase(reinterpret_cast<std::uintptr_t>(memory));
}

bool is_pinned(const void* memory) {
  Queues& queues = Queues::instance();
  const std::lock_guard lock(queues.mutex);
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const auto above = queues.pinned.upper_bound(address);
  return above != queues.pinned.begin() && address < std::prev(above)->second;
}

}  // namespace bsg::simt::emulator
