#include "engine/train/initial_weights.hpp"

#include "engine/core/context.hpp"
#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using Catch::Matchers::Contains;

namespace {

// What a network has: two tensors of the backbone, a classifier and a gate.
struct Network {
  explicit Network(Context& context)
      : conv(Tensor::zeros(context, {2, 3})),
        norm(Tensor::zeros(context, {2})),
        fc(Tensor::zeros(context, {5, 2})),
        gate(Tensor::zeros(context, {4})) {}
  std::vector<std::pair<std::string, Tensor*>> state() {
    return {{"conv.weight", &conv}, {"norm.weight", &norm}, {"fc.weight", &fc}, {"gate.weight", &gate}};
  }
  Tensor conv, norm, fc, gate;
};

bool replaceable(const std::string& name) { return name.starts_with("fc.") || name.starts_with("gate."); }

float first(const Tensor& tensor) { return tensor.data<float>()[0]; }

}  // namespace

TEST_CASE("initial weights: what file and network share is taken over") {
  Context context;
  const Tensor conv = Tensor::full(context, {2, 3}, 1), norm = Tensor::full(context, {2}, 2);
  const auto load = [&](Network& network, const NamedTensors& given) {
    return train::load_initial_weights(context, network.state(), given, replaceable, "w.safetensors");
  };
  using Names = std::vector<std::string>;

  Network ungated(context);
  CHECK(
      load(ungated, {{"conv.weight", conv}, {"norm.weight", norm}, {"fc.weight", Tensor::full(context, {5, 2}, 3)}}) ==
      Names{"gate.weight"});
  CHECK(first(ungated.conv) == 1);
  CHECK(first(ungated.norm) == 2);
  CHECK(first(ungated.fc) == 3);
  CHECK(first(ungated.gate) == 0);

  // Other classes, a classifier that the network does not have, a wrapped model.
  Network other(context);
  CHECK(load(other, {{"module.conv.weight", conv},
                     {"module.norm.weight", norm},
                     {"module.fc.weight", Tensor::full(context, {1000, 2}, 3)},
                     {"module.fc.bias", Tensor::full(context, {1000}, 3)}}) == Names{"fc.weight", "gate.weight"});
  CHECK(first(other.conv) == 1);
  CHECK(first(other.fc) == 0);

  Network untouched(context);
  CHECK_THROWS_WITH(load(untouched, {{"conv.weight", conv}}), Contains("w.safetensors") && Contains("norm.weight"));
  CHECK_THROWS_WITH(load(untouched, {{"conv.weight", conv}, {"norm.weight", norm}, {"stem.weight", norm}}),
                    Contains("extra") && Contains("stem.weight"));
  CHECK_THROWS_WITH(load(untouched, {{"conv.weight", norm}, {"norm.weight", norm}}),
                    Contains("conv.weight is f32 [2], expected f32 [2, 3]"));
  CHECK_THROWS_AS(load(untouched, {}), DataError);
  CHECK(first(untouched.conv) == 0);
}
