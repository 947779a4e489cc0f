// Inference plans on a GPU against the CPU's.
#include "tests/devices/plans.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("plans on the GPU compute what the CPU's compute, plain and gated, dense and skipping") {
  test::check_plans(Device::cuda);
}
TEST_CASE("plans on the GPU: all gates on, all off, one on, some on") { test::check_gate_patterns(Device::cuda); }
TEST_CASE("plans on the GPU take images of any size") { test::check_image_sizes(Device::cuda); }
TEST_CASE("plans in tf32 and bf16 on the GPU stay near the CPU's f32") { test::check_precisions(Device::cuda); }
TEST_CASE("nothing of a plan's run on the GPU is left for the next one") { test::check_nothing_is_left(Device::cuda); }
TEST_CASE("plans on the GPU take images and networks wherever they lie") { test::check_places(Device::cuda); }
TEST_CASE("plans on the GPU read nothing of a skipped channel: NaN in its weights stays there") {
  test::check_skipped_channels(Device::cuda);
}
