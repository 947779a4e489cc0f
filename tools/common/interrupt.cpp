#include "tools/common/interrupt.hpp"

#include <csignal>

namespace bsg::tools {
namespace {

// A signal handler can reach nothing but a global.
volatile std::sig_atomic_t noted_signal = 0;

void note(int signal) {
  noted_signal = signal;
  std::signal(signal, SIG_DFL);
}

}  // namespace

void watch_for_interrupts() {
  std::signal(SIGINT, note);
  std::signal(SIGTERM, note);
}

int interrupt_signal() { return noted_signal; }

}  // namespace bsg::tools
