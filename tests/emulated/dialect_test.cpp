#include "tests/emulated/dialect.hpp"

#include <numeric>
#include <vector>

#include "kernels/simt/runtime.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

TEST_CASE("a kernel reverses what a block put into shared storage") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    std::vector<float> x(5 * 256);
    std::iota(x.begin(), x.end(), 0.0f);
    simt::DeviceArray<float> from(x), to(x.size());
    test::reverse_blocks(from.data(), to.data(), x.size(), nullptr);
    const std::vector<float> y = to.to_host();
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == x[i / 256 * 256 + 255 - i % 256]);
  });
}
