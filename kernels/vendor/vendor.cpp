#include "kernels/vendor/state.hpp"

namespace bsg::kernels::vendor {
namespace {

void* create_state(const Backend& own, void* stream) { return new State(own, stream); }

void destroy_state(void* state) {
  const std::unique_ptr<State> owned(static_cast<State*>(state));
  try {
    owned->own.runtime.synchronize(owned->stream);
  } catch (const std::runtime_error&) {
    // Who wanted the results has waited for them, and knows.
  }
}

VendorKernels make_kernels() {
  VendorKernels kernels;
  kernels.create_state = create_state;
  kernels.destroy_state = destroy_state;
  offer_convolutions(kernels);
  offer_products(kernels);
  return kernels;
}

}  // namespace
}  // namespace bsg::kernels::vendor

// The name that kVendorEntry holds.
extern "C" __attribute__((visibility("default"))) const bsg::kernels::VendorKernels* bsg_vendor_kernels_1() {
  static const bsg::kernels::VendorKernels kernels = bsg::kernels::vendor::make_kernels();
  return &kernels;
}
