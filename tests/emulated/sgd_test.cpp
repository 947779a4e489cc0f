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

TEST_CASE("sgd_step on the device follows the formula, for tensors of any size and number") {
  test::for_each_order([](std::string_view order) {
    for (const auto& counts : std::vector<std::vector<std::int64_t>>{
             {}, {0}, {1}, {7, 0, 4}, {5001}, {1030, 16, 4096, 3, 8200}, std::vector<std::int64_t>(205, 5)})
      for (const bool nesterov : {true, false}) {
        INFO(order << " " << counts.size() << " tensors, nesterov " << nesterov);
        test::Numbers numbers(counts.size() + 1);
        std::vector<Plain<double>> exact;
        std::vector<Plain<float>> naive;
        std::vector<simt::DeviceArray<float>> value, velocity, gradient;
        for (const std::int64_t count : counts) {
          const auto start = numbers.normals(count);
          exact.push_back({{start.begin(), start.end()}, std::vector<double>(start.size())});
          naive.push_back({start, std::vector<float>(start.size())});
          value.emplace_back(start);
          velocity.emplace_back(naive.back().velocity);
          gradient.emplace_back(start.size());
        }
        for (int step = 0; step < 3; ++step) {
          std::vector<kernels::device::SgdTensor> tensors;
          for (std::size_t i = 0; i < counts.size(); ++i) {
            const auto g = numbers.normals(counts[i]);
            exact[i].step(g, nesterov);
            naive[i].step(g, nesterov);
            gradient[i].assign(g);
            tensors.push_back({gradient[i].data(), value[i].data(), velocity[i].data(), counts[i]});
          }
          kernels::device::sgd_step({}, {0.1, 0.01, 0.9, nesterov}, tensors);
        }
        for (std::size_t i = 0; i < counts.size(); ++i) {
          test::check_close(value[i].to_host(), exact[i].value, naive[i].value);
          test::check_close(velocity[i].to_host(), exact[i].velocity, naive[i].velocity);
        }
      }
  });
}

TEST_CASE("sgd_step on the device: part of a buffer, at any address", "[small]") {
  simt::DeviceArray<float> gradient(std::vector<float>(9, 1)), value(std::vector<float>(9, 1)),
      velocity(std::vector<float>(9, 0));
  const std::vector<kernels::device::SgdTensor> tensors = {
      {gradient.data() + 1, value.data() + 1, velocity.data() + 1, 5}};
  kernels::device::sgd_step({}, {0.5, 0, 0, false}, tensors);
  CHECK(value.to_host() == std::vector<float>{1, 0.5F, 0.5F, 0.5F, 0.5F, 0.5F, 1, 1, 1});
}
