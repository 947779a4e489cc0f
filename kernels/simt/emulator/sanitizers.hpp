// What the emulator tells the sanitizers, as functions that do nothing where there is none.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BSG_ADDRESS_SANITIZER 1
#endif
#if __has_feature(thread_sanitizer)
#define BSG_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define BSG_ADDRESS_SANITIZER 1
#endif
#if defined(__SANITIZE_THREAD__)
#define BSG_THREAD_SANITIZER 1
#endif

#if defined(BSG_ADDRESS_SANITIZER)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(BSG_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace bsg::simt::emulator {

#if defined(BSG_ADDRESS_SANITIZER)
inline constexpr bool kAddressSanitizer = true;
inline void forbid_access(const void* memory, std::size_t bytes) { __asan_poison_memory_region(memory, bytes); }
inline void allow_access(const void* memory, std::size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }
#else
inline constexpr bool kAddressSanitizer = false;
inline void forbid_access(const void*, std::size_t) {}
inline void allow_access(const void*, std::size_t) {}
#endif

#if defined(BSG_THREAD_SANITIZER)
inline constexpr bool kThreadSanitizer = true;
// What was done before a publish(key) happened before what follows an observe(key) after it.
inline void publish(void* key) { __tsan_release(key); }
inline void observe(void* key) { __tsan_acquire(key); }
inline void begin_ignoring_accesses() {
  AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
  AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
}
inline void end_ignoring_accesses() {
  AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
#else
inline constexpr bool kThreadSanitizer = false;
inline void publish(void*) {}
inline void observe(void*) {}
inline void begin_ignoring_accesses() {}
inline void end_ignoring_accesses() {}
#endif

// While one lives, ThreadSanitizer ignores what the current fiber reads and writes: the emulator's own state.
class Bookkeeping {
 public:
  Bookkeeping() { begin_ignoring_accesses(); }
  ~Bookkeeping() { end_ignoring_accesses(); }
  Bookkeeping(const Bookkeeping&) = delete;
  Bookkeeping& operator=(const Bookkeeping&) = delete;
};

// And while one of these lives inside that, it watches again: the kernel's own code.
class KernelCode {
 public:
  KernelCode() { end_ignoring_accesses(); }
  ~KernelCode() { begin_ignoring_accesses(); }
  KernelCode(const KernelCode&) = delete;
  KernelCode& operator=(const KernelCode&) = delete;
};

}  // namespace bsg::simt::emulator
