#include "engine/core/backends.hpp"

#include <dlfcn.h>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"
#include "kernels/vendor/vendor.hpp"

namespace bsg {
namespace {

struct LoadedBackend {
  const kernels::Backend* backend = nullptr;
  std::string reason;  // why not
};

// Opens a library that lies beside the program, in ../lib from it, or where the system looks. Null, with a reason,
// where it cannot be.
void* open_library(const std::string& library, std::string& reason) {
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const std::string& path : {(program / library).string(), (program / "../lib" / library).string(), library}) {
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return handle;
    // The first thing that is wrong with a library that is there says more than that the others are not there.
    const char* const error = dlerror();
    if (reason.empty() || std::filesystem::exists(path, ignored)) reason = error != nullptr ? error : path;
  }
  return nullptr;
}

LoadedBackend load_cuda_backend() {
  const std::string library = "libbsg_cuda.so";
  std::string reason;
  void* const handle = open_library(library, reason);
  if (handle == nullptr) return {nullptr, reason};
  using Entry = const kernels::Backend* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, kernels::kCudaBackendEntry));
  if (entry == nullptr) return {nullptr, library + " is of another version of bsg"};
  const kernels::Backend* const backend = entry();
  if (backend->runtime.device_count() < 1) return {nullptr, "there is no CUDA device, or no driver for it"};
  return {backend, ""};
}

// Own and vendor kernels as one table. Without the vendor's library, or with one of another version, there is none: the
// own kernels do everything.
struct VendorTable {
  const kernels::VendorKernels* vendor = nullptr;
  std::optional<kernels::Backend> backend;
};

VendorTable load_vendor_table(const kernels::Backend& own) {
  std::string reason;
  void* const handle = open_library("libbsg_vendor.so", reason);
  if (handle == nullptr) return {};
  using Entry = const kernels::VendorKernels* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, kernels::kVendorEntry));
  if (entry == nullptr) return {};
  const kernels::VendorKernels* const vendor = entry();
  if (vendor->backend_entry != kernels::kCudaBackendEntry) return {};
  return {vendor, kernels::with_vendor(own, *vendor)};
}

}  // namespace

const kernels::Backend* find_backend(Device device) {
  switch (device) {
    case Device::cpu:
      return nullptr;
    case Device::simt:
      return &kernels::emulated_backend();
    case Device::cuda: {
      static const LoadedBackend loaded = load_cuda_backend();
      if (loaded.backend == nullptr) throw_error<ConfigError>("device: cuda is not at hand: {}", loaded.reason);
      return loaded.backend;
    }
  }
  return nullptr;
}

DeviceKernels find_kernels(Device device, bool allow_vendor) {
  const kernels::Backend* const own = find_backend(device);
  if (device != Device::cuda || !allow_vendor) return {own, nullptr};
  static const VendorTable table = load_vendor_table(*own);
  if (table.vendor == nullptr) return {own, nullptr};
  return {&*table.backend, table.vendor};
}

}  // namespace bsg
