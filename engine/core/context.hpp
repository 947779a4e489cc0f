#pragma once

#include <memory>

#include "engine/core/allocator.hpp"
#include "engine/core/device.hpp"
#include "engine/core/precision.hpp"
#include "engine/core/random.hpp"
#include "kernels/common/launch.hpp"

namespace bsg::kernels {
struct Backend;
}

namespace bsg {

struct DeviceKernels;

struct ContextOptions {
  Device device = Device::cpu;
  int threads = 1;         // CPU threads that kernels may use
  std::uint64_t seed = 0;  // of random()
  Precision precision = Precision::f32;
  AllocatorOptions allocator = {};
  // Whether the vendor's libraries may compute dense convolutions and matrix products where they are at hand. Off
  // unless asked for: no GPU has run these kernels yet.
  bool allow_vendor = false;
};

// Where work runs and what it draws from: passed to every op, never global. Tensors keep the allocator alive. On a
// device a context has a stream of its own, so what it computed is for this context (or for the host, which waits).
class Context {
 public:
  // Throws ConfigError when this build or machine does not have the device, and for a CPU that is to compute in another
  // precision than f32.
  explicit Context(ContextOptions options = {});

  Device device() const { return allocator_->source().device; }
  bool on_cpu() const { return backend_ == nullptr; }
  int threads() const { return threads_; }
  // bf16: networks convert what they are given (nn::Pass::activations), and ops follow the type of their operands.
  Precision precision() const { return precision_; }
  kernels::Launch launch() const {
    return {.threads = threads_,
            .stream = allocator_->source().stream.get(),
            .tf32 = precision_ == Precision::tf32,
            .vendor = vendor_.get()};
  }
  const std::shared_ptr<Allocator>& allocator() const { return allocator_; }
  Generator& random() { return random_; }
  // The kernels of a device that is not the CPU.
  const kernels::Backend& backend() const { return *backend_; }
  // Whether some of them are the vendor's.
  bool uses_vendor() const { return vendor_ != nullptr; }

 private:
  Context(const ContextOptions& options, const DeviceKernels& kernels);

  int threads_;
  Precision precision_;
  const kernels::Backend* backend_;
  std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<void> vendor_;  // what the vendor's kernels keep for this context; null where none are used
  Generator random_;
};

}  // namespace bsg
