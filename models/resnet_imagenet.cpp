#include "models/resnet_imagenet.hpp"

#include "engine/ops/global_average_pool.hpp"

namespace bsg::models {

ImageNetResNet::ImageNetResNet(Context& context, Generator& random, const ImageNetResNetConfig& config)
    : ResNetBackbone(context, random, "ImageNet ResNet", config),
      fc_(add_module("fc", std::make_unique<nn::Linear>(context, random, channels(), config.classes, true))) {
  counted().add_fixed(fc_.weight.value.numel());
  name_tree();
}

Var ImageNetResNet::forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) {
  return fc_.forward(pass, ops::global_average_pool(pass.context, features(pass, images, traces).fourth));
}

void ImageNetResNet::lower(inference::Graph& graph) const { graph.classifier(lower_features(graph).fourth, fc_); }

}  // namespace bsg::models
