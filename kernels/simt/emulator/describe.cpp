#include "kernels/simt/emulator/describe.hpp"

#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace bsg::simt::emulator {

namespace {

constexpr std::size_t kMostSituations = 8;

// Numbers as "0-15, 20".
class NumberList {
 public:
  void add(unsigned number) {
    if (!text_.empty() && number == last_ + 1) {
      last_ = number;
      return;
    }
    close();
    text_ += text_.empty() ? "" : ", ";
    text_ += std::to_string(number);
    first_ = last_ = number;
  }
  std::string text() {
    close();
    first_ = last_;
    return text_;
  }

 private:
  void close() {
    if (!text_.empty() && last_ != first_) text_ += fmt::format("-{}", last_);
  }

  std::string text_;
  unsigned first_ = 0, last_ = 0;
};

bool same_situation(const Thread& a, const Thread& b) {
  if (a.state != b.state) return false;
  if (a.state == ThreadState::returned || a.state == ThreadState::ready) return true;
  if (std::strcmp(a.waits_in, b.waits_in) != 0 || !same_place(a.where, b.where)) return false;
  return a.state == ThreadState::at_barrier || (a.lanes == b.lanes && a.place.linear / kWarp == b.place.linear / kWarp);
}

// The lanes that `thread` waits for.
std::string missing_lanes(const Thread* threads, unsigned count, const Thread& thread) {
  NumberList missing;
  const unsigned first = thread.place.linear / kWarp * kWarp;
  for (unsigned lane = 0; lane < kWarp && first + lane < count; ++lane) {
    const Thread& peer = threads[first + lane];
    if ((thread.lanes >> lane & 1u) != 0 && !same_situation(peer, thread)) missing.add(lane);
  }
  return missing.text();
}

}  // namespace

bool same_place(const Where& a, const Where& b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string describe_place(const Where& where) {
  // A compiler that is called in a build folder with relative paths puts the way out of it in front.
  std::string_view file = where.file;
  while (file.substr(0, 3) == "../") file.remove_prefix(3);
  return fmt::format("{}:{}", file, where.line);
}

std::string describe_thread(const Place& place) {
  return fmt::format(", thread ({}, {}, {})", place.thread.x, place.thread.y, place.thread.z);
}

std::string describe_waiting(const Thread* threads, unsigned count) {
  std::string text;
  std::vector<bool> told(count, false);
  std::size_t situations = 0;
  for (unsigned first = 0; first < count; ++first) {
    if (told[first]) continue;
    const Thread& one = threads[first];
    NumberList numbers;
    for (unsigned number = first; number < count; ++number) {
      if (told[number] || !same_situation(threads[number], one)) continue;
      told[number] = true;
      numbers.add(number);
    }
    if (situations++ == kMostSituations) return text + "; ...";
    text += text.empty() ? "threads " : "; threads ";
    text += numbers.text();
    if (one.state == ThreadState::returned) {
      text += " have returned";
    } else if (one.state == ThreadState::at_barrier) {
      text += fmt::format(" wait in {} at {}", one.waits_in, describe_place(one.where));
    } else {
      text += fmt::format(" wait in {} at {} for lanes {} of warp {}", one.waits_in, describe_place(one.where),
                          missing_lanes(threads, count, one), first / kWarp);
    }
  }
  return text;
}

}  // namespace bsg::simt::emulator
