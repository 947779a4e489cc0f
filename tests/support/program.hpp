// Runs one of the built programs, as a user would.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace bsg::test {

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal when a signal ended it
  std::string out, err;
};

// Sent to a program that still runs after so long: from its start, or from when its standard output holds once_says.
struct Disturbance {
  int signal = 0;  // none
  std::chrono::milliseconds after{0};
  std::string once_says = {};
};

// name: "bsg_op". Standard input is empty. Throws std::runtime_error when the program cannot be started.
ProgramResult run_program(const std::string& name, const std::vector<std::string>& arguments,
                          const Disturbance& disturbance = {});

}  // namespace bsg::test
