// The engine on a GPU: whole training steps follow the CPU's, and are the same each time.
#include "engine/core/backends.hpp"
#include "engine/core/error.hpp"
#include "tests/devices/trajectory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/skip.hpp"

using namespace bsg;

namespace {

const test::Precondition kNeedsDevice([]() -> std::string {
  try {
    find_backend(Device::cuda);
    return "";
  } catch (const ConfigError& error) {
    return error.what();
  }
});

}  // namespace

TEST_CASE("three training steps of ResNet-20-BAS on the GPU follow the CPU's") {
  test::check_follows(test::train_on(Device::cuda, "resnet20_bas"), test::train_on(Device::cpu, "resnet20_bas"));
}

TEST_CASE("three training steps of ResNet-20 on the GPU follow the CPU's and have the same bits each time") {
  const test::Trajectory first = test::train_on(Device::cuda, "resnet20");
  test::check_follows(first, test::train_on(Device::cpu, "resnet20"));
  CHECK(test::train_on(Device::cuda, "resnet20").state == first.state);
}
