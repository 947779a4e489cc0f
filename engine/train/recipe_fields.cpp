#include "engine/train/recipe_fields.hpp"

#include "kernels/batch_shaping/batch_shaping.hpp"

namespace bsg::train {

std::vector<Field> fields_of(Recipe& r) {
  auto& m = r.model;
  auto& d = r.data;
  auto& t = r.train;
  auto& o = r.optimizer;
  auto& s = r.schedule;
  auto& b = r.batch_shaping;
  const Range count = {1, 1e9}, epochs = {0, 1e6}, positive = {0, 100, true};
  const Range beta = {0, kernels::BetaDistribution::kLargest, true};
  return {
      {"model", "arch", "network: resnet20, resnet20_bas, ...", &m.arch, {}, {}, true},
      {"model", "base_channels", "of the first stage; 0: the arch's", &m.base_channels, {0, 1024}},
      {"model", "gate_hidden", "hidden units of a gating module", &m.gate_hidden, {1, 4096}},
      {"model", "gate_bias", "added to the initial fc2.bias", &m.gate_bias, {-100, 100}},
      {"model", "gate_noise", "scale of the noise in training", &m.gate_noise, {0, 100}},
      {"model", "temperature", "of the binary concrete distribution", &m.temperature, positive},
      {"data", "image_height", "that the network takes; 0: the arch's", &d.image_height, {0, 16384}},
      {"data", "image_width", "that the network takes; 0: the arch's", &d.image_width, {0, 16384}},
      {"data", "crop_padding", "pixels around the random crop; 0: none", &d.crop_padding, {0, 64}},
      {"data", "random_resized_crop", "a random box of the image, resized", &d.random_resized_crop},
      {"data", "crop_scale_min", "least share of the image in the box", &d.crop_scale_min, {0, 1, true}},
      {"data", "resize", "shorter side in evaluation; 0: to fit", &d.resize, {0, 16384}},
      {"data", "scale_min", "segmentation: of a random resize", &d.scale_min, {0.01, 100}},
      {"data", "scale_max", "segmentation: of a random resize", &d.scale_max, {0.01, 100}},
      {"data", "crop_height", "segmentation: in training; 0: no crop", &d.crop_height, {0, 16384}},
      {"data", "crop_width", "segmentation: in training; 0: no crop", &d.crop_width, {0, 16384}},
      {"data", "color_jitter", "brightness, contrast and saturation", &d.color_jitter, {0, 1}},
      {"data", "flip", "mirror half of the images", &d.flip},
      {"data", "mean", "of red, green and blue", &d.mean, {0, 1}},
      {"data", "std", "of red, green and blue", &d.std, {0, 10, true}},
      {"data", "synthetic_train", "training images of the generator", &d.synthetic_train, {1, 1e7}},
      {"data", "synthetic_test", "test images of the generator", &d.synthetic_test, {1, 1e7}},
      {"data", "synthetic_seed", "of the generator", &d.synthetic_seed, {0, 1e15}},
      {"data", "workers", "threads that prepare batches", &d.workers, {1, 256}},
      {"data", "limit", "training images used; 0: all", &d.limit, {0, 1e9}},
      {"data", "skip_unreadable", "go on where an image cannot be read", &d.skip_unreadable},
      {"train", "epochs", "length of the run", &t.epochs, {1, 1e6}, {}, true},
      {"train", "batch", "images per step", &t.batch, {1, 65536}},
      {"train", "drop_last", "leave out a smaller last batch", &t.drop_last},
      {"train", "label_smoothing", "of the cross-entropy", &t.label_smoothing, {0, 1, false, true}},
      {"train", "class_weights", "none or median_frequency", &t.class_weights, {}, {"none", "median_frequency"}},
      {"train", "auxiliary_weight", "of the auxiliary head's loss", &t.auxiliary_weight, {0, 100}},
      {"train", "precision", "f32, tf32 or bf16", &t.precision, {}, {"f32", "tf32", "bf16"}},
      {"train", "eval_batch", "images per evaluation batch", &t.eval_batch, {1, 65536}},
      {"train", "eval_every", "epochs between evaluations", &t.eval_every, count},
      {"train", "checkpoint_every", "epochs between checkpoints", &t.checkpoint_every, count},
      {"train", "max_seconds", "stop after so long; 0: no limit", &t.max_seconds, {0, 1e9}},
      {"optimizer", "lr", "learning rate", &o.lr, {0, 1000}},
      {"optimizer", "momentum", "of SGD", &o.momentum, {0, 1, false, true}},
      {"optimizer", "nesterov", "Nesterov's form of momentum", &o.nesterov},
      {"optimizer", "weight_decay", "of all but the gating modules", &o.weight_decay, {0, 1}},
      {"optimizer", "gate_weight_decay", "of the gating modules", &o.gate_weight_decay, {0, 1}},
      {"optimizer", "gate_lr_scale", "their learning rate is lr times this", &o.gate_lr_scale, {0, 1000}},
      {"schedule", "kind", "step, cosine, poly or constant", &s.kind, {}, {"step", "cosine", "poly", "constant"}},
      {"schedule", "milestones", "step: epochs at which lr falls", &s.milestones, epochs},
      {"schedule", "factor", "step: lr is multiplied by this", &s.factor, {0, 1, true}},
      {"schedule", "power", "poly: of the share of the run to come", &s.power, {0, 100, true}},
      {"schedule", "warmup_epochs", "lr rises from 0 for so long", &s.warmup_epochs, epochs},
      {"batch_shaping", "gamma", "weight of the loss at the start", &b.gamma, {0, 1e6}},
      {"batch_shaping", "a", "of the prior Beta(a, b)", &b.a, beta},
      {"batch_shaping", "b", "of the prior Beta(a, b)", &b.b, beta},
      {"batch_shaping", "start_epoch", "gamma is constant until here", &b.start_epoch, epochs},
      {"batch_shaping", "end_epoch", "and falls to 0 here; 0: not used", &b.end_epoch, epochs},
      {"batch_shaping",
       "normalization",
       "over batch and gates",
       &b.normalization,
       {},
       {"batch_mean_gate_sum", "batch_mean_gate_mean", "batch_sum_gate_sum", "batch_sum_gate_mean"}},
      {"l0", "rho", "final weight of the loss", &r.l0.rho, {0, 1e6}},
      {"l0", "start_epoch", "the weight is 0 until here", &r.l0.start_epoch, epochs},
      {"l0", "end_epoch", "and reaches rho here", &r.l0.end_epoch, epochs},
  };
}

}  // namespace bsg::train
