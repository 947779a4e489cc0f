#include "engine/inference/graph.hpp"

#include "engine/core/error.hpp"
#include "engine/inference/fold.hpp"

namespace bsg::inference {
namespace {

Graph::Product transposed(const std::vector<float>& weight, std::vector<float> bias, std::int64_t inputs) {
  Graph::Product product{inputs, static_cast<std::int64_t>(bias.size()), {}, std::move(bias)};
  for (std::int64_t i = 0; i < product.inputs; ++i)
    for (std::int64_t o = 0; o < product.outputs; ++o)
      product.weight.push_back(weight[static_cast<std::size_t>(o * product.inputs + i)]);
  return product;
}

Graph::Product product_of(const nn::Linear& linear) {
  const Shape& shape = linear.weight.value.shape();
  return transposed(
      values_of(linear.weight.value),
      linear.bias != nullptr ? values_of(linear.bias->value) : std::vector<float>(static_cast<std::size_t>(shape[0])),
      shape[1]);
}

std::string text(const Graph::ValueShape& shape) { return Shape{shape.channels, shape.height, shape.width}.str(); }

}  // namespace

void Graph::check_value(const char* node, Value value) const {
  if (value.index < 0 || static_cast<std::size_t>(value.index) >= values_.size())
    throw_error<ShapeError>("inference graph: {}: value {} of {}", node, value.index, values_.size());
}

void Graph::check_product(const char* node, Value x, const nn::Linear& linear) const {
  check_value(node, x);
  if (linear.weight.value.shape()[1] != shape(x).channels)
    throw_error<ShapeError>("inference graph: {}: weight {} for the {} channels of x {}", node,
                            linear.weight.value.shape().str(), shape(x).channels, text(shape(x)));
  // Means are taken where a result is written, over channels that are always there.
  if (!value_summed_[static_cast<std::size_t>(x.index)] || value_gates_[static_cast<std::size_t>(x.index)])
    throw_error<ShapeError>("inference graph: {}: x must be the result of a convolution or a pool that is not gated",
                            node);
}

void Graph::check_open_value(const char* node, Value value) const {
  check_value(node, value);
  if (value_gates_[static_cast<std::size_t>(value.index)])
    throw_error<ShapeError>("inference graph: {}: x {} is gated", node, text(shape(value)));
}

void Graph::check_first_output(const char* node) const {
  if (classes_ != 0) throw_error<ShapeError>("inference graph: {}: there is an output already", node);
}

Value Graph::add_value(const ValueShape& shape, std::optional<Gate> gate, bool summed) {
  values_.push_back(shape);
  value_gates_.push_back(gate);
  value_summed_.push_back(summed);
  return {static_cast<int>(values_.size()) - 1};
}

Value Graph::image(std::int64_t channels, std::int64_t height, std::int64_t width) {
  if (!values_.empty()) throw_error<ShapeError>("inference graph: image: there is one already");
  if (channels < 1 || height < 1 || width < 1)
    throw_error<ShapeError>("inference graph: image: {} channels of {}x{}, all must be at least 1", channels, height,
                            width);
  return add_value({channels, height, width}, std::nullopt, false);
}

Value Graph::convolution(Value x, const nn::Conv2d& conv, const nn::BatchNorm& norm,
                         const ConvolutionOptions& options) {
  return add_convolution(x, conv, &norm, options);
}

Value Graph::convolution(Value x, const nn::Conv2d& conv, const ConvolutionOptions& options) {
  return add_convolution(x, conv, nullptr, options);
}

Value Graph::add_convolution(Value x, const nn::Conv2d& conv, const nn::BatchNorm* norm,
                             const ConvolutionOptions& options) {
  check_value("convolution", x);
  const Shape& weight = conv.weight.value.shape();
  const auto fail = [&](const std::string& what) {
    throw_error<ShapeError>("inference graph: convolution: {} (x {}, weight {})", what, text(shape(x)), weight.str());
  };
  if (weight[1] != shape(x).channels) fail("x and weight differ in their input channels");
  const auto gate_fits = [&](const std::optional<Gate>& gate, std::int64_t channels) {
    return !gate || (gate->index >= 0 && static_cast<std::size_t>(gate->index) < gates_.size() &&
                     gates_[static_cast<std::size_t>(gate->index)] == channels);
  };
  if (!gate_fits(options.output_gate, weight[0])) fail("the output gate has another number of channels");
  if (options.input_gate != value_gates_[static_cast<std::size_t>(x.index)])
    fail("the input gate is not the one that x was computed with");

  Convolution node{.x = x,
                   .kernel_height = weight[2],
                   .kernel_width = weight[3],
                   .stride = conv.options.stride,
                   .padding = conv.options.padding,
                   .dilation = conv.options.dilation,
                   .options = options};
  const auto out = [&](std::int64_t extent, std::int64_t kernel) {
    const std::int64_t room = extent + 2 * node.padding - node.dilation * (kernel - 1) - 1;
    if (room < 0) fail("the kernel is larger than the padded input");
    return room / node.stride + 1;
  };
  const ValueShape result{weight[0], out(shape(x).height, weight[2]), out(shape(x).width, weight[3])};
  if (options.residual) {
    check_value("convolution: residual", *options.residual);
    const ValueShape& residual = shape(*options.residual);
    const std::int64_t stride = options.residual_stride;
    if (stride < 1 || residual.channels > result.channels || (residual.height - 1) / stride + 1 != result.height ||
        (residual.width - 1) / stride + 1 != result.width)
      fail(fmt::format("the residual {} with stride {} does not fit the result {}", text(residual), stride,
                       text(result)));
    if (value_gates_[static_cast<std::size_t>(options.residual->index)]) fail("the residual is gated");
    if (options.residual == x) fail("x cannot be its own residual");
  }
  // fold gives norm(conv x) for a convolution without bias; one with a bias adds its own multiple.
  if (norm != nullptr && conv.bias != nullptr) fail("a bias before batch norm");
  if (norm != nullptr) {
    Folded folded = fold(conv.weight.value, *norm);
    node.weight = std::move(folded.weight);
    node.bias = std::move(folded.bias);
  } else {
    node.weight = values_of(conv.weight.value);
    node.bias = conv.bias != nullptr ? values_of(conv.bias->value) : std::vector<float>(result.channels);
  }
  node.y = add_value(result, options.output_gate, true);
  nodes_.emplace_back(std::move(node));
  return std::get<Convolution>(nodes_.back()).y;
}

Value Graph::max_pool(Value x, const MaxPoolOptions& options) {
  check_value("max_pool", x);
  const ValueShape& from = shape(x);
  const auto out = [&](std::int64_t extent) {
    return (extent + 2 * options.padding - options.kernel) / options.stride + 1;
  };
  if (options.kernel < 1 || options.stride < 1 || options.padding < 0 || 2 * options.padding > options.kernel ||
      from.height + 2 * options.padding < options.kernel || from.width + 2 * options.padding < options.kernel ||
      value_gates_[static_cast<std::size_t>(x.index)])
    throw_error<ShapeError>("inference graph: max_pool: kernel {}, stride {}, padding {} on {}{}", options.kernel,
                            options.stride, options.padding, text(from),
                            value_gates_[static_cast<std::size_t>(x.index)] ? ", which is gated" : "");
  const ValueShape result{from.channels, out(from.height), out(from.width)};
  const Value y = add_value(result, std::nullopt, true);
  nodes_.emplace_back(MaxPool{x, y, options});
  return y;
}

Value Graph::adaptive_average_pool(Value x, std::int64_t height, std::int64_t width) {
  check_open_value("adaptive_average_pool", x);
  if (height < 1 || width < 1)
    throw_error<ShapeError>("inference graph: adaptive_average_pool: {}x{} windows, both must be at least 1", height,
                            width);
  const Value y = add_value({shape(x).channels, height, width}, std::nullopt, false);
  nodes_.emplace_back(AdaptiveAveragePool{x, y});
  return y;
}

Value Graph::concat(const std::vector<Value>& parts) {
  if (parts.empty()) throw_error<ShapeError>("inference graph: concat: no parts");
  std::int64_t channels = 0;
  for (const Value part : parts) {
    check_open_value("concat", part);
    channels += shape(part).channels;
  }
  const ValueShape& first = shape(parts.front());
  const Value y = add_value({channels, first.height, first.width}, std::nullopt, false);
  nodes_.emplace_back(Concat{parts, y});
  return y;
}

Gate Graph::gate(Value x, const nn::Linear& fc1, const nn::BatchNorm& norm, const nn::Linear& fc2) {
  check_product("gate", x, fc1);
  if (fc2.weight.value.shape()[1] != fc1.weight.value.shape()[0])
    throw_error<ShapeError>("inference graph: gate: fc2 {} after fc1 {}", fc2.weight.value.shape().str(),
                            fc1.weight.value.shape().str());
  Folded hidden = fold(fc1.weight.value, norm);
  // fold gives norm(fc1 x) for an fc1 without bias; one with a bias adds its own multiple.
  if (fc1.bias != nullptr) throw_error<ShapeError>("inference graph: gate: fc1 has a bias before its batch norm");
  const Gate gate{static_cast<int>(gates_.size())};
  Product output = product_of(fc2);
  gates_.push_back(output.outputs);
  nodes_.emplace_back(
      Decision{x, gate, transposed(hidden.weight, std::move(hidden.bias), shape(x).channels), std::move(output)});
  return gate;
}

void Graph::classifier(Value x, const nn::Linear& linear) {
  check_product("classifier", x, linear);
  check_first_output("classifier");
  classes_ = linear.weight.value.shape()[0];
  nodes_.emplace_back(Classifier{x, product_of(linear)});
}

void Graph::pixel_scores(Value x) {
  check_open_value("pixel_scores", x);
  check_first_output("pixel_scores");
  classes_ = shape(x).channels;
  scores_pixels_ = true;
  nodes_.emplace_back(PixelScores{x});
}

Graph::OutputShape Graph::output() const {
  if (!scores_pixels_) return {.classes = classes_};
  return {classes_, shape(Value{0}).height, shape(Value{0}).width};
}

}  // namespace bsg::inference
