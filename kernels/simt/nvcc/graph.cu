// graph.hpp on the CUDA runtime: a graph is a cudaGraphExec_t.
#include <cuda_runtime_api.h>
#include <string>

#include "kernels/simt/graph.hpp"
#include "kernels/simt/runtime.hpp"

namespace bsg::simt {
namespace {

void check(cudaError_t error, const char* call) {
  if (error != cudaSuccess) throw RuntimeError(std::string(call) + ": " + cudaGetErrorString(error));
}

cudaStream_t of(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaGraphExec_t graph_of(void* graph) { return static_cast<cudaGraphExec_t>(graph); }

}  // namespace

void begin_capture(void* stream) {
  // What other threads do meanwhile is their business.
  check(cudaStreamBeginCapture(of(stream), cudaStreamCaptureModeThreadLocal), "begin_capture");
}

void* end_capture(void* stream) {
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(of(stream), &recorded), "end_capture");
  cudaGraphExec_t graph = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&graph, recorded, 0);
  cudaGraphDestroy(recorded);
  check(error, "end_capture");
  return graph;
}

void launch_graph(void* graph, void* stream) { check(cudaGraphLaunch(graph_of(graph), of(stream)), "launch_graph"); }

void destroy_graph(void* graph) {
  if (graph != nullptr) cudaGraphExecDestroy(graph_of(graph));
}

}  // namespace bsg::simt
