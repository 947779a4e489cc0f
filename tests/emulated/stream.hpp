#pragma once

#include "kernels/simt/runtime.hpp"

namespace bsg::test {

// A stream of the test's own.
struct Stream {
  Stream() : stream(simt::create_stream()) {}
  ~Stream() { simt::destroy_stream(stream); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  void* const stream;
};

}  // namespace bsg::test
