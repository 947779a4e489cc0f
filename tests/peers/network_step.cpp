// One step of a network on given weights, for comparison with another framework:
//   network_step ARCH IN.safetensors OUT.safetensors
// ARCH: a name of the registry, or resnet50_stride8, the classifier on a dilated ResNet-50. IN: images f64, labels i64,
// and the network's state in f64 by its names; the classes and base channels follow from it. OUT, computed in f64 but
// for the first: plan (inference, f32), scores (evaluation); then, of one training step without an update: loss (with
// 0.4 times the auxiliary head's, where there is one), grad/NAME, state/NAME; and mask.head and mask.aux, the channels
// that the heads' dropout kept.
#include <cstdio>
#include <exception>
#include <memory>
#include <string>

#include "engine/core/error.hpp"
#include "engine/core/safetensors.hpp"
#include "engine/inference/plan.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"
#include "engine/train/checkpoint.hpp"
#include "models/pspnet.hpp"
#include "models/registry.hpp"
#include "models/resnet_imagenet.hpp"

namespace bsg {
namespace {

const Tensor& needed(const SafetensorsFile& file, const std::string& name) {
  const Tensor* tensor = file.find(name);
  if (tensor == nullptr) throw_error<DataError>("network_step: no tensor '{}'", name);
  return *tensor;
}

std::unique_ptr<nn::Network> network_of(Context& context, const std::string& arch, const SafetensorsFile& file) {
  const Shape& images = needed(file, "images").shape();
  const bool pixels = arch.starts_with("pspnet");
  const auto extent = [](const Shape& shape, int axis) { return static_cast<int>(shape[axis]); };
  const int classes = extent(needed(file, pixels ? "head.classifier.bias" : "fc.bias").shape(), 0);
  const int base_channels = extent(needed(file, "conv1.weight").shape(), 0);
  if (arch == "resnet50_stride8") {
    Generator random(1);
    const models::ImageNetResNetConfig config{.blocks = {3, 4, 6, 3},
                                              .bottleneck = true,
                                              .classes = classes,
                                              .height = extent(images, 2),
                                              .width = extent(images, 3),
                                              .base_channels = base_channels,
                                              .output_stride = 8};
    return std::make_unique<models::ImageNetResNet>(context, random, config);
  }
  return models::make_network(context,
                              {.arch = arch,
                               .classes = classes,
                               .height = extent(images, 2),
                               .width = extent(images, 3),
                               .base_channels = base_channels},
                              1);
}

// What dropout2d draws first from a context of this seed.
Tensor next_mask(Context& context, Generator& random, std::int64_t samples, std::int64_t channels) {
  Tensor mask = Tensor::zeros(context, {samples, channels}, DType::f64);
  for (double& value : mask.span<double>()) value = random.uniform() < models::ScoreHead::kDropout ? 0 : 1;
  return mask;
}

void run(const std::string& arch, const std::string& in, const std::string& out) {
  constexpr std::uint64_t kSeed = 3;
  Context context({.threads = 2, .seed = kSeed});
  const SafetensorsFile file = read_safetensors(context, in);
  const std::unique_ptr<nn::Network> network = network_of(context, arch, file);
  const Tensor images = needed(file, "images"), labels = needed(file, "labels");
  NamedTensors state, result;
  for (const auto& [name, tensor] : file.tensors)
    if (name != "images" && name != "labels") state.emplace_back(name, tensor);
  train::load_named_tensors(context, network->state(), state, in);

  inference::Plan plan(context, *network);
  result.emplace_back("plan", plan.run(images.cast(context, DType::f32)).logits);
  network->convert(context, DType::f64);
  train::load_named_tensors(context, network->state(), state, in);
  std::vector<nn::GateTrace> traces;
  result.emplace_back("scores", network->forward({context, nullptr, false}, images, traces).value);

  Generator drawn = context.random();
  Tape tape(context);
  const nn::Scores scores = network->scores({context, &tape, true}, images, traces);
  Var loss = ops::softmax_cross_entropy(context, scores.logits, labels);
  if (scores.auxiliary.value.defined()) {
    loss = ops::weighted_sum(context, {loss, ops::softmax_cross_entropy(context, scores.auxiliary, labels)}, {1, 0.4});
    for (const std::string head : {"head", "aux"})
      result.emplace_back("mask." + head,
                          next_mask(context, drawn, images.shape()[0], needed(file, head + ".bn.bias").shape()[0]));
  }
  result.emplace_back("loss", loss.value);
  tape.backward(loss);
  for (const Parameter* parameter : network->parameters())
    result.emplace_back("grad/" + parameter->name, parameter->grad);
  for (const auto& [name, tensor] : network->state()) result.emplace_back("state/" + name, *tensor);
  write_safetensors(out, result);
}

}  // namespace
}  // namespace bsg

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: network_step ARCH IN.safetensors OUT.safetensors\n");
    return 2;
  }
  try {
    bsg::run(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
