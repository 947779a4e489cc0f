// The orders in which the emulator lets the threads of a block run, for tests: a right kernel gives the same result in
// each. A GPU has the one it has: tests/gpu compiles the same tests for it, with BSG_TESTS_ON_GPU.
#pragma once

#include <string_view>

#if !defined(BSG_TESTS_ON_GPU)
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/simt/emulator.hpp"
#include "kernels/simt/emulator/sanitizers.hpp"
#endif

namespace bsg::test {

#if defined(BSG_TESTS_ON_GPU)

// Calls body("gpu").
template <class Body>
void for_each_order(const Body& body) {
  body(std::string_view("gpu"));
}

#else

struct NamedOrder {
  std::string_view name;
  simt::EmulatorOptions options;
};

// All of them, or the one that BSG_SIMT_ORDER names. One under ThreadSanitizer, which looks at what orders accesses and
// not at which came first.
inline std::vector<NamedOrder> thread_orders() {
  using simt::ThreadOrder;
  std::vector<NamedOrder> orders{{"forward", {.order = ThreadOrder::forward}},
                                 {"reverse", {.order = ThreadOrder::reverse}},
                                 {"shuffled", {.order = ThreadOrder::shuffled, .seed = 1}}};
  const char* wanted = std::getenv("BSG_SIMT_ORDER");
  if (wanted == nullptr) {
    if (simt::emulator::kThreadSanitizer) orders.erase(orders.begin(), orders.end() - 1);
    return orders;
  }
  std::erase_if(orders, [&](const NamedOrder& order) { return order.name != wanted; });
  if (orders.empty())
    throw std::invalid_argument("BSG_SIMT_ORDER=" + std::string(wanted) + ": forward, reverse or shuffled");
  return orders;
}

// Calls body() once in each of thread_orders(). In a test, name the order in its messages:
//   for_each_order([&](std::string_view order) { INFO(order); ... });
template <class Body>
void for_each_order(const Body& body) {
  for (const NamedOrder& order : thread_orders()) {
    const simt::ScopedEmulatorOptions scope(order.options);
    body(order.name);
  }
}

#endif

}  // namespace bsg::test
