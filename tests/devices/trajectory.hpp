// A few training steps of a network on a device, and whether two devices take the same way.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/core/device.hpp"

namespace bsg::test {

struct Trajectory {
  std::vector<float> logits, gates;  // of every step, one after the other
  std::vector<double> losses;        // of every step
  // Parameters and buffers before, after the first step, and after the last.
  std::map<std::string, std::vector<float>> start, first, state;
};

// Three steps with random images: forward, loss, backward, SGD.
Trajectory train_on(Device device, const std::string& arch);

// Checks the way of a device against the CPU's.
void check_follows(const Trajectory& got, const Trajectory& expected);

}  // namespace bsg::test
