#pragma once

#include <string>
#include <string_view>

namespace bsg {

// cpu: planes per channel (N, C, H, W). cuda: NVIDIA GPU. simt: the emulator of the CUDA kernels, for tests and
// debugging.
enum class Device { cpu, cuda, simt };

std::string_view to_string(Device device);

// "auto" takes the best device that is there. Throws ConfigError for an unknown name and for a device that this build
// or machine does not have.
Device parse_device(std::string_view name);

}  // namespace bsg
