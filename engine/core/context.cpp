#include "engine/core/context.hpp"

#include "engine/core/backends.hpp"
#include "engine/core/error.hpp"
#include "kernels/backend/backend.hpp"
#include "kernels/vendor/vendor.hpp"

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

// What the vendor's kernels keep, until the last copy of a context is gone; the stream stays until then.
std::shared_ptr<void> make_vendor_state(const kernels::VendorKernels* vendor, const kernels::Backend& own,
                                        const std::shared_ptr<void>& stream) {
  return {vendor->create_state(own, stream.get()), [vendor, stream](void* state) { vendor->destroy_state(state); }};
}

}  // namespace

Context::Context(ContextOptions options) : Context(options, find_kernels(options.device, options.allow_vendor)) {}

Context::Context(const ContextOptions& options, const DeviceKernels& kernels)
    : threads_(options.threads),
      precision_(checked_precision(options)),
      backend_(kernels.backend),
      allocator_(std::make_shared<Allocator>(options.allocator, memory_of(options.device, backend_))),
      vendor_(kernels.vendor == nullptr
                  ? nullptr
                  : make_vendor_state(kernels.vendor, *find_backend(options.device), allocator_->source().stream)),
      random_(options.seed) {}

}  // namespace bsg
