#pragma once

#include <memory>

#include "engine/core/allocator.hpp"
#include "engine/core/device.hpp"
#include "engine/core/random.hpp"
#include "kernels/common/launch.hpp"

namespace bsg {

struct ContextOptions {
  Device device = Device::cpu;
  int threads = 1;         // CPU threads that kernels may use
  std::uint64_t seed = 0;  // of random()
  AllocatorOptions allocator = {};
};

// Where work runs and what it draws from: passed to every op, never global. Tensors keep the allocator alive.
class Context {
 public:
  explicit Context(ContextOptions options = {})
      : device_(options.device),
        threads_(options.threads),
        allocator_(std::make_shared<Allocator>(options.allocator)),
        random_(options.seed) {}

  Device device() const { return device_; }
  int threads() const { return threads_; }
  kernels::Launch launch() const { return {.threads = threads_, .stream = nullptr}; }
  const std::shared_ptr<Allocator>& allocator() const { return allocator_; }
  Generator& random() { return random_; }

 private:
  Device device_;
  int threads_;
  std::shared_ptr<Allocator> allocator_;
  Generator random_;
};

}  // namespace bsg
