// Which devices this build and this machine have.
#pragma once

#include "engine/core/device.hpp"

namespace bsg::kernels {
struct Backend;
struct VendorKernels;
}  // namespace bsg::kernels

namespace bsg {

// The kernels of a device; null for the CPU, whose kernels need no table. Throws ConfigError with the reason when the
// device is not there. The CUDA back end is the shared library libbsg_cuda.so: looked for beside the running program,
// in ../lib from it, and where the system looks for libraries. It stays loaded.
const kernels::Backend* find_backend(Device device);

// find_backend, with the vendor's kernels in place where `allow_vendor` and where they are: in libbsg_vendor.so, looked
// for as libbsg_cuda.so is, and in the libraries that it needs.
struct DeviceKernels {
  const kernels::Backend* backend = nullptr;
  const kernels::VendorKernels* vendor = nullptr;  // null: none are in place
};
DeviceKernels find_kernels(Device device, bool allow_vendor);

}  // namespace bsg
