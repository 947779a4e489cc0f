// What the vector kernels share. Included once per instruction set, after hwy/foreach_target.h.
#if defined(BSG_KERNELS_COMMON_VECTORS_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef BSG_KERNELS_COMMON_VECTORS_INL_HPP
#undef BSG_KERNELS_COMMON_VECTORS_INL_HPP
#else
#define BSG_KERNELS_COMMON_VECTORS_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace bsg::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Calls body(tag, i) for vectors that cover [0, count): whole ones, then the rest one element at a time through the
// same body, so that an element's bits do not depend on where in the vector it lies.
template <class T, class Body>
HWY_INLINE void each_vector(std::int64_t count, const Body& body) {
  const hn::ScalableTag<T> whole;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) body(whole, i);
  for (; i < count; ++i) body(single, i);
}

// The sum of term(tag, i) over [0, count), with four vectors of partial sums.
template <class T, class Term>
HWY_INLINE double sum_vectors(std::int64_t count, const Term& term) {
  const hn::ScalableTag<T> whole;
  const hn::CappedTag<T, 1> single;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(whole));
  auto sum0 = hn::Zero(whole), sum1 = hn::Zero(whole), sum2 = hn::Zero(whole), sum3 = hn::Zero(whole);
  std::int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    sum0 = hn::Add(sum0, term(whole, i));
    sum1 = hn::Add(sum1, term(whole, i + lanes));
    sum2 = hn::Add(sum2, term(whole, i + 2 * lanes));
    sum3 = hn::Add(sum3, term(whole, i + 3 * lanes));
  }
  for (; i + lanes <= count; i += lanes) sum0 = hn::Add(sum0, term(whole, i));
  const auto all = hn::Add(hn::Add(sum0, sum1), hn::Add(sum2, sum3));
  double sum = static_cast<double>(hn::GetLane(hn::SumOfLanes(whole, all)));
  for (; i < count; ++i) sum += static_cast<double>(hn::GetLane(term(single, i)));
  return sum;
}

// Zero where gate is not above zero; NaN in gate lets the value pass, so that it is not hidden.
template <class V>
HWY_INLINE V where_positive(V gate, V value) {
  return hn::IfThenZeroElse(hn::Le(gate, hn::Zero(hn::DFromV<V>())), value);
}

// Writes value, or adds it to what is there.
template <class D, class V, class T>
HWY_INLINE void put(D d, V value, T* HWY_RESTRICT target, bool accumulate) {
  if (accumulate) value = hn::Add(hn::LoadU(d, target), value);
  hn::StoreU(value, d, target);
}

}  // namespace bsg::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// Highway's tables hold functions, not templates. A kernel part is a template part<T>(arguments, begin, end) that does
// the items [begin, end); BSG_PART names it for both types inside the per-target namespace, BSG_EXPORT_PART makes
// run_part(arguments, begin, end) outside of it, which calls the version for the machine.
#ifndef BSG_PART
#define BSG_PART(part, Arguments)                                                             \
  void part##_f32(const Arguments<float>& arguments, std::int64_t begin, std::int64_t end) {  \
    part<float>(arguments, begin, end);                                                       \
  }                                                                                           \
  void part##_f64(const Arguments<double>& arguments, std::int64_t begin, std::int64_t end) { \
    part<double>(arguments, begin, end);                                                      \
  }
#define BSG_EXPORT_PART(part, Arguments)                                                             \
  HWY_EXPORT(part##_f32);                                                                            \
  HWY_EXPORT(part##_f64);                                                                            \
  inline void run_##part(const Arguments<float>& arguments, std::int64_t begin, std::int64_t end) {  \
    HWY_DYNAMIC_DISPATCH(part##_f32)(arguments, begin, end);                                         \
  }                                                                                                  \
  inline void run_##part(const Arguments<double>& arguments, std::int64_t begin, std::int64_t end) { \
    HWY_DYNAMIC_DISPATCH(part##_f64)(arguments, begin, end);                                         \
  }
#endif

#endif  // per-target include guard
