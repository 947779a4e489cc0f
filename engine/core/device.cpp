#include "engine/core/device.hpp"

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
  if (name == "cpu" || name == "auto") return Device::cpu;
  if (name == "cuda" || name == "simt")
    throw_error<ConfigError>("device: '{}' is not part of this build; use cpu or auto", name);
  throw_error<ConfigError>("device: unknown name '{}'; use auto, cpu, cuda or simt", name);
}

}  // namespace bsg
