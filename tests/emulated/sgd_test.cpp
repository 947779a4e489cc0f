#include <vector>

#include "kernels/sgd/sgd_device.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;

namespace {

// The formula of engine/optim/sgd.hpp in precision R.
template <class R>
struct Plain {
  std::vector<R> value, velocity;
  void step(const std::vector<float>& gradient, bool nesterov) {
    const R rate = static_cast<R>(0.1), decay = static_cast<R>(0.01), momentum = static_cast<R>(0.9);
    for (std::size_t i = 0; i < value.size(); ++i) {
      const R g = static_cast<R>(gradient[i]) + decay * value[i];
      velocity[i] = momentum * velocity[i] + g;
      value[i] -= rate * (nesterov ? g + momentum * velocity[i] : velocity[i]);
    }
  }
};

}  // namespace

TEST_CASE("sgd_step on the device follows the formula, with a copy in bf16") {
  test::for_each_order([](std::string_view order) {
    for (const std::int64_t count : {0, 1, 4, 7, 1030, 5001})
      for (const bool nesterov : {true, false}) {
        INFO(order << " count " << count << " nesterov " << nesterov);
        test::Numbers numbers(static_cast<std::uint64_t>(count) + 1);
        const auto start = numbers.normals(count);
        Plain<double> exact{{start.begin(), start.end()}, std::vector<double>(start.size())};
        Plain<float> naive{start, std::vector<float>(start.size())};
        simt::DeviceArray<float> value(start), velocity(naive.velocity), gradient(start.size());
        simt::DeviceArray<simt::bfloat16> copy(start.size());
        for (int step = 0; step < 3; ++step) {
          const auto g = numbers.normals(count);
          exact.step(g, nesterov);
          naive.step(g, nesterov);
          gradient.assign(g);
          kernels::device::sgd_step({}, count, {0.1, 0.01, 0.9, nesterov}, gradient.data(), value.data(),
                                    velocity.data(), step == 2 ? copy.data() : nullptr);
        }
        test::check_close(value.to_host(), exact.value, naive.value);
        test::check_close(velocity.to_host(), exact.velocity, naive.velocity);
        CHECK(test::widened(copy.to_host()) == test::widened(test::narrowed<simt::bfloat16>(value.to_host())));
      }
  });
}

TEST_CASE("sgd_step on the device: part of a buffer, at any address", "[small]") {
  simt::DeviceArray<float> gradient(std::vector<float>(9, 1)), value(std::vector<float>(9, 1)),
      velocity(std::vector<float>(9, 0));
  kernels::device::sgd_step({}, 5, {0.5, 0, 0, false}, gradient.data() + 1, value.data() + 1, velocity.data() + 1,
                            nullptr);
  CHECK(value.to_host() == std::vector<float>{1, 0.5F, 0.5F, 0.5F, 0.5F, 0.5F, 1, 1, 1});
}
