#pragma once

#include <cstdint>
#include <functional>

namespace bsg::data {

// Calls body(0) .. body(count - 1), each once, on as many threads as the machine has. When calls throw, the exception
// of the lowest index is thrown, whatever the timing, and later indices may be left out.
void for_each_index(std::int64_t count, const std::function<void(std::int64_t)>& body);

}  // namespace bsg::data
