// What the command line asks for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace bsg::bench {

struct Options {
  std::vector<std::string> suites;  // empty: all
  std::vector<double> densities = {1, 0.75, 0.5, 0.25};
  bool worst_cases = false;
  std::vector<std::int64_t> batches;  // empty: the suite's own
  std::vector<std::string> archs;     // of the suites network and training; empty: the suite's own
  int image_size = 0;                 // of noise images; 0: the network's own
  int base_channels = 0;              // of networks for large images; 0: their own
  std::string checkpoint, data;       // a trained network, and the images that decide its gates
  std::string device = "auto", precision = "f32", cache = "warm", clock = "wall", filter, json;
  int threads = 1;
  double min_seconds = 0.3;  // spent on each line
  int rounds = 0;            // instead, if > 0
  std::uint64_t seed = 1;
  bool vendor = false;  // cuDNN and cuBLAS may compute what they offer
  bool quick = false;   // a few small shapes, three rounds: shows that the program works
};

}  // namespace bsg::bench
