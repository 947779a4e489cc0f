// The spellings, constants and small types that every part of the dialect uses.
#pragma once

#if !defined(__CUDACC__)
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#endif

namespace bsg::simt {

// An index or an extent in up to three dimensions; extents that are left out are 1.
struct Index3 {
  unsigned x = 1, y = 1, z = 1;
};

// Lanes of a warp, and the set of all of them: bit l stands for lane l.
inline constexpr unsigned kWarp = 32, kAllLanes = 0xffffffffu;

// A place in a source file. As a default argument, `Where where = Where()`, it is the place of the call. The emulator's
// errors name it; on a device nothing reads it and no code is made for it.
struct Where {
  const char* file;
  const char* function;
  int line;
  __host__ __device__ constexpr explicit Where(const char* call_file = __builtin_FILE(),
                                               const char* call_function = __builtin_FUNCTION(),
                                               int call_line = __builtin_LINE())
      : file(call_file), function(call_function), line(call_line) {}
};

}  // namespace bsg::simt
