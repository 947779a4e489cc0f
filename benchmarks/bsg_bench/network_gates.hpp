// Networks with gates at a wanted density, and images to run them on.
#pragma once

#include <string>
#include <string_view>

#include "engine/core/random.hpp"
#include "engine/nn/network.hpp"

namespace bsg::bench {

// Images that a gate's threshold is set by.
inline constexpr std::int64_t kImagesToDecide = 64, kLargeImagesToDecide = 16;

// Whether a network's name is one of those for 32x32 images; the others are made for 224x224.
bool takes_small_images(std::string_view arch);
// Classes of the data set that a network is known from: CIFAR-10's 10, ImageNet's 1000, Cityscapes' 19.
int usual_classes(const std::string& arch);

// f32 [count, 3, size, size], each image with a brightness and a contrast of its own: without them all
// would look alike to a gate, which sees means over planes.
Tensor noise_images(Context& context, std::int64_t count, int size, Generator& random);
Tensor first_images(Context& context, const Tensor& images, std::int64_t count);

// Moves the last bias of every gating module so that each gate is on for the share `density` of the images; in a
// network of many gated layers nearly so. The network is on the CPU.
void set_density(Context& context, nn::Network& network, const Tensor& images, double density);

}  // namespace bsg::bench
