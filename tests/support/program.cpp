#include "tests/support/program.hpp"

#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <stdexcept>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/support/temporary_folder.hpp"

namespace bsg::test {
namespace {

std::string content(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

ProgramResult run_program(const std::string& name, const std::vector<std::string>& arguments,
                          const Disturbance& disturbance) {
  const TemporaryFolder folder;
  const std::string program = std::string(BSG_PROGRAM_FOLDER) + "/" + name;
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  constexpr int kWrite = O_WRONLY | O_CREAT | O_TRUNC;
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, (folder / "out").c_str(), kWrite, 0600);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, (folder / "err").c_str(), kWrite, 0600);
  pid_t child = 0;
  const int error = posix_spawn(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " + program);

  int ended = 0;
  if (disturbance.signal != 0) {
    siginfo_t info{};
    // Looks without reaping, so that the signal can only reach this child.
    const auto runs = [&] {
      return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
    };
    const auto pause = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
    while (runs() && content(folder / "out").find(disturbance.once_says) == std::string::npos) pause();
    const auto deadline = std::chrono::steady_clock::now() + disturbance.after;
    while (runs() && std::chrono::steady_clock::now() < deadline) pause();
    kill(child, disturbance.signal);
  }
  if (waitpid(child, &ended, 0) != child) throw std::runtime_error("lost " + program);
  return {WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended), content(folder / "out"),
          content(folder / "err")};
}

}  // namespace bsg::test
