#pragma once

#include <memory>
#include <string>
#include <vector>

#include "data/image_transform.hpp"
#include "engine/nn/network.hpp"
#include "models/registry.hpp"

namespace bsg::tools {

// What is evaluated: a network with its weights, and how its input is made of images.
struct Subject {
  // The network, with the same weights, for images of another size.
  std::unique_ptr<nn::Network> for_size(Context& context, int height, int width) const;

  std::string file, arch;
  models::NetworkConfig config;
  std::unique_ptr<nn::Network> network;
  std::size_t class_count = 0;
  std::vector<std::string> classes;  // names by label; empty when the file does not say
  data::OpenOptions open;            // of the built-in images
  data::ImageTransformOptions transform;
};

// A checkpoint of bsg_train. Throws DataError, naming the file, when it is none, or its parts contradict each other.
Subject subject_of_checkpoint(Context& context, const std::string& path);

// Anyone's weights, by name. The number of classes and the width of the gating modules come from the shapes; the input
// is of the size that the architecture is made for, normalised by CIFAR-10's statistics where that is 32x32, by
// ImageNet's elsewhere. Throws ConfigError for an unknown arch, DataError for a file
// whose tensors are not the network's.
Subject subject_of_weights(Context& context, const std::string& arch, const std::string& path);

}  // namespace bsg::tools
