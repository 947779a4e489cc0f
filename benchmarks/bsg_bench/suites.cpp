#include "benchmarks/bsg_bench/suites.hpp"

namespace bsg::bench {
namespace {

void run_gated_conv(Bench& bench) { bench.on_cpu() ? run_gated_conv_on_cpu(bench) : run_gated_conv_on_device(bench); }

constexpr Suite kSuites[] = {
    {"gated_conv", "convolutions of ResNet-20, 18, 34 and 50, gated on outputs, inputs or both", run_gated_conv},
    {"gate", "gating modules: pooled means to lists of channels", run_gate},
    {"batch_shaping", "the batch-shaping loss with its gradient", run_batch_shaping},
    {"conv2d", "the dense convolutions of training and their gradients", run_conv2d},
    {"network", "whole networks by the inference plan, dense and gated", run_network},
    {"training", "training steps and the forward passes in them", run_training},
};

}  // namespace

std::span<const Suite> suites() { return kSuites; }

}  // namespace bsg::bench
