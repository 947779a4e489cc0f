// Dense convolutions and matrix products by the vendor's libraries (cuDNN, cuBLAS), in place of the own kernels of a
// Backend. They lie in a shared library of their own, libbsg_vendor.so, since most machines lack what it links.
//
// A replacement has the signature and the contract of the member that it replaces. It works for the contexts that made
// a state for it, which Launch::vendor holds: handles, the algorithm of each shape, memory to work in. What the
// vendor's libraries do not offer (gates, a bias, an empty batch, shapes without a deterministic algorithm, small
// products) the own kernel does.
#pragma once

#include <string_view>

#include "kernels/backend/backend.hpp"

namespace bsg::kernels {

template <class T>
struct VendorConvolutions {
  decltype(TypedKernels<T>::conv2d_forward) forward = nullptr;
  decltype(TypedKernels<T>::conv2d_backward_input) backward_input = nullptr;
  decltype(TypedKernels<T>::conv2d_backward_weight) backward_weight = nullptr;
};

// Null: not offered.
struct VendorKernels {
  // The table of own kernels that the functions were built for.
  std::string_view backend_entry = kCudaBackendEntry;
  // For one context: `stream` is its, `own` the kernels without these, which outlive the state.
  void* (*create_state)(const Backend& own, void* stream) = nullptr;
  // Waits for the stream. Throws nothing.
  void (*destroy_state)(void* state) = nullptr;

  VendorConvolutions<float> f32;
  VendorConvolutions<simt::bfloat16> bf16;
  decltype(Backend::linear) linear = nullptr;
  decltype(Backend::linear_backward_input) linear_backward_input = nullptr;
  decltype(Backend::linear_backward_weight) linear_backward_weight = nullptr;
};

// own with what the vendor offers in its place.
inline Backend with_vendor(const Backend& own, const VendorKernels& vendor) {
  Backend both = own;
  const auto replace = [](auto& member, auto replacement) {
    if (replacement != nullptr) member = replacement;
  };
  const auto replace_convolutions = [&](auto& members, const auto& replacements) {
    replace(members.conv2d_forward, replacements.forward);
    replace(members.conv2d_backward_input, replacements.backward_input);
    replace(members.conv2d_backward_weight, replacements.backward_weight);
  };
  replace_convolutions(both.f32, vendor.f32);
  replace_convolutions(both.bf16, vendor.bf16);
  replace(both.linear, vendor.linear);
  replace(both.linear_backward_input, vendor.linear_backward_input);
  replace(both.linear_backward_weight, vendor.linear_backward_weight);
  return both;
}

// What libbsg_vendor.so exports: a function without arguments that returns `const VendorKernels*`. The name carries a
// number that changes whenever the struct does.
inline constexpr const char* kVendorEntry = "bsg_vendor_kernels_1";

}  // namespace bsg::kernels
