// Convolutions, dense and gated on either side, against plain loops: values and every gradient, under all patterns of
// gates; and NaN planted in everything that gates skip.
#include <functional>

#include "engine/ops/conv2d.hpp"
#include "engine/ops/gated_conv2d.hpp"
#include "tests/independent/compare.hpp"
#include "tests/support/gradient_check.hpp"

using namespace bsg;
using plain::Array;
using test::random_tensor;

namespace {

struct Case {
  std::int64_t n, c, h, w, k, kernel;
  ops::Conv2dOptions options;  // stride, padding, dilation
};

const std::vector<Case> kCases = {
    {3, 16, 16, 16, 16, 3, {1, 1, 1}}, {2, 6, 9, 11, 7, 3, {2, 1, 1}}, {2, 5, 8, 8, 9, 1, {1, 0, 1}},
    {2, 4, 13, 10, 3, 3, {1, 2, 2}},   {4, 3, 7, 7, 5, 5, {3, 2, 1}},  {1, 2, 1, 1, 3, 3, {1, 1, 1}},
};

plain::Geometry geometry(const Case& p) { return {p.options.stride, p.options.padding, p.options.dilation}; }

enum class Gates { all_on, all_off, one_on, random };
constexpr Gates kPatterns[] = {Gates::all_on, Gates::all_off, Gates::one_on, Gates::random};

Tensor gates(Context& context, Gates pattern, std::int64_t n, std::int64_t channels, DType dtype) {
  Tensor gate = Tensor::full(context, {n, channels}, pattern == Gates::all_on ? 1 : 0, DType::f64);
  Generator random(11);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t c = 0; c < channels; ++c) {
      double& value = gate.data<double>()[i * channels + c];
      if (pattern == Gates::one_on) value = c == (3 * i + 1) % channels ? 1 : 0;
      if (pattern == Gates::random) value = random.uniform() < 0.5 ? 1 : 0;
    }
  return gate.cast(context, dtype);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         std::equal(static_cast<const char*>(a.raw()), static_cast<const char*>(a.raw()) + a.bytes(),
                    static_cast<const char*>(b.raw()));
}

// The engine's result and gradients of one convolution.
struct Outcome {
  Tensor y, dx, dweight, dgate;
};

using Convolution = std::function<Var(const Var& x, const Var& weight, const Var& gate)>;

Outcome outcome(Context& context, const Convolution& convolution, const Tensor& x, const Tensor& weight,
                const Tensor& gate, const Tensor& dy, bool gate_wants_gradient = true) {
  Tape tape(context);
  const Var vx = tape.input(x), vw = tape.input(weight), vg = gate_wants_gradient ? tape.input(gate) : Var(gate);
  const Var y = convolution(vx, vw, vg);
  tape.backward(y, dy);
  return {y.value, tape.gradient(vx), tape.gradient(vw), gate_wants_gradient ? tape.gradient(vg) : Tensor()};
}

// The same by plain loops. Gates multiply what flows in or out; their own gradient is that of the product.
template <class S>
struct Reference {
  Array<S> y, dx, dweight, dgate;

  Reference(const Case& p, bool input_side, const Tensor& tx, const Tensor& tw, const Tensor& tg, const Tensor& tdy) {
    const Array<S> x(tx), weight(tw), gate(tg), dy(tdy);
    if (input_side) {
      const Array<S> read = plain::masked(x, gate);
      y = plain::conv2d(read, weight, geometry(p));
      const auto d = plain::conv2d_backward(read, weight, dy, geometry(p));
      dx = plain::masked(d.x, gate);
      dweight = d.weight;
      dgate = plain::plane_products(d.x, x);
    } else {
      const Array<S> all = plain::conv2d(x, weight, geometry(p));
      y = plain::masked(all, gate);
      const auto d = plain::conv2d_backward(x, weight, plain::masked(dy, gate), geometry(p));
      dx = d.x;
      dweight = d.weight;
      dgate = plain::plane_products(dy, all);
    }
  }
};

}  // namespace

TEST_CASE("gradients of conv2d follow plain loops", "[independent]") {
  Context context({.threads = 2});
  for (const Case& p : kCases)
    for (const DType dtype : {DType::f32, DType::f64}) {
      CAPTURE(p.c, p.h, p.w, p.k, p.kernel, p.options.stride, to_string(dtype));
      const Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1, dtype),
                   w = random_tensor(context, {p.k, p.c, p.kernel, p.kernel}, 2, dtype),
                   b = random_tensor(context, {p.k}, 3, dtype);
      Tape tape(context);
      const Var vx = tape.input(x), vw = tape.input(w), vb = tape.input(b);
      const Var y = ops::conv2d(context, vx, vw, vb, p.options);
      const Tensor dy = random_tensor(context, y.shape(), 4, dtype);
      tape.backward(y, dy);
      const auto exact = plain::conv2d_backward(Array<double>(x), Array<double>(w), Array<double>(dy), geometry(p));
      const auto naive = plain::conv2d_backward(Array<float>(x), Array<float>(w), Array<float>(dy), geometry(p));
      plain::check_close("dx", tape.gradient(vx), exact.x, naive.x);
      plain::check_close("dweight", tape.gradient(vw), exact.weight, naive.weight);
      plain::check_close("dbias", tape.gradient(vb), exact.bias, naive.bias);
    }
}

TEST_CASE("gated convolutions follow plain loops under every pattern of gates, gradients straight through",
          "[independent]") {
  Context context({.threads = 2});
  for (const Case& p : kCases)
    for (const bool input_side : {true, false})
      for (const Gates pattern : kPatterns)
        for (const DType dtype : {DType::f32, DType::f64}) {
          CAPTURE(p.c, p.h, p.w, p.k, p.kernel, input_side, static_cast<int>(pattern), to_string(dtype));
          const Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1, dtype),
                       w = random_tensor(context, {p.k, p.c, p.kernel, p.kernel}, 2, dtype),
                       gate = gates(context, pattern, p.n, input_side ? p.c : p.k, dtype);
          const Convolution gated = [&](const Var& vx, const Var& vw, const Var& vg) {
            return input_side ? ops::gated_input_conv2d(context, vx, vg, vw, p.options)
                              : ops::gated_output_conv2d(context, vx, vw, vg, p.options);
          };
          const Convolution dense = [&](const Var& vx, const Var& vw, const Var&) {
            return ops::conv2d(context, vx, vw, Var(), p.options);
          };
          const Tensor all = dense(x, w, Var()).value, dy = random_tensor(context, all.shape(), 3, dtype);
          const Outcome got = outcome(context, gated, x, w, gate, dy);
          const Reference<double> exact(p, input_side, x, w, gate, dy);
          const Reference<float> naive(p, input_side, x, w, gate, dy);
          plain::check_close("y", got.y, exact.y, naive.y);
          plain::check_close("dx", got.dx, exact.dx, naive.dx);
          plain::check_close("dweight", got.dweight, exact.dweight, naive.dweight);
          plain::check_close("dgate", got.dgate, exact.dgate, naive.dgate);

          // Without the gate's gradient less is computed, not something else.
          const Outcome less = outcome(context, gated, x, w, gate, dy, false);
          CHECK(same_bits(less.y, got.y));
          CHECK(same_bits(less.dx, got.dx));
          CHECK(same_bits(less.dweight, got.dweight));
          if (pattern == Gates::all_on) {
            const Outcome whole = outcome(context, dense, x, w, gate, dy, false);
            CHECK(same_bits(got.y, whole.y));
            CHECK(same_bits(got.dx, whole.dx));
            CHECK(same_bits(got.dweight, whole.dweight));
          }
        }
}

TEST_CASE("NaN in every channel and weight that gates skip reaches no output and no other gradient", "[independent]") {
  Context context({.threads = 2});
  for (const Case& p : kCases)
    for (const bool input_side : {true, false})
      for (const Gates pattern : {Gates::all_off, Gates::one_on, Gates::random}) {
        CAPTURE(p.c, p.h, p.w, p.k, p.kernel, input_side, static_cast<int>(pattern));
        const std::int64_t channels = input_side ? p.c : p.k;
        Tensor x = random_tensor(context, {p.n, p.c, p.h, p.w}, 1, DType::f32),
               w = random_tensor(context, {p.k, p.c, p.kernel, p.kernel}, 2, DType::f32);
        const Tensor gate = gates(context, pattern, p.n, channels, DType::f32);
        const Convolution gated = [&](const Var& vx, const Var& vw, const Var& vg) {
          return input_side ? ops::gated_input_conv2d(context, vx, vg, vw, p.options)
                            : ops::gated_output_conv2d(context, vx, vw, vg, p.options);
        };
        Tensor dy = random_tensor(context, gated(x, w, gate).shape(), 3, DType::f32);
        const Outcome clean = outcome(context, gated, x, w, gate, dy, false);

        // Skipped for a sample: the plane of x, or the plane of dy. Skipped for all: the channel's weights.
        const float nan = std::numeric_limits<float>::quiet_NaN();
        Tensor& planes = input_side ? x : dy;
        const std::int64_t plane = planes.shape()[2] * planes.shape()[3], taps = p.kernel * p.kernel;
        for (std::int64_t c = 0; c < channels; ++c) {
          bool used = false;
          for (std::int64_t n = 0; n < p.n; ++n) {
            const std::int64_t at = n * channels + c;
            if (gate.data<float>()[at] != 0) {
              used = true;
            } else {
              std::fill_n(planes.data<float>() + at * plane, plane, nan);
            }
          }
          if (used) continue;
          for (std::int64_t k = 0; k < p.k; ++k)
            for (std::int64_t in = 0; in < p.c; ++in)
              if ((input_side ? in : k) == c) std::fill_n(w.data<float>() + (k * p.c + in) * taps, taps, nan);
        }
        const Outcome planted = outcome(context, gated, x, w, gate, dy, false);
        CHECK(same_bits(planted.y, clean.y));
        CHECK(same_bits(planted.dx, clean.dx));
        CHECK(same_bits(planted.dweight, clean.dweight));
      }
}
