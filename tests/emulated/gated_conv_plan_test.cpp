// How the device's gated convolutions cut a layer: no kernel runs here but the one that lays weights out.
#include <cstdint>
#include <cstring>
#include <vector>

#include "kernels/gated_conv/gated_conv_device.hpp"
#include "kernels/simt/number.hpp"
#include "kernels/simt/runtime.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::device::ConvCompute;
using kernels::device::ConvPlan;
using kernels::device::ConvShape;
using kernels::device::GatedSides;
using kernels::device::plan_gated_conv;

namespace {

// Of one axis: outputs of all parts, by the plan's words, each with the pixels that its window reads.
void check_axis(const ConvPlan::Axis& a, std::int64_t out, std::int64_t extent, std::int64_t parts,
                std::int64_t tile_extent, std::int64_t taps, std::int64_t stride, std::int64_t dilation,
                std::int64_t padding) {
  std::vector<int> covered(static_cast<std::size_t>(out));
  for (std::int64_t phase = 0; phase < a.phases; ++phase)
    for (std::int64_t part = 0; part < parts; ++part) {
      const std::int64_t first_pixel = stride * (phase + a.phases * part * extent) - padding;
      for (std::int64_t i = 0; i < extent; ++i) {
        const std::int64_t output = phase + a.phases * (part * extent + i);
        if (output >= out) continue;
        ++covered[static_cast<std::size_t>(output)];
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          const std::int64_t in_tile = i * a.stride + tap * a.tap;
          REQUIRE(in_tile < tile_extent);
          REQUIRE(first_pixel + in_tile * a.step == stride * output + tap * dilation - padding);
        }
      }
    }
  for (const int times : covered) REQUIRE(times == 1);
}

void check_plan(const ConvPlan& plan) {
  const kernels::ConvWindow& w = plan.shape.window;
  REQUIRE(plan.warps >= 1);
  REQUIRE(plan.warps <= 8);
  REQUIRE(plan.slab_rows * plan.strip_columns <= 32 * plan.warps);
  REQUIRE(plan.slab_rows * plan.strip_columns > 32 * (plan.warps - 1));
  REQUIRE(plan.tile_rows * plan.tile_columns * plan.tile_buffers <= 1024);
  REQUIRE(plan.passes * 64 >= plan.shape.outputs);
  REQUIRE(std::int64_t{plan.out_height} * plan.out_width == plan.shape.out_height() * plan.shape.out_width());
  REQUIRE(std::int64_t{plan.height} * plan.width == plan.shape.height * plan.shape.width);
  check_axis(plan.rows, plan.out_height, plan.slab_rows, plan.slabs, plan.tile_rows, w.height, w.stride,
             w.height == 1 ? w.stride : w.dilation, w.padding);
  check_axis(plan.columns, plan.out_width, plan.strip_columns, plan.strips, plan.tile_columns, w.width, w.stride,
             w.width == 1 ? w.stride : w.dilation, w.padding);
}

}  // namespace

TEST_CASE("plans of gated convolutions cover every output once, from tiles that hold its window") {
  for (const std::int64_t height : {1, 5, 14, 57})
    for (const std::int64_t width : {1, 7, 32, 300})
      for (const std::int64_t inputs : {3, 200})
        for (const kernels::ConvWindow& window : std::vector<kernels::ConvWindow>{{3, 3, 1, 1, 1},
                                                                                  {3, 3, 2, 1, 1},
                                                                                  {3, 3, 1, 2, 2},
                                                                                  {3, 3, 2, 6, 6},
                                                                                  {3, 3, 4, 12, 6},
                                                                                  {3, 3, 1, 40, 40},
                                                                                  {1, 1, 1, 0, 1},
                                                                                  {1, 1, 3, 0, 1},
                                                                                  {1, 1, 1, 2, 1},
                                                                                  {1, 5, 2, 2, 1},
                                                                                  {7, 7, 2, 3, 1}})
          for (const ConvCompute compute : {ConvCompute::fp32, ConvCompute::bf16}) {
            const ConvShape shape{height, width, inputs, 70, window};
            if (shape.out_height() == 0 || shape.out_width() == 0) continue;
            INFO(height << " x " << width << ", " << inputs << " inputs, " << window.height << " x " << window.width
                        << " of stride " << window.stride << ", dilation " << window.dilation);
            check_plan(plan_gated_conv(shape, compute, GatedSides::outputs));
          }
}

TEST_CASE("a window that no tile holds has no plan") {
  CHECK(plan_gated_conv({64, 64, 8, 8, {33, 33, 1, 16, 1}}, ConvCompute::bf16, GatedSides::none).warps == 0);
}

// What the work-log's figures rest on.
TEST_CASE("plans of ResNet's layers leave few lanes idle and let two blocks share a multiprocessor") {
  struct Layer {
    std::int64_t extent, channels, parts, warps;
  };
  for (const Layer& layer : {Layer{56, 64, 14, 7}, {28, 128, 4, 7}, {14, 256, 1, 7}, {7, 512, 1, 2}}) {
    INFO(layer.extent);
    const ConvPlan plan = plan_gated_conv({layer.extent, layer.extent, layer.channels, layer.channels, {3, 3, 1, 1, 1}},
                                          ConvCompute::bf16, GatedSides::outputs);
    CHECK(plan.parts() == layer.parts);
    CHECK(plan.warps == layer.warps);
    CHECK(plan.tile_rows * plan.tile_columns * plan.tile_buffers <= 681);
  }
}

TEST_CASE("weights are laid out in rows of outputs, or of inputs where these alone are gated", "[small]") {
  const std::int64_t outputs = 5, inputs = 3, taps = 6;
  const auto value = [](std::int64_t k, std::int64_t c, std::int64_t t) {
    return static_cast<float>(100 * k + 10 * c + t) + 0.001f;
  };
  for (const ConvCompute compute : {ConvCompute::fp32, ConvCompute::tf32, ConvCompute::bf16})
    for (const GatedSides sides : {GatedSides::none, GatedSides::outputs, GatedSides::inputs, GatedSides::both})
      for (const bool channels_last : {false, true}) {
        const ConvPlan plan = plan_gated_conv({8, 8, inputs, outputs, {2, 3, 1, 0, 1}}, compute, sides);
        const kernels::device::WeightStrides strides = channels_last
                                                           ? kernels::device::WeightStrides::channels_last(plan.shape)
                                                           : kernels::device::WeightStrides::channels_first(plan.shape);
        std::vector<float> weight(static_cast<std::size_t>(outputs * inputs * taps));
        for (std::int64_t k = 0; k < outputs; ++k)
          for (std::int64_t c = 0; c < inputs; ++c)
            for (std::int64_t t = 0; t < taps; ++t)
              weight[static_cast<std::size_t>(channels_last ? (k * taps + t) * inputs + c
                                                            : (k * inputs + c) * taps + t)] = value(k, c, t);
        simt::DeviceArray<float> device(weight);
        simt::DeviceArray<std::uint8_t> laid_out(static_cast<std::size_t>(weight_bytes(plan)));
        lay_out_weights({}, plan, device.data(), strides, laid_out.data());
        const std::vector<std::uint8_t> bytes = laid_out.to_host();

        const bool input_rows = sides == GatedSides::inputs;
        const std::int64_t pitch = compute == ConvCompute::bf16 ? 16 : 8;
        const std::int64_t size = compute == ConvCompute::bf16 ? 2 : 4;
        const std::int64_t rows = (input_rows ? inputs : outputs) * taps;
        REQUIRE(static_cast<std::int64_t>(bytes.size()) == rows * pitch * size);
        for (std::int64_t row = 0; row < rows; ++row)
          for (std::int64_t column = 0; column < pitch; ++column) {
            const std::int64_t k = input_rows ? column : row / taps, c = input_rows ? row % inputs : column;
            const std::int64_t t = input_rows ? row / inputs : row % taps;
            const float exact = k < outputs && c < inputs ? value(k, c, t) : 0;
            const unsigned wanted = compute == ConvCompute::fp32   ? simt::bits_of(exact)
                                    : compute == ConvCompute::tf32 ? simt::to_tf32(exact)
                                                                   : simt::to_bfloat16(exact).bits;
            unsigned got = 0;
            std::memcpy(&got, bytes.data() + (row * pitch + column) * size, static_cast<std::size_t>(size));
            REQUIRE(got == wanted);
          }
      }
}
