// A trained network and images for it, both named by the command line.
#pragma once

#include "benchmarks/bsg_bench/options.hpp"
#include "engine/core/tensor.hpp"
#include "engine/nn/network.hpp"
#include "tools/bsg_eval/subject.hpp"

namespace bsg::bench {

class Recorded {
 public:
  // Reads the checkpoint. The context is the host's and outlives this.
  Recorded(Context& host, const Options& options);

  nn::Network& network() const { return *subject_.network; }
  const std::string& arch() const { return subject_.arch; }
  // The first test images of each class in turn, normalised. Throws DataError when there are fewer.
  Tensor images(std::int64_t batch) const;

 private:
  Context& host_;
  std::string data_;
  tools::Subject subject_;
};

}  // namespace bsg::bench
