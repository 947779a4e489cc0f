// The device's gated convolutions against the definition in double, in every thread order of the emulator.
#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/emulated/close.hpp"
#include "tests/emulated/gated_conv_problem.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::device::ConvCompute;
using kernels::device::GatedSides;
using kernels::device::GatedStore;
using test::ConvCase;
using test::ConvProblem;
using test::Finish;
using test::Open;

namespace {

constexpr kernels::ConvWindow k3x3{3, 3, 1, 1, 1}, k1x1{1, 1, 1, 0, 1};

// Channels beside every tile: 8 of a matrix, 16 of a step, 32 and 64 of a chunk or pass.
const std::vector<ConvCase> kCases = {
    {"whole tiles", 2, 8, 8, 16, 16, k3x3},
    {"all on", 2, 7, 7, 24, 17, k3x3, Open::all, Open::all},
    {"all off", 2, 7, 7, 24, 17, k3x3, Open::none, Open::none},
    {"one on", 2, 5, 9, 24, 40, k3x3, Open::one, Open::one},
    {"the last on", 1, 5, 9, 17, 72, k3x3, Open::last, Open::last},
    {"samples differ", 6, 7, 7, 40, 40, k3x3, Open::varied, Open::varied},
    {"samples differ the other way round", 5, 4, 6, 24, 24, k3x3, Open::half, Open::varied, 3},
    {"an image", 1, 9, 10, 3, 16, k3x3, Open::all, Open::half},
    {"five channels, gaps between rows", 2, 6, 5, 5, 5, k3x3, Open::half, Open::half, 3},
    {"rows of 16 bytes with gaps", 2, 5, 5, 20, 20, k3x3, Open::half, Open::half, 4},
    {"rows beside 16 bytes", 2, 5, 5, 24, 24, k3x3, Open::half, Open::half, 0, 1},
    {"two passes of outputs, chunks of inputs", 1, 6, 6, 136, 80, k3x3, Open::all, Open::all},
    {"two passes, one of them nearly empty", 1, 6, 6, 72, 136, k3x3, Open::half, Open::half},
    {"a pixel", 3, 1, 1, 24, 24, k3x3},
    {"a pixel of 200 channels", 2, 1, 1, 200, 24, k1x1},
    {"several parts, ragged", 1, 19, 23, 8, 8, k3x3},
    {"stride 2", 2, 9, 9, 24, 24, {3, 3, 2, 1, 1}},
    {"stride 2, even", 1, 14, 12, 16, 33, {3, 3, 2, 1, 1}},
    {"stride 3, no padding", 1, 11, 10, 9, 9, {3, 3, 3, 0, 1}},
    {"dilation 2", 2, 9, 7, 17, 24, {3, 3, 1, 2, 2}},
    {"dilation 4, stride 2", 1, 13, 11, 16, 16, {3, 3, 2, 4, 4}},
    {"dilation beyond the plane", 1, 5, 6, 8, 8, {3, 3, 1, 9, 9}},
    {"pointwise", 2, 7, 9, 24, 40, k1x1},
    {"pointwise, three chunks", 2, 4, 5, 200, 16, k1x1},
    {"pointwise, stride 2", 2, 9, 8, 24, 17, {1, 1, 2, 0, 1}},
    {"pointwise, padded", 1, 4, 4, 8, 8, {1, 1, 1, 1, 1}},
    {"a row of weights", 1, 6, 9, 16, 16, {1, 3, 1, 1, 1}},
    {"a column of weights, stride 2", 1, 9, 6, 16, 16, {3, 1, 2, 1, 1}},
    {"5x5", 1, 8, 8, 8, 8, {5, 5, 1, 2, 1}},
    {"an image's 7x7 of stride 2", 1, 21, 17, 3, 16, {7, 7, 2, 3, 1}, Open::all, Open::half},
};

const char* name_of(ConvCompute compute) {
  return compute == ConvCompute::fp32 ? "fp32" : compute == ConvCompute::tf32 ? "tf32" : "bf16";
}
const char* name_of(GatedSides sides) {
  return sides == GatedSides::none      ? "none"
         : sides == GatedSides::outputs ? "outputs"
         : sides == GatedSides::inputs  ? "inputs"
                                        : "both";
}

constexpr ConvCompute kComputes[] = {ConvCompute::fp32, ConvCompute::tf32, ConvCompute::bf16};
constexpr GatedSides kSides[] = {GatedSides::none, GatedSides::outputs, GatedSides::inputs, GatedSides::both};

// The root mean square of the errors; a NaN makes it infinite.
template <class T>
double error_of(const std::vector<T>& values, const std::vector<double>& exact) {
  double sum = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double difference = static_cast<double>(values[i]) - exact[i];
    sum += std::isnan(difference) ? HUGE_VAL : difference * difference;
  }
  return exact.empty() ? 0 : std::sqrt(sum / static_cast<double>(exact.size()));
}

// At most twice the error of plain loops in the same precision, or an ulp.
void check_problem(const ConvProblem& problem, const Finish& finish, GatedStore store) {
  const ConvCompute compute = problem.plan.compute;
  const std::vector<double> exact = problem.by_definition<double>(finish);
  std::vector<double> plain = problem.by_definition<float>(finish);
  double largest = 0;
  for (const double value : exact) largest = std::max(largest, std::abs(value));
  const double ulp = largest * (compute == ConvCompute::bf16 ? 0x1p-9 : 0x1p-24);
  for (double& value : plain) value = test::stored(compute, static_cast<float>(value));
  // bf16 loses more when it stores.
  const std::int64_t products =
      compute == ConvCompute::tf32 ? problem.c.window.taps() * ((problem.c.inputs + 7) / 8) : 0;
  const double allowed = std::max({2 * error_of(plain, exact), ulp, test::cut_off(products) * largest});

  test::for_each_order([&](std::string_view order) {
    INFO(order);
    const test::ConvResult result = test::run(problem, finish, store);
    CHECK(error_of(result.y, exact) <= allowed);

    if (problem.gates_outputs()) return;
    // The parts' sums, added up.
    const std::size_t outputs = static_cast<std::size_t>(problem.c.outputs);
    const std::size_t rows = exact.size() / outputs / static_cast<std::size_t>(problem.c.batch);
    std::vector<double> pooled(outputs * static_cast<std::size_t>(problem.c.batch)), sums(pooled.size());
    for (std::size_t i = 0; i < exact.size(); ++i) pooled[i / (rows * outputs) * outputs + i % outputs] += exact[i];
    const std::size_t parts = static_cast<std::size_t>(problem.plan.parts());
    REQUIRE(result.sums.size() == pooled.size() * parts);
    for (std::size_t i = 0; i < result.sums.size(); ++i)
      sums[i / (parts * outputs) * outputs + i % outputs] += static_cast<double>(result.sums[i]);
    // Before y was rounded: what f32 allows.
    CHECK(error_of(sums, pooled) <= static_cast<double>(rows) * largest * 0x1p-20);
  });
}

}  // namespace

TEST_CASE("gated convolutions on the device agree with the definition") {
  for (const ConvCase& c : kCases)
    for (const ConvCompute compute : kComputes)
      for (const GatedSides sides : kSides)
        DYNAMIC_SECTION(c.name << ", " << name_of(compute) << ", gated: " << name_of(sides)) {
          const ConvProblem problem(c, compute, sides);
          REQUIRE(problem.plan.warps > 0);
          check_problem(problem, {}, GatedStore::compacted);
        }
}

TEST_CASE("gated convolutions on the device finish with any part of scale, bias, residual and ReLU") {
  const ConvCase c{"", 2, 5, 6, 24, 24, k3x3, Open::half, Open::half, 8};
  for (const ConvCompute compute : kComputes)
    for (const GatedSides sides : kSides)
      for (const Finish& finish : {Finish{false, false, false, false}, Finish{true, false, false, true},
                                   Finish{false, true, false, false}, Finish{false, false, true, true}})
        DYNAMIC_SECTION(name_of(compute) << ", gated: " << name_of(sides) << ", " << finish.scale << finish.bias
                                         << finish.residual << finish.relu) {
          check_problem(ConvProblem(c, compute, sides), finish, GatedStore::compacted);
        }
}

TEST_CASE("gated convolutions on the device store zeros in off channels on request") {
  const std::vector<ConvCase> cases = {
      {"samples differ", 5, 5, 7, 17, 72, k3x3, Open::half, Open::varied},
      {"two passes, nearly all off", 1, 19, 14, 8, 140, k3x3, Open::half, Open::tenth, 4},
      {"all on", 1, 3, 4, 16, 130, k1x1, Open::all, Open::all},
  };
  for (const ConvCase& c : cases)
    for (const ConvCompute compute : kComputes)
      for (const GatedSides sides : {GatedSides::outputs, GatedSides::both})
        DYNAMIC_SECTION(c.name << ", " << name_of(compute) << ", gated: " << name_of(sides)) {
          check_problem(ConvProblem(c, compute, sides), {}, GatedStore::zero_filled);
        }
}

TEST_CASE("dense convolutions on the device multiply their results by gates on request") {
  const std::vector<ConvCase> cases = {
      {"two passes, a word and a bit", 5, 5, 7, 17, 97, k3x3, Open::all, Open::all, 4},
      {"less than a word", 2, 3, 4, 16, 20, k1x1, Open::half, Open::all},
  };
  for (const ConvCase& c : cases)
    for (const ConvCompute compute : kComputes) DYNAMIC_SECTION(c.name << ", " << name_of(compute)) {
        ConvProblem problem(c, compute, GatedSides::none);
        problem.multiplied_by = test::draw_gates(Open::varied, c.batch, c.outputs, 9);
        check_problem(problem, {}, GatedStore::compacted);
      }
}

TEST_CASE("with all gates on, the bits of a gated convolution are those of the plain one", "[small]") {
  const ConvCase c{"", 2, 9, 11, 72, 80, {3, 3, 2, 1, 1}, Open::all, Open::all};
  for (const ConvCompute compute : kComputes) {
    const test::ConvResult plain = test::run(ConvProblem(c, compute, GatedSides::none), {}, GatedStore::compacted);
    for (const GatedSides sides : kSides)
      for (const GatedStore store : {GatedStore::compacted, GatedStore::zero_filled}) {
        INFO(name_of(compute) << ", gated: " << name_of(sides));
        const test::ConvResult gated = test::run(ConvProblem(c, compute, sides), {}, store);
        CHECK(gated.y == plain.y);
        if (!gated.sums.empty()) CHECK(gated.sums == plain.sums);
      }
  }
}

TEST_CASE("an output's bits do not depend on which other outputs are on") {
  ConvCase c{"", 2, 9, 11, 40, 80, k3x3, Open::half, Open::half};
  for (const ConvCompute compute : kComputes)
    for (const auto& [all_sides, sides] :
         {std::pair{GatedSides::none, GatedSides::outputs}, std::pair{GatedSides::both, GatedSides::both}}) {
      INFO(name_of(compute) << ", gated: " << name_of(sides));
      c.open_outputs = Open::all;
      const test::ConvResult all = test::run(ConvProblem(c, compute, all_sides), {}, GatedStore::compacted);
      c.open_outputs = Open::half;
      const ConvProblem problem(c, compute, sides);
      const test::ConvResult some = test::run(problem, {}, GatedStore::compacted);
      std::size_t different = 0;
      for (std::size_t i = 0; i < some.y.size(); ++i)
        different +=
            problem.outputs.on(i / (some.y.size() / 2), static_cast<std::int64_t>(i % 80)) && some.y[i] != all.y[i];
      CHECK(different == 0);
    }
}

TEST_CASE("a gated convolution of no samples does nothing") {
  for (const ConvCompute compute : kComputes)
    for (const GatedSides sides : kSides) {
      const ConvProblem problem({"", 0, 5, 5, 8, 8, k3x3}, compute, sides);
      CHECK(test::run(problem, {}, GatedStore::zero_filled).y.empty());
    }
}

TEST_CASE("a NaN that is read stays a NaN", "[small]") {
  for (const ConvCompute compute : kComputes) {
    ConvProblem problem({"", 1, 3, 3, 16, 16, k1x1}, compute, GatedSides::none);
    problem.x[5] = std::nanf("");
    const test::ConvResult result = test::run(problem, {}, GatedStore::compacted);
    for (std::size_t i = 0; i < result.y.size(); ++i) REQUIRE(std::isnan(result.y[i]) == (i < 16));
    for (const float sum : result.sums) REQUIRE(std::isnan(sum));
  }
}
