// A warp takes one position after another: its lanes share the classes, which lie side by side.
#include <cmath>
#include <limits>

#include "kernels/common/last_block.hpp"
#include "kernels/common/vectors_device.hpp"
#include "kernels/simt/simt.hpp"
#include "kernels/softmax_cross_entropy/softmax_cross_entropy_device.hpp"

namespace bsg::kernels::device {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kWarps = kThreads / simt::kWarp;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

struct LossStorage {
  simt::BlockSum<double, kThreads> sum;
};

__device__ float weight_of(const CrossEntropy& a, std::int64_t label) {
  return a.class_weights != nullptr ? a.class_weights[label] : 1;
}

// Of all classes, on every lane of the warp.
__device__ float sum_of_weights(const CrossEntropy& a) {
  if (a.class_weights == nullptr) return static_cast<float>(a.classes);
  float sum = 0;
  for (std::int64_t k = simt::lane(); k < a.classes; k += simt::kWarp) sum += a.class_weights[k];
  return simt::warp_sum(sum);
}

// The loss at one position on every lane of its warp, and log_sum on all.
template <class T>
__device__ float position_loss(const CrossEntropy& a, float smooth, float all_weights, const T* z, std::int64_t label,
                               float& log_sum) {
  const unsigned lane = simt::lane();
  float largest = -kInfinity;
  for (std::int64_t k = lane; k < a.classes; k += simt::kWarp) largest = simt::maximum(largest, widen(z[k]));
  largest = simt::warp_max(largest);
  // About the largest: sums stay small where logits are large.
  float sum = 0, total = 0;
  for (std::int64_t k = lane; k < a.classes; k += simt::kWarp) {
    const float below = widen(z[k]) - largest;
    sum += std::exp(below);
    total += weight_of(a, k) * below;
  }
  sum = simt::warp_sum(sum);
  total = simt::warp_sum(total);
  log_sum = largest + std::log(sum);
  const float below_sum = std::log(sum);
  float loss = (1 - smooth) * weight_of(a, label) * (below_sum - (widen(z[label]) - largest));
  // Without smoothing a class that is masked out by a logit of -infinity costs nothing: no 0 * infinity.
  if (smooth > 0) loss += smooth / static_cast<float>(a.classes) * (all_weights * below_sum - total);
  return loss;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    add_losses(CrossEntropy a, float smooth, const T* logits, const std::int64_t* labels, float* loss,
               CrossEntropySaved saved, CrossEntropyScratch scratch) {
  auto& s = simt::shared<LossStorage>();
  const unsigned t = simt::thread().x, blocks = simt::grid_size().x;
  const float all_weights = sum_of_weights(a);
  double sum = 0, counted = 0;
  for (std::int64_t i = static_cast<std::int64_t>(simt::block().x) * kWarps + simt::warp(); i < a.positions;
       i += static_cast<std::int64_t>(blocks) * kWarps) {
    const std::int64_t label = labels[i];
    if (label == a.ignore_index) continue;
    const bool valid = label >= 0 && label < a.classes;
    float log_sum = kNan, here = kNan;
    if (valid) here = position_loss(a, smooth, all_weights, logits + i * a.classes, label, log_sum);
    if (simt::lane() != 0) continue;
    saved.log_sum[i] = log_sum;
    sum += static_cast<double>(here);
    counted += static_cast<double>(valid ? weight_of(a, label) : 1);
  }
  sum = simt::block_sum<kThreads>(s.sum, sum);
  counted = simt::block_sum<kThreads>(s.sum, counted);
  if (t == 0) {
    scratch.partials[2 * simt::block().x] = sum;
    scratch.partials[2 * simt::block().x + 1] = counted;
  }
  if (!last_block(scratch.ticket, blocks)) return;
  sum = counted = 0;
  for (unsigned b = t; b < blocks; b += kThreads) {
    sum += scratch.partials[2 * b];
    counted += scratch.partials[2 * b + 1];
  }
  sum = simt::block_sum<kThreads>(s.sum, sum);
  counted = simt::block_sum<kThreads>(s.sum, counted);
  if (t != 0) return;
  *saved.share = counted > 0 ? static_cast<float>(1 / counted) : 0;
  *loss = counted > 0 ? static_cast<float>(sum / counted) : 0;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    differentiate(CrossEntropy a, float smooth, const T* logits, const std::int64_t* labels, CrossEntropySaved saved,
                  const float* dloss, T* dlogits, bool accumulate) {
  const float scale = dloss != nullptr ? *dloss * *saved.share : *saved.share;
  const float everywhere = smooth / static_cast<float>(a.classes);
  const float of_all = everywhere * sum_of_weights(a);
  for (std::int64_t i = static_cast<std::int64_t>(simt::block().x) * kWarps + simt::warp(); i < a.positions;
       i += static_cast<std::int64_t>(simt::grid_size().x) * kWarps) {
    const std::int64_t label = labels[i];
    const bool counts = label != a.ignore_index, valid = label >= 0 && label < a.classes;
    if (!counts && accumulate) continue;
    const float log_sum = counts && valid ? saved.log_sum[i] : 0;
    const float of_label = valid ? (1 - smooth) * weight_of(a, label) : 0;
    const float factor = a.class_weights != nullptr ? of_label + of_all : 1;
    for (std::int64_t k = simt::lane(); k < a.classes; k += simt::kWarp) {
      const std::int64_t at = i * a.classes + k;
      Floats<1> d{{0}};
      if (counts && valid) {
        const float target = everywhere * weight_of(a, k) + (k == label ? of_label : 0);
        d.v[0] = scale * (factor * std::exp(widen(logits[at]) - log_sum) - target);
      } else if (counts) {
        d.v[0] = kNan;
      }
      put_floats(dlogits + at, d, accumulate);
    }
  }
}

unsigned position_blocks(std::int64_t positions, std::int64_t most) {
  const std::int64_t wanted = (positions + kWarps - 1) / kWarps;
  return static_cast<unsigned>(wanted < most ? wanted : most);
}

}  // namespace

template <class T>
void softmax_cross_entropy(const Launch& launch, const CrossEntropy& a, const T* logits, const std::int64_t* labels,
                           float* loss, const CrossEntropySaved& saved, const CrossEntropyScratch& scratch) {
  // Without positions one block still writes the loss.
  const unsigned blocks = position_blocks(a.positions > 0 ? a.positions : 1, CrossEntropyScratch::kPartials / 2);
  simt::launch<LossStorage>(add_losses<T>, {blocks}, {kThreads}, launch.stream, a,
                            static_cast<float>(a.label_smoothing), logits, labels, loss, saved, scratch);
}

template <class T>
void softmax_cross_entropy_backward(const Launch& launch, const CrossEntropy& a, const T* logits,
                                    const std::int64_t* labels, const CrossEntropySaved& saved, const float* dloss,
                                    T* dlogits, bool accumulate) {
  simt::launch(differentiate<T>, {position_blocks(a.positions, 4096)}, {kThreads}, launch.stream, a,
               static_cast<float>(a.label_smoothing), logits, labels, saved, dloss, dlogits, accumulate);
}

#define BSG_INSTANTIATE(T)                                                                                           \
  template void softmax_cross_entropy<T>(const Launch&, const CrossEntropy&, const T*, const std::int64_t*, float*,  \
                                         const CrossEntropySaved&, const CrossEntropyScratch&);                      \
  template void softmax_cross_entropy_backward<T>(const Launch&, const CrossEntropy&, const T*, const std::int64_t*, \
                                                  const CrossEntropySaved&, const float*, T*, bool);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(simt::bfloat16)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::device
