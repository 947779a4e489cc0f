// The errors that the project throws. Every message is one line that names the op or the file, the argument, and what
// was found.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <fmt/core.h>

namespace bsg {

// exit_status is what a program ends with when the error reaches main: 2 for bad usage or bad input, 1 for everything
// else.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, int exit_status = 1)
      : std::runtime_error(message), exit_status_(exit_status) {}
  int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

// An op was called with shapes, types or attributes that it does not take.
class ShapeError : public Error {
 public:
  explicit ShapeError(const std::string& message) : Error(message, 2) {}
};

// A recipe, a flag or an option has a value that makes no sense.
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(message, 2) {}
};

// A file that was given as input is missing, or does not hold what its format promises.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(message, 2) {}
};

// The operating system refused to read or write: disk full, permission, an I/O failure.
class IoError : public Error {
 public:
  explicit IoError(const std::string& message) : Error(message, 1) {}
};

// A number that must be finite is not: the loss became NaN or infinite.
class NumericError : public Error {
 public:
  explicit NumericError(const std::string& message) : Error(message, 1) {}
};

class CudaError : public Error {
 public:
  explicit CudaError(const std::string& message) : Error(message, 1) {}
};

class OutOfMemory : public Error {
 public:
  explicit OutOfMemory(const std::string& message) : Error(message, 1) {}
};

// throw_error<ShapeError>("conv2d: weight has {} input channels, x has {}", a, b)
template <class E, class... Args>
[[noreturn]] void throw_error(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace bsg
