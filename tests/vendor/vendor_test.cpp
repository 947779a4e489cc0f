// The vendor's kernels as far as no GPU and no library of the vendor is needed: how they take their place in the table,
// what an algorithm is remembered by, and that nothing needs them.
#include "kernels/vendor/vendor.hpp"

#include <set>

#include "engine/core/backends.hpp"
#include "engine/core/context.hpp"
#include "kernels/vendor/convolution_key.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::kernels;

namespace {

void other_forward(const Launch&, const Conv2dShape&, const float*, const float*, const float*, const float*,
                   const float*, float*) {}
void other_backward_weight(const Launch&, const Conv2dShape&, const simt::bfloat16*, const simt::bfloat16*,
                           const float*, const float*, float*, bool, float*) {}
void other_linear(const Launch&, const LinearShape&, const float*, const float*, const float*, float*) {}

}  // namespace

TEST_CASE("a table with the vendor's kernels has what is offered, and the own ones for the rest") {
  const Backend& own = emulated_backend();
  VendorKernels vendor;
  vendor.f32.forward = other_forward;
  vendor.bf16.backward_weight = other_backward_weight;
  vendor.linear = other_linear;
  const Backend both = with_vendor(own, vendor);
  CHECK(both.f32.conv2d_forward == other_forward);
  CHECK(both.bf16.conv2d_backward_weight == other_backward_weight);
  CHECK(both.linear == other_linear);
  CHECK(both.f32.conv2d_backward_input == own.f32.conv2d_backward_input);
  CHECK(both.f32.conv2d_backward_weight == own.f32.conv2d_backward_weight);
  CHECK(both.f32.conv2d_weight_gradient_workspace == own.f32.conv2d_weight_gradient_workspace);
  CHECK(both.bf16.conv2d_forward == own.bf16.conv2d_forward);
  CHECK(both.linear_backward_weight == own.linear_backward_weight);
  CHECK(both.f32.relu == own.f32.relu);
  CHECK(both.runtime.allocate == own.runtime.allocate);
}

TEST_CASE("an algorithm is remembered by the pass, the type of the products and every extent") {
  using vendor::ConvolutionKey;
  using vendor::Pass;
  using vendor::Products;
  const Conv2dShape shape{2, 16, 8, 9, 32, 3, 5, 2, 1, 1};
  CHECK(ConvolutionKey(Pass::forward, Products::f32, shape) == ConvolutionKey(Pass::forward, Products::f32, shape));
  std::set<ConvolutionKey> keys;
  for (const Pass pass : {Pass::forward, Pass::backward_input, Pass::backward_weight})
    for (const Products products : {Products::f32, Products::tf32, Products::bf16})
      keys.insert(ConvolutionKey(pass, products, shape));
  CHECK(keys.size() == 9);
  keys.clear();
  using Extent = std::int64_t Conv2dShape::*;
  for (const Extent extent : {&Conv2dShape::batch, &Conv2dShape::channels, &Conv2dShape::height, &Conv2dShape::width,
                              &Conv2dShape::outputs, &Conv2dShape::kernel_height, &Conv2dShape::kernel_width,
                              &Conv2dShape::stride, &Conv2dShape::padding, &Conv2dShape::dilation}) {
    Conv2dShape other = shape;
    other.*extent += 1;
    keys.insert(ConvolutionKey(Pass::forward, Products::f32, other));
  }
  keys.insert(ConvolutionKey(Pass::forward, Products::f32, shape));
  CHECK(keys.size() == 11);
}

TEST_CASE("devices without a vendor's library compute by the own kernels") {
  const DeviceKernels simt = find_kernels(Device::simt, true);
  CHECK(simt.backend == &emulated_backend());
  CHECK(simt.vendor == nullptr);
  CHECK(find_kernels(Device::cpu, true).backend == nullptr);
  CHECK_FALSE(ContextOptions{}.allow_vendor);
  const Context context({.device = Device::simt, .allow_vendor = true});
  CHECK_FALSE(context.uses_vendor());
  CHECK(context.launch().vendor == nullptr);
}
