#include "tools/bsg_eval/evaluate_pixels.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "data/normalization.hpp"
#include "data/transform.hpp"
#include "engine/core/error.hpp"
#include "engine/ops/argmax_channels.hpp"

namespace bsg::tools {
namespace {

using inference::Execution;
using inference::Output;

struct Size {
  std::int64_t height = 0, width = 0;
  auto operator<=>(const Size&) const = default;
};

// A network that is made for one size.
struct SizedNetwork {
  SizedNetwork(Context& host, Context& context, const Subject& subject, const Size& size, Precision precision)
      : network(subject.for_size(host, static_cast<int>(size.height), static_cast<int>(size.width))),
        plan(context, *network, precision) {}
  std::unique_ptr<nn::Network> network;
  inference::Plan plan;
  std::map<std::pair<Execution, std::int64_t>, bool> ran;  // with so many windows
};

// The networks for the sizes that came last: photographs have few different ones, but any number is possible.
class SizedNetworks {
 public:
  SizedNetworks(Context& host, Context& context, const Subject& subject, Precision precision)
      : host_(host), context_(context), subject_(subject), precision_(precision) {}

  SizedNetwork& of(const Size& size) {
    if (const auto found = networks_.find(size); found != networks_.end()) return *found->second;
    constexpr std::size_t kKept = 4;
    if (networks_.size() >= kKept) networks_.clear();
    return *networks_.emplace(size, std::make_unique<SizedNetwork>(host_, context_, subject_, size, precision_))
                .first->second;
  }

 private:
  Context& host_;
  Context& context_;
  const Subject& subject_;
  Precision precision_;
  std::map<Size, std::unique_ptr<SizedNetwork>> networks_;
};

Tensor normalized(Context& host, const data::Image& image, const data::Normalization& normalization) {
  Tensor tensor = Tensor::empty(host, {1, 3, image.height, image.width});
  const std::size_t pixels = image.pixels.size() / 3;
  const std::span<float> to = tensor.span<float>();
  for (std::size_t channel = 0; channel < 3; ++channel)
    for (std::size_t i = 0; i < pixels; ++i)
      to[channel * pixels + i] = normalization[channel][image.pixels[3 * i + channel]];
  return tensor;
}

Tensor labels_of(Context& host, const data::LabelMap& annotation) {
  Tensor tensor = Tensor::empty(host, {1, annotation.height, annotation.width}, DType::i64);
  std::ranges::transform(annotation.labels, tensor.span<std::int64_t>().begin(), [](std::uint8_t label) {
    return label == data::LabelMap::kIgnored ? data::kNoLabel : std::int64_t{label};
  });
  return tensor;
}

// Rows [begin, end) of a tensor of the host.
Tensor rows_of(Context& host, const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  if (begin == 0 && end == tensor.shape()[0]) return tensor;
  std::vector<std::int64_t> extents(tensor.shape().extents().begin(), tensor.shape().extents().end());
  const std::size_t row = tensor.bytes() / static_cast<std::size_t>(extents[0]);
  extents[0] = end - begin;
  Tensor part = Tensor::empty(host, Shape(extents), tensor.dtype());
  std::copy_n(static_cast<const std::byte*>(tensor.raw()) + static_cast<std::size_t>(begin) * row, part.bytes(),
              static_cast<std::byte*>(part.raw()));
  return part;
}

// Tensors of the host, one below the other.
Tensor joined(Context& host, const std::vector<Tensor>& parts) {
  if (parts.size() == 1) return parts.front();
  std::vector<std::int64_t> extents(parts[0].shape().extents().begin(), parts[0].shape().extents().end());
  extents[0] = 0;
  for (const Tensor& part : parts) extents[0] += part.shape()[0];
  Tensor all = Tensor::empty(host, Shape(extents), parts[0].dtype());
  auto* to = static_cast<std::byte*>(all.raw());
  for (const Tensor& part : parts) to = std::copy_n(static_cast<const std::byte*>(part.raw()), part.bytes(), to);
  return all;
}

// All windows of an image through one execution, no more than `batch` at once.
Output run_windows(Context& host, Context& context, ExecutionRun& run, Execution execution, SizedNetwork& network,
                   const Tensor& windows, std::int64_t batch) {
  std::vector<Tensor> logits, open, gates;
  double seconds = 0;
  for (std::int64_t begin = 0; begin < windows.shape()[0]; begin += batch) {
    const std::int64_t end = std::min(begin + batch, windows.shape()[0]);
    const Tensor there = brought_to(context, rows_of(host, windows, begin, end));
    const bool fresh = !std::exchange(network.ran[{execution, end - begin}], true);
    Output output = run.run(network.plan, there, fresh, seconds);
    logits.push_back(output.logits);
    open.push_back(output.open);
    gates.push_back(output.gates);
  }
  run.add_time(seconds, 1, true);
  return {joined(host, logits), joined(host, open), joined(host, gates)};
}

}  // namespace

Report evaluate_pixels(Context& context, const Subject& subject, const data::Dataset& dataset,
                       const EvaluateOptions& options,
                       const std::function<void(std::int64_t, std::int64_t)>& progress) {
  const nn::MacModel& macs = subject.network->macs();
  Context host({.threads = context.threads()});
  SizedNetworks networks(host, context, subject, options.precision);
  ExecutionRun dense(host, macs, Execution::dense), gated(host, macs, Execution::gated);
  const data::Normalization normalization = data::make_normalization(subject.transform.mean, subject.transform.std);
  Report report;
  for (std::int64_t index = 0; index < dataset.size(); ++index) {
    const data::Example example = dataset.get(index);
    const Size size{example.image.height, example.image.width};
    if (example.annotation.height != size.height || example.annotation.width != size.width)
      throw_error<DataError>("{}: {} x {} pixels with an annotation of {} x {}", dataset.source(index), size.height,
                             size.width, example.annotation.height, example.annotation.width);
    const Tensor labels = labels_of(host, example.annotation);
    const inference::WindowOptions seen =
        options.windows.value_or(inference::WindowOptions{.height = size.height, .width = size.width});
    SizedNetwork& network = networks.of({seen.height, seen.width});
    const inference::Windows windows(size.height, size.width, seen);
    const Tensor image = normalized(host, example.image, normalization);
    const Tensor cut = options.windows ? windows.cut(host, image) : image;
    Output from_dense, from_gated;
    for (const bool first : {true, false}) {
      const bool dense_now = first == (index % 2 == 0);
      if (dense_now && options.dense)
        from_dense = run_windows(host, context, dense, Execution::dense, network, cut, options.batch);
      if (!dense_now && options.gated)
        from_gated = run_windows(host, context, gated, Execution::gated, network, cut, options.batch);
    }
    if (options.dense && options.gated)
      keep_largest(report.max_abs_difference, largest_difference(from_dense.logits, from_gated.logits));
    for (const bool dense_now : {true, false}) {
      if (!(dense_now ? options.dense : options.gated)) continue;
      Output& output = dense_now ? from_dense : from_gated;
      if (options.windows) output.logits = windows.merge(host, output.logits);
      (dense_now ? dense : gated).metrics().add(network.network->macs(), output, labels);
    }
    if (std::ranges::binary_search(options.shown, index)) {
      const Output& output = options.gated ? from_gated : from_dense;
      const Tensor classes = ops::argmax_channels(host, output.logits);
      options.show(index, example, classes.span<std::int32_t>());
    }
    progress(index + 1, dataset.size());
  }
  if (options.dense) report.dense = dense.report();
  if (options.gated) report.gated = gated.report();
  const inference::EvaluationMetrics& metrics = (options.gated ? gated : dense).metrics();
  report.evaluation = metrics.result();
  for (std::int64_t index = 0; index < metrics.images(); ++index) report.images.push_back(metrics.image(index));
  return report;
}

}  // namespace bsg::tools
