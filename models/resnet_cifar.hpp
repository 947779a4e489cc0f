// ResNets for 32x32 images (He et al. 2016, section 4.2): 6n + 2 layers, three stages of n basic blocks with 16, 32 and
// 64 channels, parameter-free shortcuts ("option A"). Plain, or with a gating module in every block (BAS).
#pragma once

#include <string>
#include <vector>

#include "engine/nn/layers.hpp"
#include "engine/nn/network.hpp"
#include "models/basic_block.hpp"
#include "models/gating.hpp"

namespace bsg::models {

struct CifarResNetConfig {
  int blocks_per_stage = 3;  // 3: ResNet-20, 5: -32, 7: -44, 9: -56, 18: -110
  int classes = 10;
  bool gated = false;
  int height = 32, width = 32;  // of the images, for the MAC accounting
  GateConfig gate = {};
};

// Parameters: conv1.weight, bn1.*, layer{1,2,3}.{0..n-1}.{conv1.weight, bn1.*, conv2.weight, bn2.*, gate.*}, linear.*
class CifarResNet : public nn::Network {
 public:
  // Initial values come from `random` alone.
  CifarResNet(Context& context, Generator& random, const CifarResNetConfig& config);

  Var forward(const nn::Pass& pass, const Var& images, std::vector<nn::GateTrace>& traces) override;
  const nn::MacModel& macs() const override { return macs_; }
  void lower(inference::Graph& graph) const override;
  const CifarResNetConfig& config() const { return config_; }
  const std::vector<BasicBlock*>& blocks() const { return blocks_; }

  nn::Conv2d& conv1;
  nn::BatchNorm& bn1;

 private:
  CifarResNetConfig config_;
  std::vector<BasicBlock*> blocks_;
  nn::Linear* linear_ = nullptr;
  nn::MacModel macs_;

 public:
  const nn::Linear& linear() const { return *linear_; }
};

}  // namespace bsg::models
