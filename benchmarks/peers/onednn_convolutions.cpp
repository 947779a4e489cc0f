// oneDNN's convolutions beside ours, in turns, on the three shapes that make up ResNet-20: what a dependency would buy.
// Blocked: oneDNN chooses its layouts; channels last: activations in that order, as PyTorch's better layout; reorders
// not counted in either. Planes: blocked, with the reorders from and to our layout, channel planes, that a caller pays
// who keeps it. Built with -DBSG_ONEDNN_PEER=ON (Debian: libdnnl-dev).
#include <algorithm>
#include <ctime>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <omp.h>

#include "engine/core/tensor.hpp"
#include "kernels/conv2d/conv2d.hpp"

namespace {

using namespace bsg;
using Tag = dnnl::memory::format_tag;

struct Layer {
  std::int64_t channels, size;
};
constexpr Layer kLayers[] = {{16, 32}, {32, 16}, {64, 8}};
constexpr const char* kPasses[] = {"forward", "gradient of x", "gradient of w"};

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Competitor {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds;
};

Tensor noise(Context& context, std::int64_t count) {
  Tensor tensor = Tensor::empty(context, {count});
  for (float& value : tensor.span<float>()) value = static_cast<float>(context.random().normal());
  return tensor;
}

// One of oneDNN's three passes on plain arrays; reorders are part of run_planes only. All memory is from our allocator,
// which asks for large pages.
class OneDnn {
 public:
  // activations: any (oneDNN's choice) or nhwc.
  OneDnn(Context& context, const Layer& shape, std::int64_t batch, int pass, Tag activations, float* x, float* w,
         float* y)
      : stream_(engine_) {
    const dnnl::memory::dims data = {batch, shape.channels, shape.size, shape.size};
    const dnnl::memory::dims weight = {shape.channels, shape.channels, 3, 3}, one = {1, 1};
    const dnnl::memory::desc planes(data, dnnl::memory::data_type::f32, activations);
    const dnnl::memory::desc weights(weight, dnnl::memory::data_type::f32, Tag::any);
    const dnnl::convolution_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, planes, weights, planes, one, one,
         one},
        engine_);
    const auto plain = [&](const dnnl::memory::dims& dims, Tag tag, float* values) {
      return dnnl::memory({dims, dnnl::memory::data_type::f32, tag}, engine_, values);
    };
    plain_ = {plain(data, Tag::nchw, x), plain(weight, Tag::oihw, w), plain(data, Tag::nchw, y)};
    if (pass == 0) {
      set(context, dnnl::convolution_forward(forward), {forward.src_desc(), forward.weights_desc(), forward.dst_desc()},
          2, {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST});
    } else if (pass == 1) {
      const dnnl::convolution_backward_data::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, planes, weights, planes, one, one, one}, engine_, forward);
      set(context, dnnl::convolution_backward_data(backward),
          {backward.diff_src_desc(), backward.weights_desc(), backward.diff_dst_desc()}, 0,
          {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST});
    } else {
      const dnnl::convolution_backward_weights::primitive_desc backward(
          {dnnl::algorithm::convolution_direct, planes, weights, planes, one, one, one}, engine_, forward);
      set(context, dnnl::convolution_backward_weights(backward),
          {backward.src_desc(), backward.diff_weights_desc(), backward.diff_dst_desc()}, 1,
          {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST});
    }
    for (std::size_t i = 0; i < 3; ++i) reorder(plain_[i], own_[i]);
    stream_.wait();
  }

  void run_as_is() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }
  void run_planes() {
    for (std::size_t i = 0; i < 3; ++i)
      if (i != result_) reorder(plain_[i], own_[i]);
    primitive_.execute(stream_, arguments_);
    reorder(own_[result_], plain_[result_]);
    stream_.wait();
  }

 private:
  void set(Context& context, const dnnl::primitive& primitive, const std::vector<dnnl::memory::desc>& layouts,
           std::size_t result, const std::vector<int>& names) {
    primitive_ = primitive;
    result_ = result;
    for (std::size_t i = 0; i < 3; ++i) {
      arrays_.push_back(Tensor::empty(context, {static_cast<std::int64_t>(layouts[i].get_size())}, DType::u8));
      own_.emplace_back(layouts[i], engine_, arrays_.back().raw());
      arguments_.emplace(names[i], own_[i]);
    }
  }
  void reorder(dnnl::memory& from, dnnl::memory& to) { dnnl::reorder(from, to).execute(stream_, from, to); }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_;
  std::vector<Tensor> arrays_;
  std::vector<dnnl::memory> plain_, own_;  // x, w, y or their gradients
  std::size_t result_ = 0;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void compare(const Layer& s, int pass, std::int64_t batch, int threads, int rounds) {
  kernels::Conv2dShape shape;
  shape.batch = batch;
  shape.channels = shape.outputs = s.channels;
  shape.height = shape.width = s.size;
  shape.kernel_height = shape.kernel_width = 3;
  shape.padding = 1;
  const std::int64_t elements = batch * s.channels * s.size * s.size;
  Context context({.threads = threads});
  Tensor x_tensor = noise(context, elements), w_tensor = noise(context, shape.weights()),
         y_tensor = noise(context, elements);
  Tensor workspace_tensor = Tensor::empty(context, {kernels::cpu::conv2d_workspace(shape, threads)});
  float *const x = x_tensor.data<float>(), *const w = w_tensor.data<float>(), *const y = y_tensor.data<float>(),
               *const workspace = workspace_tensor.data<float>();
  const float* none = nullptr;
  const auto ours = [&] {
    if (pass == 0) kernels::cpu::conv2d_forward<float>(context.launch(), shape, x, w, none, none, none, y, workspace);
    if (pass == 1) kernels::cpu::conv2d_backward_input<float>(context.launch(), shape, w, y, none, x, false, workspace);
    if (pass == 2)
      kernels::cpu::conv2d_backward_weight<float>(context.launch(), shape, x, y, none, none, w, false, workspace);
  };
  OneDnn blocked(context, s, batch, pass, Tag::any, x, w, y);
  OneDnn channels_last(context, s, batch, pass, Tag::nhwc, x, w, y);
  std::vector<Competitor> competitors = {{"ours", ours, {}},
                                         {"oneDNN, blocked", [&] { blocked.run_as_is(); }, {}},
                                         {"oneDNN, channels last", [&] { channels_last.run_as_is(); }, {}},
                                         {"oneDNN, planes", [&] { blocked.run_planes(); }, {}}};
  // One thread's own processor time means something on a loaded machine too; several threads need the wall clock.
  const clockid_t clock = threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  for (Competitor& competitor : competitors) competitor.run();
  for (int round = 0; round < rounds; ++round)
    for (Competitor& competitor : competitors) {
      const double start = now(clock);
      competitor.run();
      competitor.seconds.push_back(now(clock) - start);
    }
  const double flops = 2.0 * static_cast<double>(batch * shape.weights() * s.size * s.size);
  fmt::print("| {:>2} x {:>2}x{:<2} | {:<13} |", s.channels, s.size, s.size, kPasses[pass]);
  for (const Competitor& competitor : competitors)
    fmt::print(" {:.0f} ({:.0f}) |",
               1e-9 * flops / *std::min_element(competitor.seconds.begin(), competitor.seconds.end()),
               1e-9 * flops / median(competitor.seconds));
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  int threads = 2, rounds = 20;
  std::int64_t batch = 128;
  CLI::App app("oneDNN's convolutions beside ours: GFLOP/s of the definition's work, best (median).");
  app.add_option("--threads", threads, "CPU threads")->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--rounds", rounds, "Runs of each, in turn")->check(CLI::Range(1, 100000))->capture_default_str();
  app.add_option("--batch", batch, "Images")->check(CLI::Range(1, 65536))->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  omp_set_num_threads(threads);
  fmt::print("{} threads, batch {}, {}\n\n", threads, batch, threads == 1 ? "processor time" : "wall clock");
  fmt::print(
      "| shape | pass | ours | oneDNN, blocked | oneDNN, channels last | oneDNN, planes |\n| --- | --- | --- | --- | "
      "--- | --- |\n");
  for (const Layer& layer : kLayers)
    for (const int pass : {0, 1, 2}) compare(layer, pass, batch, threads, rounds);
  return 0;
}
