// The vendor's kernels against our own on a GPU. Values are small whole numbers, whose sums float, tf32 and bf16 all
// hold: results then agree but for what an algorithm's own transforms round.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "engine/core/backends.hpp"
#include "engine/core/error.hpp"
#include "engine/core/tensor.hpp"
#include "kernels/backend/backend.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

using namespace bsg;
using namespace bsg::kernels;

namespace {

Context vendor_context(Precision precision = Precision::f32) {
  return Context({.device = Device::cuda, .precision = precision, .allow_vendor = true});
}

const test::Precondition kNeedsVendor([]() -> std::string {
  try {
    return vendor_context().uses_vendor() ? "" : "there is no libbsg_vendor.so, or no cuDNN or cuBLAS for it";
  } catch (const ConfigError& error) {
    return error.what();
  }
});

Tensor whole_numbers(Context& context, std::int64_t count, DType dtype) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(context.random().below(3)) - 1;
  return Tensor::from(context, {count}, values).cast(context, dtype);
}

std::vector<float> floats(Context& context, const Tensor& tensor) {
  return tensor.cast(context, DType::f32).values<float>();
}

void check_same(Context& context, const Tensor& once, const Tensor& again) {
  CHECK(floats(context, once) == floats(context, again));
}

void check_near(Context& context, const Tensor& own, const Tensor& vendor) {
  const auto expected = floats(context, own), found = floats(context, vendor);
  REQUIRE(found.size() == expected.size());
  float largest = 0, difference = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    REQUIRE(std::isfinite(found[i]));
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(expected[i] - found[i]));
  }
  CHECK(largest > 1);
  // Half a step of bf16 for sums above 256, where two roundings may part.
  CHECK(difference <= largest / 128);
}

template <class T>
void check_convolution(Context& context, const Conv2dShape& s) {
  CAPTURE(s.batch, s.channels, s.height, s.width, s.outputs, s.kernel_height, s.stride, s.padding, s.dilation);
  constexpr DType kType = sizeof(T) == 2 ? DType::bf16 : DType::f32;
  const TypedKernels<T>& own = find_backend(Device::cuda)->typed<T>();
  const TypedKernels<T>& vendor = context.backend().typed<T>();
  REQUIRE(vendor.conv2d_forward != own.conv2d_forward);
  const Launch launch = context.launch();
  const Tensor x = whole_numbers(context, s.batch * s.height * s.width * s.channels, kType);
  const Tensor weight = whole_numbers(context, s.weights(), kType);
  const Tensor dy = whole_numbers(context, s.batch * s.out_height() * s.out_width() * s.outputs, kType);

  const auto forward = [&](const TypedKernels<T>& kernels) {
    Tensor y = Tensor::full(context, dy.shape(), 7, kType);
    kernels.conv2d_forward(launch, s, x.data<T>(), weight.data<T>(), nullptr, nullptr, nullptr, y.data<T>());
    return y;
  };
  check_near(context, forward(own), forward(vendor));
  check_same(context, forward(vendor), forward(vendor));

  Tensor workspace = Tensor::empty(context, {own.conv2d_weight_gradient_workspace(s)});
  for (const bool accumulate : {false, true}) {
    const auto backward_input = [&](const TypedKernels<T>& kernels) {
      Tensor dx = Tensor::full(context, x.shape(), 5, kType);
      kernels.conv2d_backward_input(launch, s, weight.data<T>(), dy.data<T>(), nullptr, dx.data<T>(), accumulate);
      return dx;
    };
    check_near(context, backward_input(own), backward_input(vendor));
    const auto backward_weight = [&](const TypedKernels<T>& kernels) {
      Tensor dweight = Tensor::full(context, weight.shape(), 5);
      kernels.conv2d_backward_weight(launch, s, x.data<T>(), dy.data<T>(), nullptr, nullptr, dweight.data<float>(),
                                     accumulate, workspace.data<float>());
      return dweight;
    };
    check_near(context, backward_weight(own), backward_weight(vendor));
    check_same(context, backward_weight(vendor), backward_weight(vendor));
  }
}

const std::vector<Conv2dShape> kShapes = {
    {8, 16, 32, 32, 16, 3, 3, 1, 1, 1},  {8, 16, 32, 32, 32, 3, 3, 2, 1, 1}, {4, 64, 14, 14, 128, 1, 1, 1, 0, 1},
    {4, 64, 14, 14, 128, 1, 1, 2, 0, 1}, {2, 3, 37, 41, 64, 7, 7, 2, 3, 1},  {2, 32, 19, 17, 48, 3, 3, 1, 2, 2},
    {1, 5, 9, 7, 11, 3, 3, 1, 1, 1},
};

}  // namespace

TEST_CASE("cuDNN's convolutions compute what ours do, in f32") {
  Context context = vendor_context();
  for (const Conv2dShape& shape : kShapes) check_convolution<float>(context, shape);
}
TEST_CASE("cuDNN's convolutions compute what ours do, in tf32") {
  Context context = vendor_context(Precision::tf32);
  for (const Conv2dShape& shape : kShapes) check_convolution<float>(context, shape);
}
TEST_CASE("cuDNN's convolutions compute what ours do, in bf16") {
  Context context = vendor_context(Precision::bf16);
  for (const Conv2dShape& shape : kShapes) check_convolution<simt::bfloat16>(context, shape);
}

TEST_CASE("cuBLAS's products compute what ours do") {
  Context context = vendor_context();
  const Backend& own = *find_backend(Device::cuda);
  const LinearShape s{256, 512, 300};
  const Launch launch = context.launch();
  const Tensor x = whole_numbers(context, s.rows * s.inputs, DType::f32);
  const Tensor weight = whole_numbers(context, s.outputs * s.inputs, DType::f32);
  const Tensor bias = whole_numbers(context, s.outputs, DType::f32);
  const Tensor dy = whole_numbers(context, s.rows * s.outputs, DType::f32);
  for (const float* b : {static_cast<const float*>(nullptr), bias.data<float>()}) {
    const auto forward = [&](const Backend& kernels) {
      Tensor y = Tensor::full(context, dy.shape(), 7);
      kernels.linear(launch, s, x.data<float>(), weight.data<float>(), b, y.data<float>());
      return y;
    };
    check_near(context, forward(own), forward(context.backend()));
  }
  for (const bool accumulate : {false, true}) {
    const auto backward_input = [&](const Backend& kernels) {
      Tensor dx = Tensor::full(context, x.shape(), 5);
      kernels.linear_backward_input(launch, s, weight.data<float>(), dy.data<float>(), dx.data<float>(), accumulate);
      return dx;
    };
    check_near(context, backward_input(own), backward_input(context.backend()));
    const auto backward_weight = [&](const Backend& kernels) {
      Tensor dweight = Tensor::full(context, weight.shape(), 5);
      kernels.linear_backward_weight(launch, s, x.data<float>(), dy.data<float>(), dweight.data<float>(), accumulate);
      return dweight;
    };
    check_near(context, backward_weight(own), backward_weight(context.backend()));
  }
}
