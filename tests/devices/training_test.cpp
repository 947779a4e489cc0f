// The engine on the emulated device: whole training steps of a gated network follow the CPU's.
#include "tests/devices/device.hpp"
#include "tests/devices/trajectory.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("three training steps of ResNet-20-BAS on the emulator follow the CPU's") {
  const test::LateWork late;
  const test::Trajectory expected = test::train_on(Device::cpu, "resnet20_bas");
  test::check_follows(test::train_on(Device::simt, "resnet20_bas"), expected);
}

TEST_CASE("three training steps of ResNet-20 have the same bits in every order of threads") {
  const test::Trajectory expected = test::train_on(Device::cpu, "resnet20");
  test::Trajectory first;
  test::for_each_order([&](std::string_view order) {
    INFO(order);
    const test::Trajectory got = test::train_on(Device::simt, "resnet20");
    if (first.state.empty()) {
      test::check_follows(got, expected);
      first = got;
    }
    CHECK(got.state == first.state);
  });
}
