#include "kernels/simt/emulator/capture.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/queue.hpp"
#include "kernels/simt/graph.hpp"

namespace bsg::simt {
namespace {

using Work = std::vector<std::function<void()>>;

struct Graph {
  std::shared_ptr<Work> work = std::make_shared<Work>();  // lives as long as a launch of it waits
};

struct Capture {
  const void* stream = nullptr;
  std::unique_ptr<Graph> graph;  // null: nothing is recorded
};
thread_local Capture capture;

}  // namespace

namespace emulator {

bool capturing(const void* stream) { return capture.graph != nullptr && capture.stream == stream; }
void record(std::function<void()> work) { capture.graph->work->push_back(std::move(work)); }

void refuse_capture(const char* call) {
  if (capture.graph != nullptr) throw EmulationError(std::string(call) + ": called while a stream is being captured");
}

}  // namespace emulator

void begin_capture(void* stream) {
  if (stream == nullptr) throw EmulationError("begin_capture: the default stream cannot be captured");
  emulator::refuse_capture("begin_capture");
  capture = {stream, std::make_unique<Graph>()};
}

void* end_capture(void* stream) {
  if (!emulator::capturing(stream)) throw EmulationError("end_capture: the stream is not being captured");
  return std::exchange(capture, {}).graph.release();
}

void launch_graph(void* graph, void* stream) {
  emulator::refuse_capture("launch_graph");
  emulator::submit(stream, [recorded = static_cast<const Graph*>(graph)->work] {
    for (const std::function<void()>& work : *recorded) work();
  });
}

void destroy_graph(void* graph) { delete static_cast<Graph*>(graph); }

}  // namespace bsg::simt
