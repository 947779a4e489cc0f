// runtime.hpp on the CUDA runtime.
#include <cuda_runtime_api.h>

#include "kernels/simt/runtime.hpp"

namespace bsg::simt {
namespace {

void check(cudaError_t error, const std::string& call) {
  if (error != cudaSuccess) throw RuntimeError(call + ": " + cudaGetErrorString(error));
}

cudaStream_t of(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }

std::string sized(const char* call, std::size_t bytes) {
  return std::string(call) + " of " + std::to_string(bytes) + " bytes";
}

void copy(const char* call, void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, void* stream) {
  if (bytes != 0) check(cudaMemcpyAsync(to, from, bytes, kind, of(stream)), sized(call, bytes));
}

bool pinned(const void* memory) {
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, memory), "copy_to_device");
  return attributes.type == cudaMemoryTypeHost;
}

}  // namespace

int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  // The error stays until it is taken.
  cudaGetLastError();
  return 0;
}

std::string device_name() {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "device_name");
  return properties.name;
}

void* allocate(std::size_t bytes, void* stream) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t error = cudaMallocAsync(&memory, bytes, of(stream));
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, sized("allocate", bytes));
  return memory;
}

void release(void* memory, void* stream) {
  if (memory != nullptr) cudaFreeAsync(memory, of(stream));
}

void* allocate_pinned(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  void* memory = nullptr;
  const cudaError_t error = cudaMallocHost(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(error, sized("allocate_pinned", bytes));
  return memory;
}

void release_pinned(void* memory) { cudaFreeHost(memory); }

void copy_to_device(void* to, const void* from, std::size_t bytes, void* stream) {
  copy("copy_to_device", to, from, bytes, cudaMemcpyHostToDevice, stream);
  // Up to this size the runtime takes memory that is not pinned into the queue itself; of more it promises nothing.
  constexpr std::size_t kQueued = std::size_t{64} << 10;
  if (bytes > kQueued && !pinned(from)) synchronize(stream);
}

void copy_to_host(void* to, const void* from, std::size_t bytes, void* stream) {
  copy("copy_to_host", to, from, bytes, cudaMemcpyDeviceToHost, stream);
  synchronize(stream);
}

void copy_to_host_later(void* to, const void* from, std::size_t bytes, void* stream) {
  copy("copy_to_host_later", to, from, bytes, cudaMemcpyDeviceToHost, stream);
}

void copy_on_device(void* to, const void* from, std::size_t bytes, void* stream) {
  copy("copy_on_device", to, from, bytes, cudaMemcpyDeviceToDevice, stream);
}

void clear(void* memory, int value, std::size_t bytes, void* stream) {
  if (bytes != 0) check(cudaMemsetAsync(memory, value, bytes, of(stream)), sized("clear", bytes));
}

void synchronize(void* stream) { check(cudaStreamSynchronize(of(stream)), "synchronize"); }

void* create_stream() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "create_stream");
  return stream;
}

void destroy_stream(void* stream) { cudaStreamDestroy(of(stream)); }

void* create_event() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "create_event");
  return event;
}

void destroy_event(void* event) { cudaEventDestroy(event_of(event)); }
void record_event(void* event, void* stream) { check(cudaEventRecord(event_of(event), of(stream)), "record_event"); }

void wait_for_event(void* stream, void* event) {
  check(cudaStreamWaitEvent(of(stream), event_of(event), 0), "wait_for_event");
}

void synchronize_event(void* event) { check(cudaEventSynchronize(event_of(event)), "synchronize_event"); }

double elapsed_milliseconds(void* begin, void* end) {
  synchronize_event(end);
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, event_of(begin), event_of(end)), "elapsed_milliseconds");
  return milliseconds;
}

}  // namespace bsg::simt
