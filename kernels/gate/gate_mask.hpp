// Which channels of each sample are on, on the device: built there by the gate, read there by the convolutions; no
// host ever waits for it. The same facts in three forms, each as its readers need it.
#pragma once

#include <cstdint>

namespace bsg::kernels::device {

// Plain pointers to device memory that the caller owns. A reader leaves alone what it does not need; a writer fills all
// three and they agree.
struct GateMask {
  static constexpr std::int64_t kMaxChannels = 65536;  // a channel fits a list's element

  std::int64_t batch = 0, channels = 0;
  std::uint16_t* list = nullptr;  // [batch][channels]: the first count[n] are the channels that are on, ascending; the
                                  // rest of a sample's row has no meaning
  std::int32_t* count = nullptr;  // [batch]
  std::uint32_t* bits = nullptr;  // [batch][words()]: channel c is bit c % 32 of word c / 32; bits beyond are 0

  std::int64_t words() const { return (channels + 31) / 32; }
};

}  // namespace bsg::kernels::device
