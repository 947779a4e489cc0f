#include "engine/autograd/tape.hpp"

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;

namespace {

Var multiply(Context& context, const Var& a, const Var& b) {
  Tensor out = Tensor::empty(context, a.shape(), DType::f64);
  for (std::int64_t i = 0; i < out.numel(); ++i)
    out.data<double>()[i] = a.value.data<double>()[i] * b.value.data<double>()[i];
  return record("multiply", out, {&a, &b}, [sa = Saved(a.value), sb = Saved(b.value)](BackwardPass& pass) {
    const Tensor* saved[2] = {&sb.get("multiply"), &sa.get("multiply")};
    for (int input = 0; input < 2; ++input) {
      if (!pass.wants(input)) continue;
      auto [grad, accumulate] = pass.target(input, saved[0]->shape(), DType::f64);
      for (std::int64_t i = 0; i < grad.numel(); ++i) {
        const double term = pass.output().data<double>()[i] * saved[input]->data<double>()[i];
        grad.data<double>()[i] = accumulate ? grad.data<double>()[i] + term : term;
      }
    }
  });
}

Var add(Context& context, const Var& a, const Var& b) {
  Tensor out = a.value.clone(context);
  accumulate(context, out, b.value);
  return record("add", out, {&a, &b}, [](BackwardPass& pass) {
    pass.give(0, pass.output());
    pass.give(1, pass.output());
  });
}

Tensor scalar(Context& context, double value) { return Tensor::full(context, {1}, value, DType::f64); }

}  // namespace

TEST_CASE("a diamond adds the gradients of both branches", "[tape]") {
  Context context;
  Parameter w;
  w.value = scalar(context, 3);
  Tape tape(context);
  const Var x = tape.leaf(w);
  const Var square = multiply(context, x, x);
  tape.backward(add(context, multiply(context, square, x), square));
  REQUIRE(w.grad.data<double>()[0] == 33.0);  // d(x^3 + x^2)/dx at 3
}

TEST_CASE("a gradient handed to two inputs without a copy is not added to in place", "[tape]") {
  Context context;
  Tape tape(context);
  const Var a = tape.input(scalar(context, 2)), b = tape.input(scalar(context, 5));
  const Var sum = add(context, a, b);
  tape.backward(add(context, sum, multiply(context, a, a)));
  REQUIRE(tape.gradient(a).data<double>()[0] == 5.0);
  REQUIRE(tape.gradient(b).data<double>()[0] == 1.0);
}

TEST_CASE("backward accumulates into a parameter's gradient over calls", "[tape]") {
  Context context;
  Parameter w;
  w.value = scalar(context, 4);
  for (int call = 0; call < 2; ++call) {
    Tape tape(context);
    const Var x = tape.leaf(w);
    tape.backward(multiply(context, x, x));
  }
  REQUIRE(w.grad.data<double>()[0] == 16.0);
}

TEST_CASE("constants are not recorded", "[tape]") {
  Context context;
  const Var out = multiply(context, Var(scalar(context, 2)), Var(scalar(context, 3)));
  REQUIRE_FALSE(out.tracked());
}

TEST_CASE("overwriting a saved tensor before backward is an error that names the op", "[tape]") {
  Context context;
  Parameter w;
  w.value = scalar(context, 3);
  Tape tape(context);
  const Var x = tape.leaf(w);
  const Var y = multiply(context, x, x);
  w.value.fill(1);
  REQUIRE_THROWS_WITH(tape.backward(y), Catch::Contains("multiply") && Catch::Contains("overwritten"));
}

TEST_CASE("a chain a million records deep needs no recursion", "[tape]") {
  Context context;
  Parameter p;
  p.value = scalar(context, 1);
  Tape tape(context);
  const Var x = tape.leaf(p);
  Var y = x;
  for (int i = 0; i < 1'000'000; ++i) y = add(context, y, x);
  tape.backward(y);
  REQUIRE(p.grad.data<double>()[0] == 1'000'001.0);
  REQUIRE(tape.size() == 0);
}

TEST_CASE("inputs on different tapes, and a loss with two elements, are errors", "[tape]") {
  Context context;
  Tape one(context), two(context);
  const Var a = one.input(scalar(context, 1)), b = two.input(scalar(context, 1));
  REQUIRE_THROWS_WITH(multiply(context, a, b), Catch::Contains("different tapes"));
  const Var wide = one.input(Tensor::zeros(context, {2}, DType::f64));
  REQUIRE_THROWS_AS(one.backward(multiply(context, wide, wide)), ShapeError);
}

TEST_CASE("the gradient harness passes a right gradient", "[tape]") {
  Context context;
  test::check_gradients(
      "multiply", [](Context& c, const std::vector<Var>& in) { return multiply(c, in[0], in[1]); },
      {test::random_tensor(context, {3, 4}, 1), test::random_tensor(context, {3, 4}, 2)}, context);
}
