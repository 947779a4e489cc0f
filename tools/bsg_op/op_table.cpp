#include "tools/bsg_op/op_table.hpp"

#include <algorithm>
#include <array>

#include "engine/ops/adaptive_average_pool2d.hpp"
#include "engine/ops/add.hpp"
#include "engine/ops/average_pool2d.hpp"
#include "engine/ops/batch_norm.hpp"
#include "engine/ops/batch_shaping_loss.hpp"
#include "engine/ops/bilinear_resize.hpp"
#include "engine/ops/binary_concrete_gate.hpp"
#include "engine/ops/cast.hpp"
#include "engine/ops/concat.hpp"
#include "engine/ops/conv2d.hpp"
#include "engine/ops/dropout2d.hpp"
#include "engine/ops/gated_conv2d.hpp"
#include "engine/ops/global_average_pool.hpp"
#include "engine/ops/linear.hpp"
#include "engine/ops/max_pool2d.hpp"
#include "engine/ops/mul_gate.hpp"
#include "engine/ops/option_a_shortcut.hpp"
#include "engine/ops/relu.hpp"
#include "engine/ops/sigmoid.hpp"
#include "engine/ops/softmax_cross_entropy.hpp"
#include "engine/ops/weighted_sum.hpp"

namespace bsg::tools {
namespace {

using Role = InputSpec::Role;

// Attributes that several ops share, with the defaults of their options.

const std::vector<AttributeSpec> kConv2dAttributes = {{"stride", ops::Conv2dOptions{}.stride},
                                                      {"padding", ops::Conv2dOptions{}.padding},
                                                      {"dilation", ops::Conv2dOptions{}.dilation}};

ops::Conv2dOptions conv2d_options(const OpCall& call) {
  return {call.attributes.get<int>("stride"), call.attributes.get<int>("padding"),
          call.attributes.get<int>("dilation")};
}

const std::vector<AttributeSpec> kPool2dAttributes = {{"kernel", ops::Pool2dOptions{}.kernel},
                                                      {"stride", ops::Pool2dOptions{}.stride},
                                                      {"padding", ops::Pool2dOptions{}.padding}};

ops::Pool2dOptions pool2d_options(const OpCall& call) {
  return {call.attributes.get<int>("kernel"), call.attributes.get<int>("stride"), call.attributes.get<int>("padding")};
}

const std::array<std::pair<std::string, ops::ShapingNormalization>, 4> kNormalizations = {{
    {"batch_mean_gate_sum", ops::ShapingNormalization::batch_mean_gate_sum},
    {"batch_mean_gate_mean", ops::ShapingNormalization::batch_mean_gate_mean},
    {"batch_sum_gate_sum", ops::ShapingNormalization::batch_sum_gate_sum},
    {"batch_sum_gate_mean", ops::ShapingNormalization::batch_sum_gate_mean},
}};

std::vector<AttributeSpec> shaping_attributes() {
  const ops::BatchShapingOptions defaults;
  std::vector<std::string> names;
  for (const auto& [name, value] : kNormalizations) names.push_back(name);
  return {{"a", defaults.a},
          {"b", defaults.b},
          {"normalization", names.front(), false, names},
          {"pdf_min", defaults.pdf_min},
          {"pdf_max", defaults.pdf_max}};
}

ops::BatchShapingOptions shaping_options(const OpCall& call) {
  const auto& name = call.attributes.get<std::string>("normalization");
  const auto* normalization = std::ranges::find(kNormalizations, name, [](const auto& entry) { return entry.first; });
  return {call.attributes.get<double>("a"), call.attributes.get<double>("b"), normalization->second,
          call.attributes.get<double>("pdf_min"), call.attributes.get<double>("pdf_max")};
}

DType float_type(const OpCall& call) {
  const auto& name = call.attributes.get<std::string>("dtype");
  return name == "f32" ? DType::f32 : name == "f64" ? DType::f64 : DType::bf16;
}

InputSpec activation(std::string_view name, Role role = Role::value, bool optional = false) {
  return {name, role, optional, true};
}

std::vector<AttributeSpec> with(std::vector<AttributeSpec> attributes, const AttributeSpec& more) {
  attributes.push_back(more);
  return attributes;
}

}  // namespace

Var OpCall::input(std::string_view name) const {
  const auto found = inputs.find(name);
  return found != inputs.end() ? found->second : Var();
}

std::vector<Var> OpCall::list(std::string_view name) const {
  std::vector<Var> all;
  for (auto found = inputs.find(std::string(name) + "0"); found != inputs.end();
       found = inputs.find(std::string(name) + std::to_string(all.size())))
    all.push_back(found->second);
  return all;
}

std::vector<OpEntry> op_table() {
  return {
      {"adaptive_average_pool2d",
       "means of x [N, C, H, W] over out_height x out_width windows",
       {activation("x")},
       {{"out_height", std::int64_t{}, true}, {"out_width", std::int64_t{}, true}},
       [](Context& c, OpCall& o) {
         return ops::adaptive_average_pool2d(c, o.input("x"), o.attributes.get<std::int64_t>("out_height"),
                                             o.attributes.get<std::int64_t>("out_width"));
       }},
      {"add",
       "a + b",
       {activation("a"), activation("b")},
       {},
       [](Context& c, OpCall& o) { return ops::add(c, o.input("a"), o.input("b")); }},
      {"average_pool2d",
       "mean of each window of x [N, C, H, W]",
       {activation("x")},
       with(kPool2dAttributes, {"count_include_pad", true}),
       [](Context& c, OpCall& o) {
         return ops::average_pool2d(c, o.input("x"), pool2d_options(o), o.attributes.get<bool>("count_include_pad"));
       }},
      {"batch_norm",
       "batch normalisation of x [N, C, H, W] or [N, C], then + residual, then ReLU where asked for",
       {activation("x"),
        {"weight"},
        {"bias"},
        {"running_mean", Role::state},
        {"running_var", Role::state},
        activation("residual", Role::value, true)},
       {{"training", ops::BatchNormOptions{}.training},
        {"momentum", ops::BatchNormOptions{}.momentum},
        {"epsilon", ops::BatchNormOptions{}.epsilon},
        {"relu", ops::BatchNormOptions{}.relu}},
       [](Context& c, OpCall& o) {
         const ops::BatchNormOptions options{o.attributes.get<bool>("training"), o.attributes.get<double>("momentum"),
                                             o.attributes.get<double>("epsilon"), o.attributes.get<bool>("relu")};
         return ops::batch_norm(c, o.input("x"), o.input("weight"), o.input("bias"), o.state("running_mean"),
                                o.state("running_var"), options, o.input("residual"));
       }},
      {"batch_shaping_loss",
       "distance of probabilities [N, gates] from Beta(a, b), a scalar",
       {{"probabilities"}},
       shaping_attributes(),
       [](Context& c, OpCall& o) { return ops::batch_shaping_loss(c, o.input("probabilities"), shaping_options(o)); }},
      {"batch_shaping_loss_from_logits",
       "the same of sigmoid(logits)",
       {{"logits"}},
       shaping_attributes(),
       [](Context& c, OpCall& o) {
         return ops::batch_shaping_loss_from_logits(c, o.input("logits"), shaping_options(o));
       }},
      {"bilinear_resize",
       "x [N, C, H, W] interpolated to [N, C, height, width]",
       {activation("x")},
       {{"height", std::int64_t{}, true},
        {"width", std::int64_t{}, true},
        {"align_corners", ops::ResizeOptions{}.align_corners}},
       [](Context& c, OpCall& o) {
         return ops::bilinear_resize(c, o.input("x"),
                                     {o.attributes.get<std::int64_t>("height"), o.attributes.get<std::int64_t>("width"),
                                      o.attributes.get<bool>("align_corners")});
       }},
      {"binary_concrete_gate",
       "gates 0 or 1 drawn for logits (from --seed), with the straight-through gradient",
       {{"logits"}},
       {{"temperature", ops::BinaryConcreteOptions{}.temperature},
        {"training", ops::BinaryConcreteOptions{}.training},
        {"noise", ops::BinaryConcreteOptions{}.noise}},
       [](Context& c, OpCall& o) {
         return ops::binary_concrete_gate(c, o.input("logits"),
                                          {o.attributes.get<double>("temperature"), o.attributes.get<bool>("training"),
                                           o.attributes.get<double>("noise")});
       }},
      {"cast",
       "x as another type: f32 or f64 on the CPU, f32 or bf16 on other devices",
       {{"x"}},
       {{"dtype", std::string("f32"), true, {"f32", "f64", "bf16"}}},
       [](Context& c, OpCall& o) { return ops::cast(c, o.input("x"), float_type(o)); }},
      {"concat",
       "x0, x1, ... joined along the second axis",
       {activation("x", Role::list)},
       {},
       [](Context& c, OpCall& o) { return ops::concat(c, o.list("x")); }},
      {"conv2d",
       "convolution of x [N, C, H, W] with weight [K, C, R, S], plus bias [K]",
       {activation("x"), {"weight"}, {"bias", Role::value, true}},
       kConv2dAttributes,
       [](Context& c, OpCall& o) {
         return ops::conv2d(c, o.input("x"), o.input("weight"), o.input("bias"), conv2d_options(o));
       }},
      {"dropout2d",
       "x [N, C, H, W] without the channels that are drawn (from --seed), the others times 1 / (1 - p)",
       {activation("x")},
       {{"p", 0.1}, {"training", true}},
       [](Context& c, OpCall& o) {
         return ops::dropout2d(c, o.input("x"), o.attributes.get<double>("p"), o.attributes.get<bool>("training"));
       }},
      {"gated_input_conv2d",
       "convolution that reads only the channels of x whose gate [N, C] is 1",
       {activation("x"), {"gate"}, {"weight"}},
       kConv2dAttributes,
       [](Context& c, OpCall& o) {
         return ops::gated_input_conv2d(c, o.input("x"), o.input("gate"), o.input("weight"), conv2d_options(o));
       }},
      {"gated_output_conv2d",
       "convolution that computes only the channels whose gate [N, K] is 1",
       {activation("x"), {"weight"}, {"gate"}},
       kConv2dAttributes,
       [](Context& c, OpCall& o) {
         return ops::gated_output_conv2d(c, o.input("x"), o.input("weight"), o.input("gate"), conv2d_options(o));
       }},
      {"global_average_pool",
       "mean over each plane of x [N, C, H, W]",
       {activation("x")},
       {},
       [](Context& c, OpCall& o) { return ops::global_average_pool(c, o.input("x")); }},
      {"l0_loss",
       "mean of sigmoid(logits), a scalar",
       {{"logits"}},
       {},
       [](Context& c, OpCall& o) { return ops::l0_loss(c, o.input("logits")); }},
      {"linear",
       "x [N, I] times weight [O, I], plus bias [O]",
       {{"x"}, {"weight"}, {"bias", Role::value, true}},
       {},
       [](Context& c, OpCall& o) { return ops::linear(c, o.input("x"), o.input("weight"), o.input("bias")); }},
      {"max_pool2d",
       "largest element of each window of x [N, C, H, W]",
       {activation("x")},
       with(kPool2dAttributes, {"dilation", ops::Pool2dOptions{}.dilation}),
       [](Context& c, OpCall& o) {
         ops::Pool2dOptions options = pool2d_options(o);
         options.dilation = o.attributes.get<int>("dilation");
         return ops::max_pool2d(c, o.input("x"), options);
       }},
      {"mul_gate",
       "x [N, C, H, W] times gate [N, C]",
       {activation("x"), {"gate"}},
       {},
       [](Context& c, OpCall& o) { return ops::mul_gate(c, o.input("x"), o.input("gate")); }},
      {"option_a_shortcut",
       "every stride-th pixel of x [N, C, H, W], padded with channels of zeros",
       {activation("x")},
       {{"out_channels", 0, true}, {"stride", 1}},
       [](Context& c, OpCall& o) {
         return ops::option_a_shortcut(c, o.input("x"), o.attributes.get<int>("out_channels"),
                                       o.attributes.get<int>("stride"));
       }},
      {"relu", "max(x, 0)", {activation("x")}, {}, [](Context& c, OpCall& o) { return ops::relu(c, o.input("x")); }},
      {"sigmoid",
       "1 / (1 + exp(-x))",
       {{"x"}},
       {},
       [](Context& c, OpCall& o) { return ops::sigmoid(c, o.input("x")); }},
      {"softmax_cross_entropy",
       "mean loss of logits [N, K] or [N, K, H, W] for labels (i64), a scalar",
       {{"logits"}, {"labels", Role::constant}, {"class_weights", Role::constant, true}},
       {{"label_smoothing", ops::CrossEntropyOptions{}.label_smoothing},
        {"ignore_index", ops::CrossEntropyOptions{}.ignore_index}},
       [](Context& c, OpCall& o) {
         return ops::softmax_cross_entropy(
             c, o.input("logits"), o.input("labels").value,
             {o.attributes.get<double>("label_smoothing"), o.attributes.get<std::int64_t>("ignore_index"),
              o.input("class_weights").value});
       }},
      {"weighted_sum",
       "weights[0] * x0 + weights[1] * x1 + ..., all scalars",
       {{"x", Role::list}},
       {{"weights", std::vector<double>{}, true}},
       [](Context& c, OpCall& o) {
         return ops::weighted_sum(c, o.list("x"), o.attributes.get<std::vector<double>>("weights"));
       }},
  };
}

}  // namespace bsg::tools
