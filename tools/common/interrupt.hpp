// Ctrl-C, taken as a wish: the program ends at its next good moment. A second one ends it at once.
#pragma once

namespace bsg::tools {

// SIGINT and SIGTERM are noted from now on.
void watch_for_interrupts();
// The signal that was noted, or 0.
int interrupt_signal();

}  // namespace bsg::tools
