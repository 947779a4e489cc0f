#include "benchmarks/bsg_bench/machine.hpp"

#include <fstream>
#include <sys/resource.h>

namespace bsg::bench {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const std::size_t colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::int64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{1024} * usage.ru_maxrss;
}

std::string commit() { return BSG_COMMIT; }

}  // namespace bsg::bench
