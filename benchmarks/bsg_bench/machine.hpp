// Where and how a run was made.
#pragma once

#include <cstdint>
#include <string>

namespace bsg::bench {

// The processor's name as the system gives it, or "unknown processor".
std::string processor_name();
// Largest resident set of this process so far, in bytes.
std::int64_t peak_memory();
// What `git describe` said of the source when the build was configured, or "unknown".
std::string commit();

}  // namespace bsg::bench
