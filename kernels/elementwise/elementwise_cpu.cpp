#include <algorithm>

#include "kernels/common/parallel_for.hpp"
#include "kernels/elementwise/elementwise.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/elementwise/elementwise_cpu.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/common/vectors-inl.hpp"

#ifndef BSG_ELEMENTWISE_ARGUMENTS
#define BSG_ELEMENTWISE_ARGUMENTS
namespace bsg::kernels::cpu {
namespace {

// count: elements of one item. Element-wise kernels have items of one element.
template <class T>
struct Operands {
  std::int64_t count = 1;
  const T* a = nullptr;
  const T* b = nullptr;
  T* y = nullptr;
  bool accumulate = false;
  double factor = 1;
};

}  // namespace
}  // namespace bsg::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu {
namespace HWY_NAMESPACE {
namespace {

// A run of elements whose sum is kept in the element type; longer sums go on in double.
constexpr std::int64_t kRun = 4096;

template <class T>
void relu_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  each_vector<T>(end - begin, [&](auto d, std::int64_t i) {
    const auto x = hn::LoadU(d, o.a + begin + i);
    hn::StoreU(where_positive(x, x), d, o.y + begin + i);
  });
}

template <class T>
void relu_backward_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  each_vector<T>(end - begin, [&](auto d, std::int64_t i) {
    const auto dx = where_positive(hn::LoadU(d, o.a + begin + i), hn::LoadU(d, o.b + begin + i));
    put(d, dx, o.y + begin + i, o.accumulate);
  });
}

template <class T>
void add_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  each_vector<T>(end - begin, [&](auto d, std::int64_t i) {
    hn::StoreU(hn::Add(hn::LoadU(d, o.a + begin + i), hn::LoadU(d, o.b + begin + i)), d, o.y + begin + i);
  });
}

template <class T>
void scale_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    const T factor = o.b[plane];
    each_vector<T>(o.count, [&](auto d, std::int64_t i) {
      put(d, hn::Mul(hn::LoadU(d, o.a + plane * o.count + i), hn::Set(d, factor)), o.y + plane * o.count + i,
          o.accumulate);
    });
  }
}

template <class T>
void mask_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    T* const y = o.y + plane * o.count;
    if (o.b[plane] == T{0}) {
      if (!o.accumulate) std::fill_n(y, o.count, T{0});
    } else if (o.accumulate || o.a != o.y) {
      each_vector<T>(o.count, [&](auto d, std::int64_t i) {
        put(d, hn::LoadU(d, o.a + plane * o.count + i), y + i, o.accumulate);
      });
    }
  }
}

template <class T>
void dot_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    double sum = 0;
    for (std::int64_t first = 0; first < o.count; first += kRun) {
      const std::int64_t at = plane * o.count + first;
      sum += sum_vectors<T>(std::min(kRun, o.count - first), [&](auto d, std::int64_t i) {
        return hn::Mul(hn::LoadU(d, o.a + at + i), hn::LoadU(d, o.b + at + i));
      });
    }
    o.y[plane] = static_cast<T>(o.accumulate ? static_cast<double>(o.y[plane]) + sum : sum);
  }
}

template <class T>
void fill_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    const T value = static_cast<T>(static_cast<double>(o.a[plane]) * o.factor);
    each_vector<T>(o.count,
                   [&](auto d, std::int64_t i) { put(d, hn::Set(d, value), o.y + plane * o.count + i, o.accumulate); });
  }
}

template <class T>
void sum_part(const Operands<T>& o, std::int64_t begin, std::int64_t end) {
  for (std::int64_t plane = begin; plane < end; ++plane) {
    double sum = 0;
    for (std::int64_t first = 0; first < o.count; first += kRun) {
      const T* x = o.a + plane * o.count + first;
      sum +=
          sum_vectors<T>(std::min(kRun, o.count - first), [&](auto d, std::int64_t i) { return hn::LoadU(d, x + i); });
    }
    o.y[plane] = static_cast<T>(sum * o.factor);
  }
}

BSG_PART(relu_part, Operands)
BSG_PART(relu_backward_part, Operands)
BSG_PART(add_part, Operands)
BSG_PART(scale_part, Operands)
BSG_PART(mask_part, Operands)
BSG_PART(dot_part, Operands)
BSG_PART(fill_part, Operands)
BSG_PART(sum_part, Operands)

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace bsg::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace bsg::kernels::cpu {
namespace {

BSG_EXPORT_PART(relu_part, Operands)
BSG_EXPORT_PART(relu_backward_part, Operands)
BSG_EXPORT_PART(add_part, Operands)
BSG_EXPORT_PART(scale_part, Operands)
BSG_EXPORT_PART(mask_part, Operands)
BSG_EXPORT_PART(dot_part, Operands)
BSG_EXPORT_PART(fill_part, Operands)
BSG_EXPORT_PART(sum_part, Operands)

}  // namespace

template <class T>
void relu(const Launch& launch, std::int64_t count, const T* x, T* y) {
  const Operands<T> operands{.a = x, .y = y};
  parallel_for(launch, count, count,
               [&](std::int64_t begin, std::int64_t end) { run_relu_part(operands, begin, end); });
}

template <class T>
void relu_backward(const Launch& launch, std::int64_t count, const T* y, const T* dy, T* dx, bool accumulate) {
  const Operands<T> operands{.a = y, .b = dy, .y = dx, .accumulate = accumulate};
  parallel_for(launch, count, count,
               [&](std::int64_t begin, std::int64_t end) { run_relu_backward_part(operands, begin, end); });
}

template <class T>
void add(const Launch& launch, std::int64_t count, const T* a, const T* b, T* y) {
  const Operands<T> operands{.a = a, .b = b, .y = y};
  parallel_for(launch, count, count, [&](std::int64_t begin, std::int64_t end) { run_add_part(operands, begin, end); });
}

template <class T>
void scale_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, const T* factor, T* y,
                  bool accumulate) {
  const Operands<T> operands{.count = plane, .a = x, .b = factor, .y = y, .accumulate = accumulate};
  parallel_for(launch, planes, planes * plane,
               [&](std::int64_t begin, std::int64_t end) { run_scale_part(operands, begin, end); });
}

template <class T>
void mask_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, const T* gate, T* y,
                 bool accumulate) {
  const Operands<T> operands{.count = plane, .a = x, .b = gate, .y = y, .accumulate = accumulate};
  parallel_for(launch, planes, planes * plane,
               [&](std::int64_t begin, std::int64_t end) { run_mask_part(operands, begin, end); });
}

template <class T>
void dot_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* a, const T* b, T* result,
                bool accumulate) {
  const Operands<T> operands{.count = plane, .a = a, .b = b, .y = result, .accumulate = accumulate};
  parallel_for(launch, planes, planes * plane,
               [&](std::int64_t begin, std::int64_t end) { run_dot_part(operands, begin, end); });
}

template <class T>
void fill_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* value, double factor, T* y,
                 bool accumulate) {
  const Operands<T> operands{.count = plane, .a = value, .y = y, .accumulate = accumulate, .factor = factor};
  parallel_for(launch, planes, planes * plane,
               [&](std::int64_t begin, std::int64_t end) { run_fill_part(operands, begin, end); });
}

template <class T>
void sum_planes(const Launch& launch, std::int64_t planes, std::int64_t plane, const T* x, double factor, T* result) {
  const Operands<T> operands{.count = plane, .a = x, .y = result, .factor = factor};
  parallel_for(launch, planes, planes * plane,
               [&](std::int64_t begin, std::int64_t end) { run_sum_part(operands, begin, end); });
}

#define BSG_INSTANTIATE(T)                                                                                \
  template void relu<T>(const Launch&, std::int64_t, const T*, T*);                                       \
  template void relu_backward<T>(const Launch&, std::int64_t, const T*, const T*, T*, bool);              \
  template void add<T>(const Launch&, std::int64_t, const T*, const T*, T*);                              \
  template void scale_planes<T>(const Launch&, std::int64_t, std::int64_t, const T*, const T*, T*, bool); \
  template void mask_planes<T>(const Launch&, std::int64_t, std::int64_t, const T*, const T*, T*, bool);  \
  template void dot_planes<T>(const Launch&, std::int64_t, std::int64_t, const T*, const T*, T*, bool);   \
  template void fill_planes<T>(const Launch&, std::int64_t, std::int64_t, const T*, double, T*, bool);    \
  template void sum_planes<T>(const Launch&, std::int64_t, std::int64_t, const T*, double, T*);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
#endif
