// Two runs side by side: what became faster or slower, and what is noise.
#pragma once

#include <string>

#include "benchmarks/bsg_bench/result.hpp"

namespace bsg::bench {

// A table of the lines that both runs have, in the order of `after`, and counts of each verdict. threshold: see judge.
std::string comparison(const Results& before, const Results& after, double threshold);

}  // namespace bsg::bench
