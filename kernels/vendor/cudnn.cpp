// Convolutions by cuDNN 9, channels last: x and y NHWC, the weight KRSC.
//
// The algorithm of a shape is the first of cuDNN's own ranking that is deterministic and needs at most kMostWorkspace;
// it is not timed, since two runs could then choose differently, and the same seed must give the same bits.
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/vendor/convolution_key.hpp"
#include "kernels/vendor/state.hpp"

// Last: CUDA has macros of the names that kernels/simt defines away on the host.
#include <cudnn.h>

namespace bsg::kernels::vendor {
namespace {

constexpr std::size_t kMostWorkspace = std::size_t{256} << 20;

void check(cudnnStatus_t status, const char* call) {
  if (status != CUDNN_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cudnn: ") + call + ": " + cudnnGetErrorString(status));
}

// One of cuDNN's descriptors, or its handle.
template <class Object, cudnnStatus_t (*create)(Object*), cudnnStatus_t (*destroy)(Object)>
class Owned {
 public:
  Owned() { check(create(&object_), "create"); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  ~Owned() { destroy(object_); }
  Object get() const { return object_; }

 private:
  Object object_ = nullptr;
};
using Handle = Owned<cudnnHandle_t, cudnnCreate, cudnnDestroy>;
using TensorDescriptor = Owned<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using FilterDescriptor = Owned<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor =
    Owned<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor, cudnnDestroyConvolutionDescriptor>;

bool fits_int(const Conv2dShape& s) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return s.batch * s.height * s.width * s.channels <= kMost &&
         s.batch * s.out_height() * s.out_width() * s.outputs <= kMost && s.weights() <= kMost;
}

// How a pass on a shape is computed.
struct Plan {
  TensorDescriptor x, y;
  FilterDescriptor weight;
  ConvolutionDescriptor convolution;
  bool usable = false;
  int algorithm = 0;
  std::size_t workspace = 0;
};

void describe(const ConvolutionKey& key, const Conv2dShape& s, Plan& plan) {
  const cudnnDataType_t type = key.products == Products::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const auto narrow = [](std::int64_t value) { return static_cast<int>(value); };
  check(cudnnSetTensor4dDescriptor(plan.x.get(), CUDNN_TENSOR_NHWC, type, narrow(s.batch), narrow(s.channels),
                                   narrow(s.height), narrow(s.width)),
        "cudnnSetTensor4dDescriptor");
  check(cudnnSetTensor4dDescriptor(plan.y.get(), CUDNN_TENSOR_NHWC, type, narrow(s.batch), narrow(s.outputs),
                                   narrow(s.out_height()), narrow(s.out_width())),
        "cudnnSetTensor4dDescriptor");
  check(cudnnSetFilter4dDescriptor(plan.weight.get(), type, CUDNN_TENSOR_NHWC, narrow(s.outputs), narrow(s.channels),
                                   narrow(s.kernel_height), narrow(s.kernel_width)),
        "cudnnSetFilter4dDescriptor");
  check(cudnnSetConvolution2dDescriptor(plan.convolution.get(), narrow(s.padding), narrow(s.padding), narrow(s.stride),
                                        narrow(s.stride), narrow(s.dilation), narrow(s.dilation),
                                        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT),
        "cudnnSetConvolution2dDescriptor");
  check(cudnnSetConvolutionMathType(plan.convolution.get(),
                                    key.products == Products::f32 ? CUDNN_FMA_MATH : CUDNN_TENSOR_OP_MATH),
        "cudnnSetConvolutionMathType");
}

// Takes the first of a ranking that will do.
template <class Performance>
void choose(const ConvolutionKey& key, cudnnStatus_t status, const Performance* ranking, int count, Plan& plan) {
  if (status != CUDNN_STATUS_SUCCESS) return;  // no engine for this shape
  for (int i = 0; i < count; ++i) {
    const Performance& candidate = ranking[i];
    if (candidate.status != CUDNN_STATUS_SUCCESS || candidate.determinism != CUDNN_DETERMINISTIC) continue;
    if (candidate.memory > kMostWorkspace) continue;
    if (key.products == Products::f32 && candidate.mathType != CUDNN_FMA_MATH) continue;
    plan.usable = cudnnSetConvolutionMathType(plan.convolution.get(), candidate.mathType) == CUDNN_STATUS_SUCCESS;
    plan.algorithm = static_cast<int>(candidate.algo);
    plan.workspace = candidate.memory;
    return;
  }
}

constexpr int kCandidates = 16;

}  // namespace

struct Cudnn {
  Handle handle;
  std::map<ConvolutionKey, Plan> plans;
};
void DeleteCudnn::operator()(Cudnn* cudnn) const { delete cudnn; }

namespace {

Cudnn& cudnn_of(State& state) {
  if (!state.cudnn) {
    std::unique_ptr<Cudnn, DeleteCudnn> made(new Cudnn);
    check(cudnnSetStream(made->handle.get(), static_cast<cudaStream_t>(state.stream)), "cudnnSetStream");
    state.cudnn = std::move(made);
  }
  return *state.cudnn;
}

Plan& plan_of(Cudnn& cudnn, const ConvolutionKey& key, const Conv2dShape& shape) {
  const auto [place, inserted] = cudnn.plans.try_emplace(key);
  Plan& plan = place->second;
  if (!inserted) return plan;
  describe(key, shape, plan);
  int count = 0;
  const cudnnHandle_t handle = cudnn.handle.get();
  switch (key.pass) {
    case Pass::forward: {
      cudnnConvolutionFwdAlgoPerf_t ranking[kCandidates];
      const cudnnStatus_t status = cudnnGetConvolutionForwardAlgorithm_v7(
          handle, plan.x.get(), plan.weight.get(), plan.convolution.get(), plan.y.get(), kCandidates, &count, ranking);
      choose(key, status, ranking, count, plan);
      break;
    }
    case Pass::backward_input: {
      cudnnConvolutionBwdDataAlgoPerf_t ranking[kCandidates];
      const cudnnStatus_t status = cudnnGetConvolutionBackwardDataAlgorithm_v7(
          handle, plan.weight.get(), plan.y.get(), plan.convolution.get(), plan.x.get(), kCandidates, &count, ranking);
      choose(key, status, ranking, count, plan);
      break;
    }
    case Pass::backward_weight: {
      cudnnConvolutionBwdFilterAlgoPerf_t ranking[kCandidates];
      const cudnnStatus_t status = cudnnGetConvolutionBackwardFilterAlgorithm_v7(
          handle, plan.x.get(), plan.y.get(), plan.convolution.get(), plan.weight.get(), kCandidates, &count, ranking);
      choose(key, status, ranking, count, plan);
      break;
    }
  }
  return plan;
}

// Runs call(handle, plan, workspace) if cuDNN computes the pass on this shape. False: the own kernel must.
template <class T, class Call>
bool run(const Launch& launch, Pass pass, const Conv2dShape& shape, const char* name, const Call& call) {
  if (shape.batch == 0 || shape.channels == 0 || shape.outputs == 0 || !fits_int(shape)) return false;
  const Products products = sizeof(T) == 2 ? Products::bf16 : launch.tf32 ? Products::tf32 : Products::f32;
  State& state = state_of(launch);
  Cudnn& cudnn = cudnn_of(state);
  Plan& plan = plan_of(cudnn, ConvolutionKey(pass, products, shape), shape);
  if (!plan.usable) return false;
  void* const workspace = state.workspace.at_least(plan.workspace);
  if (workspace == nullptr && plan.workspace > 0) return false;
  const cudnnStatus_t status = call(cudnn.handle.get(), plan, workspace);
  // Some shapes are refused only here, before anything was started.
  if (status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000) {
    plan.usable = false;
    return false;
  }
  check(status, name);
  return true;
}

template <class T>
void forward(const Launch& launch, const Conv2dShape& shape, const T* x, const T* weight, const float* bias,
             const float* input_gate, const float* output_gate, T* y) {
  const bool plain = bias == nullptr && input_gate == nullptr && output_gate == nullptr;
  if (plain && run<T>(launch, Pass::forward, shape, "cudnnConvolutionForward",
                      [&](cudnnHandle_t handle, const Plan& plan, void* workspace) {
                        const float one = 1, zero = 0;
                        return cudnnConvolutionForward(handle, &one, plan.x.get(), x, plan.weight.get(), weight,
                                                       plan.convolution.get(),
                                                       static_cast<cudnnConvolutionFwdAlgo_t>(plan.algorithm),
                                                       workspace, plan.workspace, &zero, plan.y.get(), y);
                      }))
    return;
  const Backend& own = state_of(launch).own;
  own.typed<T>().conv2d_forward(launch, shape, x, weight, bias, input_gate, output_gate, y);
}

template <class T>
void backward_input(const Launch& launch, const Conv2dShape& shape, const T* weight, const T* dy,
                    const float* output_gate, T* dx, bool accumulate) {
  if (output_gate == nullptr && run<T>(launch, Pass::backward_input, shape, "cudnnConvolutionBackwardData",
                                       [&](cudnnHandle_t handle, const Plan& plan, void* workspace) {
                                         const float one = 1, beta = accumulate ? 1 : 0;
                                         return cudnnConvolutionBackwardData(
                                             handle, &one, plan.weight.get(), weight, plan.y.get(), dy,
                                             plan.convolution.get(),
                                             static_cast<cudnnConvolutionBwdDataAlgo_t>(plan.algorithm), workspace,
                                             plan.workspace, &beta, plan.x.get(), dx);
                                       }))
    return;
  const Backend& own = state_of(launch).own;
  own.typed<T>().conv2d_backward_input(launch, shape, weight, dy, output_gate, dx, accumulate);
}

// cuDNN's gradient has the type of what is multiplied: a bf16 one is made in memory of the state, then widened.
template <class T>
void backward_weight(const Launch& launch, const Conv2dShape& shape, const T* x, const T* dy, const float* input_gate,
                     const float* output_gate, float* dweight, bool accumulate, float* workspace_of_own) {
  State& state = state_of(launch);
  const Backend& own = state.own;
  constexpr bool kWidened = sizeof(T) == 2;
  const auto count = shape.weights();
  void* target = dweight;
  if constexpr (kWidened) target = state.gradient.at_least(static_cast<std::size_t>(count) * sizeof(T));
  if (input_gate == nullptr && output_gate == nullptr && target != nullptr &&
      run<T>(launch, Pass::backward_weight, shape, "cudnnConvolutionBackwardFilter",
             [&](cudnnHandle_t handle, const Plan& plan, void* workspace) {
               const float one = 1, beta = accumulate && !kWidened ? 1 : 0;
               return cudnnConvolutionBackwardFilter(handle, &one, plan.x.get(), x, plan.y.get(), dy,
                                                     plan.convolution.get(),
                                                     static_cast<cudnnConvolutionBwdFilterAlgo_t>(plan.algorithm),
                                                     workspace, plan.workspace, &beta, plan.weight.get(), target);
             })) {
    if constexpr (kWidened) {
      own.from_bf16(launch, count, static_cast<const simt::bfloat16*>(target), accumulate ? workspace_of_own : dweight);
      if (accumulate) own.f32.add(launch, count, dweight, workspace_of_own, dweight);
    }
    return;
  }
  own.typed<T>().conv2d_backward_weight(launch, shape, x, dy, input_gate, output_gate, dweight, accumulate,
                                        workspace_of_own);
}

}  // namespace

void offer_convolutions(VendorKernels& kernels) {
  kernels.f32 = {forward<float>, backward_input<float>, backward_weight<float>};
  kernels.bf16 = {forward<simt::bfloat16>, backward_input<simt::bfloat16>, backward_weight<simt::bfloat16>};
}

}  // namespace bsg::kernels::vendor
