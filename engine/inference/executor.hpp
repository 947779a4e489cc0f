// What runs a plan on one kind of device.
#pragma once

#include <cstddef>
#include <memory>

#include "engine/core/precision.hpp"
#include "engine/inference/graph.hpp"
#include "engine/inference/plan.hpp"

namespace bsg::inference {

class Executor {
 public:
  virtual ~Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // images fit the graph, and lie on any device.
  virtual Output run(const Tensor& images, const RunOptions& options) = 0;
  virtual std::size_t bytes() const = 0;

 protected:
  Executor() = default;
};

// The context outlives the executor.
std::unique_ptr<Executor> make_cpu_executor(Context& context, const Graph& graph);
std::unique_ptr<Executor> make_device_executor(Context& context, const Graph& graph, Precision precision);

}  // namespace bsg::inference
