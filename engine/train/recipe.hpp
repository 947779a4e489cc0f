// A recipe: everything that decides what a training run computes, read from a TOML file. What may stand in one is the
// table of fields in recipe.cpp: reading, checking and printing all go through it.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bsg::train {

struct Recipe {
  struct Model {
    std::string arch;                // required: "resnet20", "resnet20_bas", ...
    std::int64_t base_channels = 0;  // of the first stage; 0: as the architecture has them
    std::int64_t gate_hidden = 16;   // hidden units of a gating module
    double gate_bias = 0;            // added to the default initial value of fc2.bias: > 0 opens the gates at the start
    double gate_noise = 1;           // scale of the logistic noise in training
    double temperature = 2.0 / 3;    // of the binary concrete distribution
    bool operator==(const Model&) const = default;
  } model;

  struct Data {
    // Of the images that the network takes, and is evaluated on; 0: as the architecture has them.
    std::int64_t image_height = 0, image_width = 0;
    // Classification. In training: pixels around the image before a random crop of its size; 0: no crop.
    std::int64_t crop_padding = 4;
    // Or: a box of crop_scale_min to 1 of the image's area, of a shape from 3:4 to 4:3, resized to the network's size.
    bool random_resized_crop = false;
    double crop_scale_min = 0.08;
    // In evaluation: the shorter side is resized to this before the crop in the middle; 0: to what the crop needs.
    std::int64_t resize = 0;
    // Segmentation, in training: the image is resized by a random factor, then cropped.
    double scale_min = 1, scale_max = 1;
    std::int64_t crop_height = 0, crop_width = 0;  // 0: the image's
    // Strength of random changes of brightness, contrast and saturation in training.
    double color_jitter = 0;
    bool flip = true;                                       // mirror half of the images
    std::array<double, 3> mean = {0.4914, 0.4822, 0.4465};  // of red, green and blue, in 0..1
    std::array<double, 3> std = {0.2023, 0.1994, 0.2010};
    std::int64_t synthetic_train = 10000;  // images of the built-in generator
    std::int64_t synthetic_test = 2000;
    std::int64_t synthetic_seed = 1;
    std::int64_t workers = 1;      // threads that prepare batches
    std::int64_t limit = 0;        // use only so many training images; 0: all
    bool skip_unreadable = false;  // go on with another image where one cannot be read, and count
    bool operator==(const Data&) const = default;
  } data;

  struct Train {
    std::int64_t epochs = 0;  // required
    std::int64_t batch = 128;
    bool drop_last = true;  // leave out the last batch of an epoch when it is smaller
    double label_smoothing = 0;
    // Of the cross-entropy: "none", or "median_frequency": rare classes of a segmentation set weigh more.
    std::string class_weights = "none";
    double auxiliary_weight = 0.4;  // of the auxiliary head's loss, in networks that have one
    // Of activations: "f32", "tf32" or "bf16"; parameters, their gradients and losses stay f32. Not on the CPU but f32.
    std::string precision = "f32";
    std::int64_t eval_batch = 256;
    std::int64_t eval_every = 1;        // epochs
    std::int64_t checkpoint_every = 1;  // epochs
    double max_seconds = 0;             // stop after so long; 0: no limit
    bool operator==(const Train&) const = default;
  } train;

  struct Optimizer {  // SGD
    double lr = 0.1;
    double momentum = 0.9;
    bool nesterov = true;
    double weight_decay = 5e-4;
    double gate_weight_decay = 0;  // of all parameters of gating modules
    double gate_lr_scale = 1;      // their learning rate is lr times this
    bool operator==(const Optimizer&) const = default;
  } optimizer;

  // Learning rate. This schedule and those of the loss weights are functions of the progress in epochs, taken at every
  // step.
  struct Schedule {
    std::string kind = "step";       // "step", "cosine", "poly" or "constant"
    std::vector<double> milestones;  // "step": epochs, ascending, at which lr is multiplied by factor
    double factor = 0.1;
    double power = 0.9;        // "poly": lr is multiplied by (1 - progress)^power
    double warmup_epochs = 0;  // lr rises linearly from 0
    bool operator==(const Schedule&) const = default;
  } schedule;

  // The weight of the batch-shaping loss is gamma until start_epoch and falls linearly to 0 at end_epoch; with
  // end_epoch = 0 the loss is not used.
  struct BatchShaping {
    double gamma = 0.75;
    double a = 0.6, b = 0.4;  // of the prior, Beta(a, b)
    double start_epoch = 0;
    double end_epoch = 0;
    // "batch_mean_gate_sum", "batch_mean_gate_mean", "batch_sum_gate_sum" or "batch_sum_gate_mean"
    std::string normalization = "batch_mean_gate_sum";
    bool operator==(const BatchShaping&) const = default;
  } batch_shaping;

  // The weight of the L0 loss is 0 until start_epoch, rises linearly to rho at end_epoch and stays; equal epochs: at
  // once.
  struct L0 {
    double rho = 0.4;
    double start_epoch = 0;
    double end_epoch = 0;
    bool operator==(const L0&) const = default;
  } l0;

  bool operator==(const Recipe&) const = default;
};

// Reads TOML text, then applies the overrides, "section.key=value" each, where the value is TOML or a bare word (a text
// without quotes). Throws ConfigError, naming the file and line or the override, the key, the value and what was
// expected, for an unknown key (with the nearest known one), a value of the wrong type or out of range, a required key
// that is missing, and values that contradict each other.
Recipe parse_recipe(std::string_view text, const std::string& name_for_errors,
                    std::span<const std::string> overrides = {});
// The same for a file; DataError when there is none.
Recipe read_recipe(const std::string& path, std::span<const std::string> overrides = {});

// Every field, defaults included, as TOML with a comment each; parse_recipe gives an equal recipe back, bit by bit.
std::string to_toml(const Recipe& recipe);

// The keys, "section.key", in which two recipes differ.
std::vector<std::string> differing_keys(const Recipe& a, const Recipe& b);

}  // namespace bsg::train
