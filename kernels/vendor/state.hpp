// Internal to the vendor library: what it keeps for one context.
#pragma once

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>

#include "kernels/vendor/vendor.hpp"

namespace bsg::kernels::vendor {

// Device memory that grows and is used by one call after the other, in the stream's order.
class Scratch {
 public:
  Scratch(const DeviceRuntime& runtime, void* stream) : runtime_(runtime), stream_(stream) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    // A device that failed has said so where the work was waited for.
    try {
      runtime_.release(memory_, stream_);
    } catch (const std::runtime_error&) {
    }
  }

  // At least `bytes`; null where there is no memory left.
  void* at_least(std::size_t bytes) {
    if (bytes <= bytes_) return memory_;
    runtime_.release(std::exchange(memory_, nullptr), stream_);
    bytes_ = 0;
    memory_ = runtime_.allocate(bytes, stream_);
    bytes_ = memory_ != nullptr ? bytes : 0;
    return memory_;
  }

 private:
  const DeviceRuntime& runtime_;
  void* stream_;
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
};

// A library's handle and what was found out with it, made when it is first needed. Defined where the library is used.
struct Cudnn;
struct Cublas;
struct DeleteCudnn {
  void operator()(Cudnn* cudnn) const;
};
struct DeleteCublas {
  void operator()(Cublas* cublas) const;
};

struct State {
  State(const Backend& kernels, void* of)
      : own(kernels), stream(of), workspace(own.runtime, of), gradient(own.runtime, of) {}
  const Backend& own;
  void* stream;
  Scratch workspace, gradient;
  std::unique_ptr<Cudnn, DeleteCudnn> cudnn;
  std::unique_ptr<Cublas, DeleteCublas> cublas;
};

inline State& state_of(const Launch& launch) { return *static_cast<State*>(launch.vendor); }

void offer_convolutions(VendorKernels& kernels);
void offer_products(VendorKernels& kernels);

}  // namespace bsg::kernels::vendor
