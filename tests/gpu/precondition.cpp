#include "kernels/simt/runtime.hpp"
#include "tests/support/skip.hpp"

namespace {

const bsg::test::Precondition kNeedsDevice([]() -> std::string {
  return bsg::simt::device_count() > 0 ? "" : "there is no CUDA device, or no driver for it";
});

}  // namespace
