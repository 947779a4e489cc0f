// Inference plans on a device against the CPU's.
#pragma once

#include "engine/core/device.hpp"
#include "engine/inference/plan.hpp"
#include "models/resnet_cifar.hpp"

namespace bsg::test {

// A network and images that an emulator runs quickly.
models::CifarResNetConfig small_network(bool gated, int blocks = 1);
Tensor images_of(Context& context, const models::CifarResNet& network, std::int64_t batch, std::uint64_t seed = 11);

// To the last bit.
bool same(const inference::Output& a, const inference::Output& b);

// Plain and gated, dense and skipping.
void check_plans(Device device);
// All gates on, all off, one on, some on.
void check_gate_patterns(Device device);
// Images of any size.
void check_image_sizes(Device device);
// tf32 and bf16 near f32.
void check_precisions(Device device);
// Nothing of a run is left for the next one.
void check_nothing_is_left(Device device);
// Images on the host or on the device, the network too.
void check_places(Device device);
// Nothing of a skipped channel is read: NaN in its weights stays there.
void check_skipped_channels(Device device);

}  // namespace bsg::test
