// What a network's outputs on a data set amount to: how good they are, and what its gates did.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/inference/plan.hpp"
#include "engine/nn/network.hpp"

namespace bsg::inference {

// Shares of gates: conditional ones are on for more than 1 % and fewer than 99 % of the images; the others do not
// depend on the image, but for exceptions. They add up to 1.
struct GateUse {
  double conditional = 0, always_on = 0, always_off = 0;
};

struct Evaluation {
  std::int64_t images = 0;
  double loss = 0;     // mean cross-entropy
  double top1 = 0;     // percent
  double density = 1;  // share of gates that are on; 1 without gates
  std::vector<double> density_per_layer;
  double macs_mean = 0;  // needed per image
  std::int64_t macs_min = 0, macs_max = 0;
  std::int64_t macs_dense = 0;  // of the same network without gates
  // Density on the tenth of the images with the lowest and the highest loss (at least one image).
  double density_easiest_tenth = 1, density_hardest_tenth = 1;
  // Density on the third of the images that were made easiest and hardest; nothing where the data does not say.
  std::optional<double> density_easy, density_hard;
  // Nothing when gates were not given, or there are none.
  std::optional<GateUse> gate_use;
  std::vector<GateUse> gate_use_per_layer;
};

// Fed batch by batch.
class EvaluationMetrics {
 public:
  // macs outlives the metrics.
  explicit EvaluationMetrics(const nn::MacModel& macs);

  // labels i64 [N]; difficulty (data::Example's) of N images, or none. Throws ShapeError when output and labels do not
  // fit together, or a label is out of range.
  void add(const Output& output, const Tensor& labels, std::span<const float> difficulty = {});

  std::int64_t images() const { return static_cast<std::int64_t>(images_.size()); }
  // Of everything added so far; zeros before the first image.
  Evaluation result() const;

 private:
  struct Image {
    double loss;
    bool right;
    std::int64_t open;  // gates
    std::int64_t macs;
    float difficulty;  // NaN: unknown
  };
  double density_of(std::span<const Image> images) const;

  const nn::MacModel* macs_;
  std::vector<Image> images_;
  std::vector<std::int64_t> open_per_layer_;  // over all images
  std::vector<std::int64_t> open_per_gate_;   // over those images whose gates were given
  std::int64_t images_with_gates_ = 0;
};

}  // namespace bsg::inference
