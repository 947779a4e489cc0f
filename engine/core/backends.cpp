#include "engine/core/backends.hpp"

#include <dlfcn.h>
#include <filesystem>
#include <string>

#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {
namespace {

struct LoadedBackend {
  const kernels::Backend* backend = nullptr;
  std::string reason;  // why not
};

LoadedBackend load_cuda_backend() {
  const std::string library = "libbsg_cuda.so";
  std::error_code ignored;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  void* handle = nullptr;
  std::string reason;
  for (const std::string& path : {(program / library).string(), (program / "../lib" / library).string(), library}) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) break;
    // The first thing that is wrong with a library that is there says more than that the others are not there.
    const char* const error = dlerror();
    if (reason.empty() || std::filesystem::exists(path, ignored)) reason = error != nullptr ? error : path;
  }
  if (handle == nullptr) return {nullptr, reason};
  using Entry = const kernels::Backend* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(handle, kernels::kCudaBackendEntry));
  if (entry == nullptr) return {nullptr, library + " is of another version of bsg"};
  const kernels::Backend* const backend = entry();
  if (backend->runtime.device_count() < 1) return {nullptr, "there is no CUDA device, or no driver for it"};
  return {backend, ""};
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

}  // namespace bsg
