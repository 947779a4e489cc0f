#include "kernels/simt/emulator/context.hpp"

#include "kernels/simt/emulator/sanitizers.hpp"

#if defined(BSG_SIMT_OWN_SWITCH)
// bsg_simt_change_stack(save, load): pushes what the System V ABI lets a caller expect unchanged, stores the stack
// pointer in *save, and continues from `load`, where the same was done. The floating-point control words, which the ABI
// lists too, are left alone: no kernel changes them.
extern "C" void bsg_simt_change_stack(void** save, void* load);
asm(R"(
.text
.hidden bsg_simt_change_stack
.globl bsg_simt_change_stack
.type bsg_simt_change_stack, @function
bsg_simt_change_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size bsg_simt_change_stack, . - bsg_simt_change_stack
)");
#endif

namespace bsg::simt::emulator {

Context::~Context() {
#if defined(BSG_THREAD_SANITIZER)
  if (started_) {
    // A fiber that has run stands in the emulator's own code, where accesses are ignored, and must not end like that.
    if (previous_ != nullptr) as_this_fiber([] { end_ignoring_accesses(); });
    __tsan_destroy_fiber(tsan_fiber_);
  }
#endif
  // An abandoned fiber leaves the marks of its frames.
  if (started_) allow_access(lowest_, bytes_);
}

template <class Action>
void Context::as_this_fiber([[maybe_unused]] const Action& action) {
#if defined(BSG_THREAD_SANITIZER)
  void* current = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(tsan_fiber_, __tsan_switch_to_fiber_no_sync);
  action();
  __tsan_switch_to_fiber(current, __tsan_switch_to_fiber_no_sync);
#endif
}

void Context::publish_here(void* key) {
  as_this_fiber([key] { publish(key); });
}

void Context::adopt() {
#if defined(BSG_THREAD_SANITIZER)
  tsan_fiber_ = __tsan_get_current_fiber();
#endif
}

void Context::start(std::byte* lowest, std::size_t bytes, void (*entry)()) {
  lowest_ = lowest;
  bytes_ = bytes;
  started_ = true;
#if defined(BSG_SIMT_OWN_SWITCH)
  // From the top: an empty return address where a caller's would be, the entry that `ret` jumps to, six registers.
  void** top = reinterpret_cast<void**>(lowest + bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(entry);
  for (int saved = 0; saved < 6; ++saved) *--top = nullptr;
  stack_pointer_ = top;
#else
  getcontext(&machine_);
  machine_.uc_stack.ss_sp = lowest;
  machine_.uc_stack.ss_size = bytes;
  machine_.uc_link = nullptr;
  makecontext(&machine_, entry, 0);
#endif
#if defined(BSG_THREAD_SANITIZER)
  tsan_fiber_ = __tsan_create_fiber(0);
#endif
}

void Context::arrived() {
#if defined(BSG_ADDRESS_SANITIZER)
  // Also the only way to learn the bounds of an adopted stack.
  __sanitizer_finish_switch_fiber(fake_stack_, &previous_->lowest_, &previous_->bytes_);
#endif
}

void Context::change(Context& from, Context& to) {
  to.previous_ = &from;
#if defined(BSG_ADDRESS_SANITIZER)
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.lowest_, to.bytes_);
#endif
#if defined(BSG_SIMT_OWN_SWITCH)
  void* load = to.stack_pointer_;
#if defined(BSG_THREAD_SANITIZER)
  __tsan_switch_to_fiber(to.tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
  bsg_simt_change_stack(&from.stack_pointer_, load);
#else
#if defined(BSG_THREAD_SANITIZER)
  __tsan_switch_to_fiber(to.tsan_fiber_, __tsan_switch_to_fiber_no_sync);
#endif
  swapcontext(&from.machine_, &to.machine_);
#endif
  from.arrived();
}

}  // namespace bsg::simt::emulator
