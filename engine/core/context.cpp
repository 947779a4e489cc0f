#include "engine/core/context.hpp"

#include "engine/core/backends.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"

namespace bsg {
namespace {

MemorySource memory_of(Device device, const kernels::Backend* backend) {
  if (backend == nullptr) return {};
  const kernels::DeviceRuntime& runtime = backend->runtime;
  return {.device = device,
          .runtime = &runtime,
          .stream = std::shared_ptr<void>(runtime.create_stream(), runtime.destroy_stream)};
}

Precision checked_precision(const ContextOptions& options) {
  if (options.device == Device::cpu && options.precision != Precision::f32)
    throw_error<ConfigError>("precision {}: device cpu computes f32", to_string(options.precision));
  return options.precision;
}

}  // namespace

Context::Context(ContextOptions options)
    : threads_(options.threads),
      precision_(checked_precision(options)),
      backend_(find_backend(options.device)),
      allocator_(std::make_shared<Allocator>(options.allocator, memory_of(options.device, backend_))),
      random_(options.seed) {}

}  // namespace bsg
