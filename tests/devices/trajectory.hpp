// A few training steps of a network on a device, and whether two devices take the same way.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/core/device.hpp"
#include "engine/core/precision.hpp"

namespace bsg::test {

struct Trajectory {
  std::vector<float> logits, gates;  // of every step, one after the other
  std::vector<double> losses;        // of every step
  // Parameters and buffers before, after the first step, and after the last.
  std::map<std::string, std::vector<float>> start, first, state;
};

// Three steps with random images: forward, loss, backward, SGD.
Trajectory train_on(Device device, const std::string& arch, Precision precision = Precision::f32);

// Checks the way of a device against the CPU's.
void check_follows(const Trajectory& got, const Trajectory& expected);

// How far a run in a lower precision may be from the one in f32.
struct Bounds {
  double first_logits;  // distance of the first step's logits, relative to their size
  double losses;        // relative, of every step
  double moves;         // distance of all parameters and buffers after the last step, relative to what they moved
  double first_gates;   // share of the first step's gates that fell to the other side
};

// Checks the way in a lower precision against that in f32 on the same device.
void check_near(const Trajectory& got, const Trajectory& expected, const Bounds& bounds);

}  // namespace bsg::test
