// Linear layers by cuBLAS: row-major matrices are column-major ones transposed, so each product is computed as its
// transpose.
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/vendor/state.hpp"

// Last: CUDA has macros of the names that kernels/simt defines away on the host.
#include <cublas_v2.h>

namespace bsg::kernels::vendor {

struct Cublas {
  Cublas() = default;
  Cublas(const Cublas&) = delete;
  Cublas& operator=(const Cublas&) = delete;
  ~Cublas() { cublasDestroy(handle); }
  cublasHandle_t handle = nullptr;
};
void DeleteCublas::operator()(Cublas* cublas) const { delete cublas; }

namespace {

void check(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string("cublas: ") + call + ": " + cublasGetStatusString(status));
}

cublasHandle_t handle_of(State& state) {
  if (!state.cublas) {
    std::unique_ptr<Cublas, DeleteCublas> made(new Cublas);
    check(cublasCreate(&made->handle), "cublasCreate");
    check(cublasSetStream(made->handle, static_cast<cudaStream_t>(state.stream)), "cublasSetStream");
    state.cublas = std::move(made);
  }
  return state.cublas->handle;
}

// Products below it take the own kernel: one launch without a library's choosing. An assumption, not yet measured.
constexpr double kLeastProducts = 1 << 24;

bool worth_it(const LinearShape& s) {
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  return s.rows <= kMost && s.inputs <= kMost && s.outputs <= kMost &&
         static_cast<double>(s.rows) * static_cast<double>(s.inputs) * static_cast<double>(s.outputs) >= kLeastProducts;
}

// c [m, n] (+)= op(a) op(b), column-major, depth k.
void multiply(const Launch& launch, cublasOperation_t turn_a, cublasOperation_t turn_b, std::int64_t m, std::int64_t n,
              std::int64_t k, const float* a, std::int64_t pitch_a, const float* b, std::int64_t pitch_b, float* c,
              bool accumulate) {
  State& state = state_of(launch);
  const cublasHandle_t handle = handle_of(state);
  check(cublasSetMathMode(handle, launch.tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
  const float one = 1, beta = accumulate ? 1 : 0;
  check(cublasSgemm(handle, turn_a, turn_b, static_cast<int>(m), static_cast<int>(n), static_cast<int>(k), &one, a,
                    static_cast<int>(pitch_a), b, static_cast<int>(pitch_b), &beta, c, static_cast<int>(m)),
        "cublasSgemm");
}

void linear(const Launch& launch, const LinearShape& s, const float* x, const float* weight, const float* bias,
            float* y) {
  const Backend& own = state_of(launch).own;
  if (!worth_it(s)) return own.linear(launch, s, x, weight, bias, y);
  if (bias != nullptr) own.f32.fill_channels(launch, {1, s.rows, s.outputs}, bias, 1, y, false);
  multiply(launch, CUBLAS_OP_T, CUBLAS_OP_N, s.outputs, s.rows, s.inputs, weight, s.inputs, x, s.inputs, y,
           bias != nullptr);
}

void linear_backward_input(const Launch& launch, const LinearShape& s, const float* weight, const float* dy, float* dx,
                           bool accumulate) {
  if (!worth_it(s)) return state_of(launch).own.linear_backward_input(launch, s, weight, dy, dx, accumulate);
  multiply(launch, CUBLAS_OP_N, CUBLAS_OP_N, s.inputs, s.rows, s.outputs, weight, s.inputs, dy, s.outputs, dx,
           accumulate);
}

void linear_backward_weight(const Launch& launch, const LinearShape& s, const float* x, const float* dy, float* dweight,
                            bool accumulate) {
  if (!worth_it(s)) return state_of(launch).own.linear_backward_weight(launch, s, x, dy, dweight, accumulate);
  multiply(launch, CUBLAS_OP_N, CUBLAS_OP_T, s.inputs, s.outputs, s.rows, x, s.inputs, dy, s.outputs, dweight,
           accumulate);
}

}  // namespace

void offer_products(VendorKernels& kernels) {
  kernels.linear = linear;
  kernels.linear_backward_input = linear_backward_input;
  kernels.linear_backward_weight = linear_backward_weight;
}

}  // namespace bsg::kernels::vendor
