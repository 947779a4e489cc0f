// Words for the emulator's messages.
#pragma once

#include <string>

#include "kernels/simt/emulator/block.hpp"

namespace bsg::simt::emulator {

bool same_place(const Where& a, const Where& b);

std::string describe_place(const Where& where);   // file:line
std::string describe_thread(const Place& place);  // ", thread (x, y, z)"

// What each thread of a block that cannot go on waits for; threads in the same situation together.
std::string describe_waiting(const Thread* threads, unsigned count);

}  // namespace bsg::simt::emulator
