// The mathematics of the engine's layers a second time, as plain loops that share no code with it: in double the
// reference, in float the naive implementation whose error the engine's is measured against.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/core/tensor.hpp"

namespace bsg::plain {

// x[n][c][h][w] in one vector; matrices have h = w = 1.
template <class S>
struct Array {
  std::int64_t n = 0, c = 0, h = 1, w = 1;
  std::vector<S> values;

  Array() = default;
  Array(std::int64_t n_, std::int64_t c_, std::int64_t h_ = 1, std::int64_t w_ = 1)
      : n(n_), c(c_), h(h_), w(w_), values(static_cast<std::size_t>(n_ * c_ * h_ * w_), S{0}) {}

  // A tensor of rank 1 becomes one row.
  explicit Array(const Tensor& t)
      : Array(t.shape().rank() == 1 ? 1 : t.shape()[0], t.shape().rank() == 1 ? t.shape()[0] : t.shape()[1],
              t.shape().rank() == 4 ? t.shape()[2] : 1, t.shape().rank() == 4 ? t.shape()[3] : 1) {
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] =
          static_cast<S>(t.dtype() == DType::f32 ? static_cast<double>(t.data<float>()[i]) : t.data<double>()[i]);
  }

  S& at(std::int64_t in, std::int64_t ic, std::int64_t ih = 0, std::int64_t iw = 0) {
    return values[static_cast<std::size_t>(((in * c + ic) * h + ih) * w + iw)];
  }
  const S& at(std::int64_t in, std::int64_t ic, std::int64_t ih = 0, std::int64_t iw = 0) const {
    return values[static_cast<std::size_t>(((in * c + ic) * h + ih) * w + iw)];
  }
  // The same extents, all zero.
  Array zeros() const { return Array(n, c, h, w); }
};

struct Geometry {
  int stride = 1, padding = 0, dilation = 1;
};

// Calls visit(n, k, i, j, c, r, s, h, w) for every product weight[k][c][r][s] * x[n][c][h][w] of output [n][k][i][j].
template <class S, class Visit>
void each_product(const Array<S>& x, const Array<S>& weight, const Array<S>& y, const Geometry& g, const Visit& visit) {
  for (std::int64_t n = 0; n < y.n; ++n)
    for (std::int64_t k = 0; k < y.c; ++k)
      for (std::int64_t i = 0; i < y.h; ++i)
        for (std::int64_t j = 0; j < y.w; ++j)
          for (std::int64_t c = 0; c < x.c; ++c)
            for (std::int64_t r = 0; r < weight.h; ++r)
              for (std::int64_t s = 0; s < weight.w; ++s) {
                const std::int64_t h = i * g.stride + r * g.dilation - g.padding;
                const std::int64_t w = j * g.stride + s * g.dilation - g.padding;
                if (h >= 0 && w >= 0 && h < x.h && w < x.w) visit(n, k, i, j, c, r, s, h, w);
              }
}

template <class S>
Array<S> conv2d(const Array<S>& x, const Array<S>& weight, const Geometry& g) {
  Array<S> y(x.n, weight.n, (x.h + 2 * g.padding - g.dilation * (weight.h - 1) - 1) / g.stride + 1,
             (x.w + 2 * g.padding - g.dilation * (weight.w - 1) - 1) / g.stride + 1);
  each_product(x, weight, y, g, [&](auto n, auto k, auto i, auto j, auto c, auto r, auto s, auto h, auto w) {
    y.at(n, k, i, j) += weight.at(k, c, r, s) * x.at(n, c, h, w);
  });
  return y;
}

template <class S>
struct Conv2dGradients {
  Array<S> x, weight, bias;
};

template <class S>
Conv2dGradients<S> conv2d_backward(const Array<S>& x, const Array<S>& weight, const Array<S>& dy, const Geometry& g) {
  Conv2dGradients<S> d{x.zeros(), weight.zeros(), Array<S>(1, weight.n)};
  each_product(x, weight, dy, g, [&](auto n, auto k, auto i, auto j, auto c, auto r, auto s, auto h, auto w) {
    d.x.at(n, c, h, w) += weight.at(k, c, r, s) * dy.at(n, k, i, j);
    d.weight.at(k, c, r, s) += x.at(n, c, h, w) * dy.at(n, k, i, j);
  });
  for (std::int64_t n = 0; n < dy.n; ++n)
    for (std::int64_t k = 0; k < dy.c; ++k)
      for (std::int64_t i = 0; i < dy.h; ++i)
        for (std::int64_t j = 0; j < dy.w; ++j) d.bias.at(0, k) += dy.at(n, k, i, j);
  return d;
}

// Calls visit(n, c, h, w) for every element.
template <class S, class Visit>
void each_element(const Array<S>& x, const Visit& visit) {
  for (std::int64_t n = 0; n < x.n; ++n)
    for (std::int64_t c = 0; c < x.c; ++c)
      for (std::int64_t h = 0; h < x.h; ++h)
        for (std::int64_t w = 0; w < x.w; ++w) visit(n, c, h, w);
}

// gate [N][C] times x, by choice and not by product: what is off is not read.
template <class S>
Array<S> masked(const Array<S>& x, const Array<S>& gate) {
  Array<S> y = x.zeros();
  each_element(x, [&](auto n, auto c, auto h, auto w) {
    if (gate.at(n, c) != 0) y.at(n, c, h, w) = x.at(n, c, h, w);
  });
  return y;
}

// [N][C]: the sum over each plane of a * b.
template <class S>
Array<S> plane_products(const Array<S>& a, const Array<S>& b) {
  Array<S> sum(a.n, a.c);
  each_element(a, [&](auto n, auto c, auto h, auto w) { sum.at(n, c) += a.at(n, c, h, w) * b.at(n, c, h, w); });
  return sum;
}

// Batch norm by the batch's own statistics, and what its gradient needs of them.
template <class S>
struct BatchNorm {
  Array<S> y, normalised;
  Array<S> mean, variance, deviation;  // variance is the biased one, deviation sqrt(variance + epsilon)
};

template <class S>
BatchNorm<S> batch_norm(const Array<S>& x, const Array<S>& weight, const Array<S>& bias, double epsilon = 1e-5) {
  const S count = static_cast<S>(x.n * x.h * x.w);
  BatchNorm<S> b{x.zeros(), x.zeros(), Array<S>(1, x.c), Array<S>(1, x.c), Array<S>(1, x.c)};
  each_element(x, [&](auto n, auto c, auto h, auto w) { b.mean.at(0, c) += x.at(n, c, h, w); });
  for (S& value : b.mean.values) value /= count;
  each_element(x, [&](auto n, auto c, auto h, auto w) {
    const S difference = x.at(n, c, h, w) - b.mean.at(0, c);
    b.variance.at(0, c) += difference * difference;
  });
  for (std::int64_t c = 0; c < x.c; ++c) {
    b.variance.at(0, c) /= count;
    b.deviation.at(0, c) = std::sqrt(b.variance.at(0, c) + static_cast<S>(epsilon));
  }
  each_element(x, [&](auto n, auto c, auto h, auto w) {
    b.normalised.at(n, c, h, w) = (x.at(n, c, h, w) - b.mean.at(0, c)) / b.deviation.at(0, c);
    b.y.at(n, c, h, w) = weight.at(0, c) * b.normalised.at(n, c, h, w) + bias.at(0, c);
  });
  return b;
}

template <class S>
struct BatchNormGradients {
  Array<S> x, weight, bias;
};

template <class S>
BatchNormGradients<S> batch_norm_backward(const BatchNorm<S>& b, const Array<S>& weight, const Array<S>& dy) {
  const S count = static_cast<S>(dy.n * dy.h * dy.w);
  BatchNormGradients<S> d{dy.zeros(), Array<S>(1, dy.c), Array<S>(1, dy.c)};
  each_element(dy, [&](auto n, auto c, auto h, auto w) {
    d.bias.at(0, c) += dy.at(n, c, h, w);
    d.weight.at(0, c) += dy.at(n, c, h, w) * b.normalised.at(n, c, h, w);
  });
  each_element(dy, [&](auto n, auto c, auto h, auto w) {
    d.x.at(n, c, h, w) =
        weight.at(0, c) / b.deviation.at(0, c) *
        (dy.at(n, c, h, w) - d.bias.at(0, c) / count - b.normalised.at(n, c, h, w) * d.weight.at(0, c) / count);
  });
  return d;
}

template <class S>
Array<S> relu(const Array<S>& x) {
  Array<S> y = x;
  for (S& value : y.values) value = value > 0 ? value : S{0};
  return y;
}

// dy where y is above zero.
template <class S>
Array<S> relu_backward(const Array<S>& y, const Array<S>& dy) {
  Array<S> dx = dy;
  for (std::size_t i = 0; i < dx.values.size(); ++i)
    if (!(y.values[i] > 0)) dx.values[i] = 0;
  return dx;
}

// x [N][I] times weight [O][I].
template <class S>
Array<S> linear(const Array<S>& x, const Array<S>& weight) {
  Array<S> y(x.n, weight.n);
  for (std::int64_t n = 0; n < x.n; ++n)
    for (std::int64_t o = 0; o < weight.n; ++o)
      for (std::int64_t i = 0; i < x.c; ++i) y.at(n, o) += x.at(n, i) * weight.at(o, i);
  return y;
}

template <class S>
struct LinearGradients {
  Array<S> x, weight, bias;
};

template <class S>
LinearGradients<S> linear_backward(const Array<S>& x, const Array<S>& weight, const Array<S>& dy) {
  LinearGradients<S> d{x.zeros(), weight.zeros(), Array<S>(1, weight.n)};
  for (std::int64_t n = 0; n < x.n; ++n)
    for (std::int64_t o = 0; o < weight.n; ++o) {
      d.bias.at(0, o) += dy.at(n, o);
      for (std::int64_t i = 0; i < x.c; ++i) {
        d.x.at(n, i) += dy.at(n, o) * weight.at(o, i);
        d.weight.at(o, i) += dy.at(n, o) * x.at(n, i);
      }
    }
  return d;
}

template <class S>
struct CrossEntropy {
  S loss = 0;
  Array<S> gradient;  // for the logits
};

// logits [N][K][H][W], labels [N][H][W]; the mean over positions whose label is not ignored.
template <class S>
CrossEntropy<S> cross_entropy(const Array<S>& logits, const std::vector<std::int64_t>& labels, double smoothing,
                              std::int64_t ignored) {
  CrossEntropy<S> result{0, logits.zeros()};
  S counted = 0;
  for (const std::int64_t label : labels) counted += label != ignored ? S{1} : S{0};
  for (std::int64_t n = 0; n < logits.n; ++n)
    for (std::int64_t h = 0; h < logits.h; ++h)
      for (std::int64_t w = 0; w < logits.w; ++w) {
        const std::int64_t label = labels[static_cast<std::size_t>((n * logits.h + h) * logits.w + w)];
        if (label == ignored) continue;
        S sum = 0;
        for (std::int64_t k = 0; k < logits.c; ++k) sum += std::exp(logits.at(n, k, h, w));
        for (std::int64_t k = 0; k < logits.c; ++k) {
          const S target = (k == label ? S(1 - smoothing) : S{0}) + S(smoothing) / static_cast<S>(logits.c);
          result.loss -= target * (logits.at(n, k, h, w) - std::log(sum)) / counted;
          result.gradient.at(n, k, h, w) = (std::exp(logits.at(n, k, h, w)) / sum - target) / counted;
        }
      }
  return result;
}

}  // namespace bsg::plain
