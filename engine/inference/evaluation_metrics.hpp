// What a network's outputs on a data set amount to: how good they are, and what its gates did.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/inference/confusion_matrix.hpp"
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
  double loss = 0;  // mean cross-entropy; of segmentation, the mean over images of the mean over labelled pixels
  double top1 = 0;  // percent; of segmentation, of all labelled pixels
  std::optional<double> top5;                      // percent; nothing for segmentation, and below 6 classes
  std::optional<SegmentationScores> segmentation;  // over the pixels of all images
  double density = 1;                              // share of gates that are on; 1 without gates
  std::vector<double> density_per_layer;
  double macs_mean = 0;  // needed per image
  std::int64_t macs_min = 0, macs_max = 0;
  std::int64_t macs_dense = 0;  // of the same network without gates, mean over the images
  // Density on the tenth of the images with the lowest and the highest loss (at least one image).
  double density_easiest_tenth = 1, density_hardest_tenth = 1;
  // Density on the third of the images that were made easiest and hardest; nothing where the data does not say.
  std::optional<double> density_easy, density_hard;
  // Nothing when gates were not given, or there are none.
  std::optional<GateUse> gate_use;
  std::vector<GateUse> gate_use_per_layer;
};

// What one image came to.
struct ImageResult {
  double loss = 0;
  double accuracy = 0;             // 1 where its class was told, else 0; of segmentation, its share of labelled pixels
  std::optional<double> mean_iou;  // of segmentation, over the classes that occur in it
  double density = 1;
  std::vector<double> density_per_layer;
  std::int64_t macs = 0;
};

// Fed batch by batch. A class is told by the largest logit, the first of equal ones; NaN counts as the largest.
class EvaluationMetrics {
 public:
  // macs outlives the metrics. threads: of the CPU; the result does not depend on them.
  explicit EvaluationMetrics(const nn::MacModel& macs, int threads = 1);

  // Logits [N, classes] with labels i64 [N], or [N, classes, H, W] with [N, H, W], a negative label where a pixel has
  // none; difficulty (data::Example's) of N images, or none. An image may have been given to the network in several
  // windows: output.open and output.gates then have as many rows for each image, one image after the other. Throws
  // ShapeError, and adds nothing, when output and labels do not fit together or to what was added before, or a label is
  // out of range.
  void add(const Output& output, const Tensor& labels, std::span<const float> difficulty = {});
  // The same for a network that is like the first one but for the size of its images.
  void add(const nn::MacModel& macs, const Output& output, const Tensor& labels,
           std::span<const float> difficulty = {});

  std::int64_t images() const { return static_cast<std::int64_t>(images_.size()); }
  // 0 <= index < images(), in the order in which they were added.
  ImageResult image(std::int64_t index) const;
  // Of everything added so far; zeros before the first image.
  Evaluation result() const;

 private:
  struct Image {
    double loss = 0;
    double accuracy = 0;
    bool in_top5 = false;
    double mean_iou = 0;
    std::int64_t open = 0, gates = 0;  // over its windows
    std::int64_t macs = 0, macs_dense = 0;
    float difficulty = 0;  // NaN: unknown
  };
  static double density_of(std::span<const Image> images);
  // Adds what a network tells of one image, to image and confusion_.
  void add_class(std::span<const float> logits, std::int64_t label, Image& image) const;
  void add_pixels(std::int64_t classes, std::span<const float> logits, std::span<const std::int64_t> labels,
                  Image& image);

  const nn::MacModel* macs_;
  int threads_;
  std::vector<Image> images_;
  std::int64_t classes_ = 0;                     // 0: nothing was added
  bool pixels_ = false;                          // segmentation
  ConfusionMatrix confusion_;                    // of segmentation
  std::vector<std::int64_t> open_per_image_;     // [images, layers], over an image's windows
  std::vector<std::int64_t> windows_per_image_;  // [images]
  std::vector<std::int64_t> open_per_gate_;      // over those windows whose gates were given
  std::int64_t windows_with_gates_ = 0;
};

}  // namespace bsg::inference
