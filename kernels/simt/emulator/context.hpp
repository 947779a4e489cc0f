// A stack of execution, and the change from one to another: all that is needed to run the threads of a block as fibers.
#pragma once

#include <cstddef>

// Elsewhere, and where BSG_SIMT_UCONTEXT asks for it, the C library changes stacks, by two system calls (NOTES.md).
#if defined(__x86_64__) && !defined(BSG_SIMT_UCONTEXT)
#define BSG_SIMT_OWN_SWITCH 1
#else
#include <ucontext.h>
#endif

namespace bsg::simt::emulator {

// Either the stack that some host code runs on (adopt) or one of its own (start). Tells AddressSanitizer and
// ThreadSanitizer of every change; to ThreadSanitizer a change orders nothing in memory.
class Context {
 public:
  Context() = default;
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // The calling thread's stack, until its next change returns.
  void adopt();
  // A new stack; the first change to it calls entry(), which begins with arrived() and never returns.
  void start(std::byte* lowest, std::size_t bytes, void (*entry)());
  void arrived();

  // Leaves `from`, which is the current one, for `to`; returns when something changes back to `from`.
  static void change(Context& from, Context& to);

  // publish(key) of sanitizers.hpp, as if this fiber had called it where it stands.
  void publish_here(void* key);

 private:
  // Calls action() as code of this fiber, in the eyes of ThreadSanitizer.
  template <class Action>
  void as_this_fiber(const Action& action);

#if defined(BSG_SIMT_OWN_SWITCH)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t machine_;
#endif
  const void* lowest_ = nullptr;
  std::size_t bytes_ = 0;
  Context* previous_ = nullptr;                  // what was left for this one
  [[maybe_unused]] void* fake_stack_ = nullptr;  // AddressSanitizer's
  [[maybe_unused]] void* tsan_fiber_ = nullptr;
  bool started_ = false;  // the stack and ThreadSanitizer's fiber are its own
};

}  // namespace bsg::simt::emulator
