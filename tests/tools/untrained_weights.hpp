#pragma once

#include <string>

#include "engine/core/safetensors.hpp"
#include "models/registry.hpp"
#include "tests/support/temporary_folder.hpp"

namespace bsg::test {

// The state of a network that was just made, as a file in the folder.
inline std::string untrained_weights(const TemporaryFolder& folder, const std::string& arch, int classes) {
  Context context;
  const int size = models::image_size(arch);
  const auto network =
      models::make_network(context, {.arch = arch, .classes = classes, .height = size, .width = size}, 5);
  NamedTensors tensors;
  for (const auto& [name, tensor] : network->state()) tensors.emplace_back(name, *tensor);
  write_safetensors(folder / (arch + ".safetensors"), tensors);
  return folder / (arch + ".safetensors");
}

}  // namespace bsg::test
