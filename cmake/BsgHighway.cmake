# Google's highway: CPU vectors, one source for every instruction set, chosen at run time.
# The targets that the kernels are compiled for: AVX-512, AVX2 and the compiler's baseline. Each further target compiles every
# kernel file once more, so the sets between them are left out.
find_path(BSG_HIGHWAY_INCLUDE hwy/highway.h REQUIRED)
find_library(BSG_HIGHWAY_LIBRARY NAMES hwy REQUIRED)
add_library(bsg_highway INTERFACE)
target_include_directories(bsg_highway SYSTEM INTERFACE "${BSG_HIGHWAY_INCLUDE}")
target_link_libraries(bsg_highway INTERFACE "${BSG_HIGHWAY_LIBRARY}")
target_compile_definitions(bsg_highway INTERFACE HWY_DISABLED_TARGETS=\(HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL\))
