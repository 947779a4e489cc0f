// Which devices this build and this machine have.
#pragma once

#include "engine/core/device.hpp"

namespace bsg::kernels {
struct Backend;
}

namespace bsg {

// The kernels of a device; null for the CPU, whose kernels need no table. Throws ConfigError with the reason when the
// device is not there. The CUDA back end is the shared library libbsg_cuda.so: looked for beside the running program,
// in ../lib from it, and where the system looks for libraries. It stays loaded.
const kernels::Backend* find_backend(Device device);

}  // namespace bsg
