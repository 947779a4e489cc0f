#include "engine/core/error.hpp"
#include "engine/optim/schedule.hpp"
#include "engine/optim/sgd.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("sgd with Nesterov momentum and weight decay, by hand", "[optim]") {
  Context context;
  Parameter backbone, gate, untouched;
  backbone.name = "w";
  gate.name = "g";
  gate.gating = true;
  for (Parameter* p : {&backbone, &gate, &untouched}) p->value = Tensor::full(context, {1}, 2);
  optim::Sgd sgd(context, optim::split_gating({&backbone, &gate, &untouched}, 0.5, 0, 0.1),
                 {.momentum = 0.9, .nesterov = true});
  for (int step = 0; step < 2; ++step) {
    backbone.grad = Tensor::full(context, {1}, 1);
    gate.grad = Tensor::full(context, {1}, 1);
    sgd.step(0.1);
  }
  // Backbone: g = 2, v = 2, w = 2 - 0.1 (2 + 1.8) = 1.62; then g = 1.81, v = 3.61, w = 1.62 - 0.1 (1.81 + 3.249)
  // = 1.1141
  CHECK(backbone.value.data<float>()[0] == Approx(1.1141f));
  // Gate, a tenth of the rate and no decay: 2 - 0.01 (1 + 0.9) = 1.981; then v = 1.9, 1.981 - 0.01 (1 + 1.71) = 1.9539
  CHECK(gate.value.data<float>()[0] == Approx(1.9539f));
  CHECK(untouched.value.data<float>()[0] == 2);
  CHECK(sgd.state().size() == 3);
  CHECK(sgd.state()[0].first == "w");
  CHECK(sgd.state()[0].second->data<float>()[0] == Approx(3.61f));
  sgd.zero_grad();
  CHECK_FALSE(backbone.grad.defined());
}

TEST_CASE("sgd without Nesterov follows the velocity", "[optim]") {
  Context context;
  Parameter p;
  p.value = Tensor::full(context, {1}, 1);
  optim::Sgd sgd(context, {{{&p}, 0, 1}}, {.momentum = 0.5, .nesterov = false});
  for (int step = 0; step < 2; ++step) {
    p.grad = Tensor::full(context, {1}, 1);
    sgd.step(0.1);
  }
  CHECK(p.value.data<float>()[0] == Approx(1 - 0.1 - 0.15));
}

TEST_CASE("learning-rate schedules", "[optim]") {
  using Kind = optim::LearningRateSchedule::Kind;
  const optim::LearningRateSchedule step{.base = 0.1, .milestones = {6, 8, 9.2}, .factor = 0.1, .epochs = 10};
  CHECK(step.at(0) == 0.1);
  CHECK(step.at(5.999) == 0.1);
  CHECK(step.at(6) == Approx(0.01));
  CHECK(step.at(9.5) == Approx(1e-4));
  const optim::LearningRateSchedule cosine{.kind = Kind::cosine, .base = 1, .warmup_epochs = 2, .epochs = 12};
  CHECK(cosine.at(1) == Approx(0.5));
  CHECK(cosine.at(2) == Approx(1));
  CHECK(cosine.at(7) == Approx(0.5));
  CHECK(cosine.at(12) == Approx(0).margin(1e-12));
  CHECK(optim::parse_schedule_kind("cosine") == Kind::cosine);
  const optim::LearningRateSchedule poly{.kind = Kind::poly, .base = 2, .epochs = 10, .power = 2};
  CHECK(poly.at(0) == Approx(2));
  CHECK(poly.at(5) == Approx(0.5));
  CHECK(poly.at(10) == 0);
  CHECK(optim::parse_schedule_kind("poly") == Kind::poly);
  REQUIRE_THROWS_AS(optim::parse_schedule_kind("linear"), ConfigError);
}

TEST_CASE("loss weights: batch-shaping falls to 0, L0 rises to rho", "[optim]") {
  CHECK(optim::falling_weight(0.75, 0, 100, 0) == 0.75);
  CHECK(optim::falling_weight(0.75, 0, 100, 50) == Approx(0.375));
  CHECK(optim::falling_weight(0.75, 0, 100, 100) == 0);
  CHECK(optim::falling_weight(0.75, 20, 100, 10) == 0.75);
  CHECK(optim::falling_weight(0.75, 0, 0, 0) == 0);
  CHECK(optim::rising_weight(0.4, 100, 300, 99) == 0);
  CHECK(optim::rising_weight(0.4, 100, 300, 200) == Approx(0.2));
  CHECK(optim::rising_weight(0.4, 100, 300, 400) == 0.4);
  CHECK(optim::rising_weight(0.4, 5, 5, 5) == 0.4);
}
