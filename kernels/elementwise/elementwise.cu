// Kernels that read each element once and write each once: nothing but memory traffic, in 16-byte vectors.
#include <cmath>

#include "kernels/common/last_block.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/elementwise/elementwise_device.hpp"
#include "kernels/simt/simt.hpp"

namespace bsg::kernels::device {
namespace {

// Not fmax, which drops a NaN.
__device__ __forceinline__ float positive_or_nan(float condition, float value) {
  return condition > 0 || condition != condition ? value : 0;
}

__device__ __forceinline__ float logistic(float x) {
  const float e = std::exp(-std::fabs(x));
  return (x >= 0 ? 1 : e) / (1 + e);
}

// s (1 - s) without the cancellation of 1 - s.
__device__ __forceinline__ float logistic_slope(float x) {
  const float e = std::exp(-std::fabs(x));
  return e / ((1 + e) * (1 + e));
}

template <class T>
struct Relu {
  const T* x;
  T* y;
  template <int N>
  __device__ void at(std::int64_t i) const {
    auto v = load_floats<N>(x + i);
    for (int k = 0; k < N; ++k) v.v[k] = positive_or_nan(v.v[k], v.v[k]);
    store_floats(y + i, v);
  }
};

template <class T>
struct ReluBackward {
  const T* y;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(std::int64_t i) const {
    const auto result = load_floats<N>(y + i);
    auto v = load_floats<N>(dy + i);
    for (int k = 0; k < N; ++k) v.v[k] = positive_or_nan(result.v[k], v.v[k]);
    put_floats(dx + i, v, accumulate);
  }
};

template <class T, bool product>
struct Combine {
  const T* a;
  const T* b;
  T* y;
  bool accumulate;
  template <int N>
  __device__ void at(std::int64_t i) const {
    auto v = load_floats<N>(a + i);
    const auto w = load_floats<N>(b + i);
    for (int k = 0; k < N; ++k) v.v[k] = product ? v.v[k] * w.v[k] : v.v[k] + w.v[k];
    put_floats(y + i, v, accumulate);
  }
};

template <class T>
struct Scale {
  const T* x;
  float factor;
  const float* scale;
  T* y;
  bool accumulate;
  template <int N>
  __device__ void at(std::int64_t i) const {
    const float all = scale != nullptr ? factor * *scale : factor;
    auto v = load_floats<N>(x + i);
    for (int k = 0; k < N; ++k) v.v[k] *= all;
    put_floats(y + i, v, accumulate);
  }
};

template <class T>
struct Fill {
  float value;
  T* y;
  template <int N>
  __device__ void at(std::int64_t i) const {
    Floats<N> v;
    for (int k = 0; k < N; ++k) v.v[k] = value;
    store_floats(y + i, v);
  }
};

template <class T>
struct Sigmoid {
  const T* x;
  T* y;
  template <int N>
  __device__ void at(std::int64_t i) const {
    auto v = load_floats<N>(x + i);
    for (int k = 0; k < N; ++k) v.v[k] = logistic(v.v[k]);
    store_floats(y + i, v);
  }
};

template <class T>
struct SigmoidBackward {
  const T* x;
  const T* dy;
  T* dx;
  bool accumulate;
  template <int N>
  __device__ void at(std::int64_t i) const {
    const auto in = load_floats<N>(x + i);
    auto v = load_floats<N>(dy + i);
    for (int k = 0; k < N; ++k) v.v[k] *= logistic_slope(in.v[k]);
    put_floats(dx + i, v, accumulate);
  }
};

struct SumSigmoidBackward {
  const float* x;
  float factor;
  const float* scale;
  float* dx;
  bool accumulate;
  template <int N>
  __device__ void at(std::int64_t i) const {
    const float all = factor * *scale;
    auto v = load_floats<N>(x + i);
    for (int k = 0; k < N; ++k) v.v[k] = all * logistic_slope(v.v[k]);
    put_floats(dx + i, v, accumulate);
  }
};

constexpr unsigned kSumThreads = 256;

struct SumStorage {
  simt::BlockSum<double, kSumThreads> sum;
};

__global__ void __launch_bounds__(kSumThreads)
    add_sigmoids(std::int64_t count, const float* x, double factor, float* result, double* partials, unsigned* ticket) {
  auto& s = simt::shared<SumStorage>();
  const unsigned t = simt::thread().x, blocks = simt::grid_size().x;
  double sum = 0;
  for (std::int64_t i = static_cast<std::int64_t>(simt::block().x) * kSumThreads + t; i < count;
       i += static_cast<std::int64_t>(blocks) * kSumThreads)
    sum += static_cast<double>(logistic(x[i]));
  sum = simt::block_sum<kSumThreads>(s.sum, sum);
  if (t == 0) partials[simt::block().x] = sum;
  if (!last_block(ticket, blocks)) return;
  sum = simt::block_sum<kSumThreads>(s.sum, t < blocks ? partials[t] : 0);
  if (t == 0) *result = static_cast<float>(factor * sum);
}

struct Terms {
  const float* values[kMostTerms];
  double weights[kMostTerms];
};

__global__ void __launch_bounds__(simt::kWarp) add_terms(Terms terms, int count, float* sum, bool add) {
  if (simt::thread().x != 0) return;
  double total = add ? static_cast<double>(*sum) : 0;
  for (int i = 0; i < count; ++i) total += terms.weights[i] * static_cast<double>(*terms.values[i]);
  *sum = static_cast<float>(total);
}

}  // namespace

template <class T>
void relu(const Launch& launch, std::int64_t count, const T* x, T* y) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(x) && aligned(y), Relu<T>{x, y});
}

template <class T>
void relu_backward(const Launch& launch, std::int64_t count, const T* y, const T* dy, T* dx, bool accumulate) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(y) && aligned(dy) && aligned(dx),
                                  ReluBackward<T>{y, dy, dx, accumulate});
}

template <class T>
void add(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(a) && aligned(b) && aligned(y),
                                  Combine<T, false>{a, b, y, false});
}

template <class T>
void multiply(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y, bool accumulate) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(a) && aligned(b) && aligned(y),
                                  Combine<T, true>{a, b, y, accumulate});
}

template <class T>
void scale(const Launch& launch, std::int64_t count, const T* x, double factor, const float* scale, T* y,
           bool accumulate) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(x) && aligned(y),
                                  Scale<T>{x, static_cast<float>(factor), scale, y, accumulate});
}

template <class T>
void fill(const Launch& launch, std::int64_t count, double value, T* y) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(y), Fill<T>{static_cast<float>(value), y});
}

template <class T>
void sigmoid(const Launch& launch, std::int64_t count, const T* x, T* y) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(x) && aligned(y), Sigmoid<T>{x, y});
}

template <class T>
void sigmoid_backward(const Launch& launch, std::int64_t count, const T* x, const T* dy, T* dx, bool accumulate) {
  launch_each_element<kVector<T>>(launch.stream, count, aligned(x) && aligned(dy) && aligned(dx),
                                  SigmoidBackward<T>{x, dy, dx, accumulate});
}

void sum_sigmoid(const Launch& launch, std::int64_t count, const float* x, double factor, float* result,
                 double* partials, unsigned* ticket) {
  // A few values a thread; the last block has one thread for each partial sum.
  const std::int64_t wanted = (count + 4 * kSumThreads - 1) / (4 * kSumThreads);
  const auto blocks = static_cast<unsigned>(wanted < 1 ? 1 : wanted > kSumPartials ? kSumPartials : wanted);
  static_assert(kSumPartials <= kSumThreads);
  simt::launch<SumStorage>(add_sigmoids, {blocks, 1, 1}, {kSumThreads, 1, 1}, launch.stream, count, x, factor, result,
                           partials, ticket);
}

void sum_sigmoid_backward(const Launch& launch, std::int64_t count, const float* x, double factor, const float* scale,
                          float* dx, bool accumulate) {
  launch_each_element<kVector<float>>(launch.stream, count, aligned(x) && aligned(dx),
                                      SumSigmoidBackward{x, static_cast<float>(factor), scale, dx, accumulate});
}

void weighted_sum(const Launch& launch, int terms, const float* const* values, const double* weights, float* sum,
                  bool add) {
  Terms all{};
  for (int i = 0; i < terms; ++i) {
    all.values[i] = values[i];
    all.weights[i] = weights[i];
  }
  simt::launch(add_terms, {1, 1, 1}, {simt::kWarp, 1, 1}, launch.stream, all, terms, sum, add);
}

#define BSG_INSTANTIATE(T)                                                                       \
  template void relu<T>(const Launch&, std::int64_t, const T*, T*);                              \
  template void relu_backward<T>(const Launch&, std::int64_t, const T*, const T*, T*, bool);     \
  template void add<T>(const Launch&, std::int64_t, const T*, const T*, T*);                     \
  template void multiply<T>(const Launch&, std::int64_t, const T*, const T*, T*, bool);          \
  template void scale<T>(const Launch&, std::int64_t, const T*, double, const float*, T*, bool); \
  template void fill<T>(const Launch&, std::int64_t, double, T*);                                \
  template void sigmoid<T>(const Launch&, std::int64_t, const T*, T*);                           \
  template void sigmoid_backward<T>(const Launch&, std::int64_t, const T*, const T*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
