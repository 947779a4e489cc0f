// The table on the terminal: fixed columns, at most 100 wide.
#pragma once

#include <string>

#include "benchmarks/bsg_bench/result.hpp"

namespace bsg::bench {

// What was asked of which machine, above the table.
std::string header(const Results& results);
std::string column_names();
std::string row(const Line& line);

// "1.23 ms": three or four digits and a unit.
std::string duration(double seconds);

}  // namespace bsg::bench
