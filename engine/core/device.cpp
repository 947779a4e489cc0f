#include "engine/core/device.hpp"

#include "engine/core/backends.hpp"
#include "engine/core/error.hpp"

namespace bsg {

std::string_view to_string(Device device) {
  switch (device) {
    case Device::cpu:
      return "cpu";
    case Device::cuda:
      return "cuda";
    case Device::simt:
      return "simt";
  }
  return "unknown";
}

Device parse_device(std::string_view name) {
  if (name == "auto") {
    try {
      find_backend(Device::cuda);
      return Device::cuda;
    } catch (const ConfigError&) {
      return Device::cpu;
    }
  }
  for (const Device device : {Device::cpu, Device::cuda, Device::simt})
    if (name == to_string(device)) {
      find_backend(device);
      return device;
    }
  throw_error<ConfigError>("device: unknown name '{}'; use auto, cpu, cuda or simt", name);
}

}  // namespace bsg
