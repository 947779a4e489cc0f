// A gated convolution by its definition, in double, at a few places: what benchmarks are checked against before they
// are timed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "benchmarks/bsg_bench/conv_layers.hpp"
#include "engine/core/random.hpp"

namespace bsg::bench {

// One sample: x [inputs][size][size], weight [outputs][inputs][kernel][kernel], bias [outputs], residual null or
// [outputs][out_size][out_size].
struct ConvSample {
  const ConvLayer& layer;
  const std::vector<float>& x;
  const std::vector<float>& weight;
  const std::vector<float>& bias;
  const std::vector<float>* residual = nullptr;
  bool relu = true;
};

// Compares result(k, i, j), y of output channel k at row i, column j, with the definition for every channel of
// `outputs`: in the corners and at places drawn from `random`. The error may be `tolerance` times the sum of the
// products' magnitudes. Throws NumericError, naming `what`, for a larger one.
void check_conv(const std::string& what, const ConvSample& sample, const std::vector<std::int32_t>& inputs,
                const std::vector<std::int32_t>& outputs, double tolerance, Generator random,
                const std::function<double(std::int64_t k, std::int64_t i, std::int64_t j)>& result);

std::vector<float> normal_values(std::int64_t count, double scale, Generator& random);

}  // namespace bsg::bench
