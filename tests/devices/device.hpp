// The device of tests that are compiled twice, *_device_test.cpp: the emulator, and with BSG_TESTS_ON_GPU a GPU.
#pragma once

#include "engine/core/device.hpp"

namespace bsg::test {

#if defined(BSG_TESTS_ON_GPU)
inline constexpr Device kDevice = Device::cuda;
#else
inline constexpr Device kDevice = Device::simt;
#endif

}  // namespace bsg::test
