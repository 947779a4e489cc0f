// Runs one of the built programs, as a user would.
#pragma once

#include <string>
#include <vector>

namespace bsg::test {

struct ProgramResult {
  int status = -1;  // exit status; 128 + signal when a signal ended it
  std::string out, err;
};

// name: "bsg_op". Standard input is empty. Throws std::runtime_error when the program cannot be started.
ProgramResult run_program(const std::string& name, const std::vector<std::string>& arguments);

}  // namespace bsg::test
