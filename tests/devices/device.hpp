// The device of tests that are compiled twice, *_device_test.cpp: the emulator, and with BSG_TESTS_ON_GPU a GPU.
#pragma once

#include "engine/core/device.hpp"
#if !defined(BSG_TESTS_ON_GPU)
#include "kernels/simt/emulator.hpp"
#endif

namespace bsg::test {

#if defined(BSG_TESTS_ON_GPU)
inline constexpr Device kDevice = Device::cuda;
struct LateWork {};
#else
inline constexpr Device kDevice = Device::simt;
// In its scope the emulator does what is queued as late as a GPU may.
struct LateWork {
  simt::ScopedEmulatorOptions scope{{.queued_work = simt::QueuedWork::late}};
};
#endif

}  // namespace bsg::test
