// Starting from somebody's weights, as --weights asks.
#pragma once

#include <string>

#include "engine/nn/network.hpp"

namespace bsg::tools {

// Takes over what the file has for the network (engine/train/initial_weights.hpp), and prints what keeps its initial
// values: gating modules, and what is made for a set of classes, a classifier or the heads of a PSPNet, where the file
// has none of that shape. Throws DataError for anything else that is missing, extra or of another shape.
void start_from_weights(Context& host, nn::Network& network, const std::string& path);

}  // namespace bsg::tools
