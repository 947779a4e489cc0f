#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/nn/module.hpp"

namespace bsg::models {

// A stage is a module of its own only for the names' sake: layer1.0, layer1.1, ...
template <class Block>
struct Stage : nn::Module {
  Block& add(int index, std::unique_ptr<Block> block) { return add_module(std::to_string(index), std::move(block)); }
};

}  // namespace bsg::models
