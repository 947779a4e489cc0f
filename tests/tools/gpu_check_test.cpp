// tools/gpu_check on programs that are stand-ins: what it runs, what it reports, and how it ends.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

void write(const std::string& path, const std::string& content, bool executable = false) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << content;
  if (executable) std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// A folder with everything that gpu_check looks for, all of which passes. Tools of the machine's own are not found:
// neither its Python's packages nor its sanitizer.
class Machine {
 public:
  Machine() {
    tool("nvidia-smi", R"(case $2 in
  --query-gpu=name) echo 'NVIDIA Test|GPU 9000' ;;
  --query-gpu=name,*) echo 'NVIDIA Test|GPU 9000, 580.1, 81559, 1980, 2619, 700.00, 345, 2619, 31' ;;
  *) echo '1755, 2619, 44' ;;
esac)");
    tool("python3", "exec /usr/bin/env -i PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=" + folder_ / "modules" +
                        " $BSG_TEST_PYTHON \"$@\"");
    write(folder_ / "modules/torch.py", "raise ImportError\n");
    tool("compute-sanitizer", "echo \"$@\"; [[ $1 == --tool ]] || exit 1\nshift 4\nexec \"$@\"");
    program("tests/gpu_test", R"(case $* in
  *--list-tags*) printf '  1  [#sums_test]\n  1  [#gate_test]\n  2  [small]\n' ;;
  *) echo "All tests passed: $*" ;;
esac)");
    program("tests/devices_gpu_test", "echo 'All tests passed'");
    program("bin/bsg_bench", R"(if [[ $1 == --help ]]; then printf 'Suites:\n  gated_conv  x\n  training  x\n'; exit; fi
while (($# > 0)); do if [[ $1 == --json ]]; then out=$2; elif [[ $1 == --suite ]]; then suite=$2; fi; shift; done
quartiles='{"samples": 5, "min": 1e-6, "lower_quartile": 1e-6, "median": 2.5e-6, "upper_quartile": 3e-6, "max": 4e-6}'
echo '{"program": "bsg_bench", "command": "bsg_bench it", "lines": [{"name": "'"$suite"' line", "gates": "0.5", "seconds": '"$quartiles"',
  "images_per_second": 400, "gflops": null, "ratio_to_dense": {"median": 0.75}, "proportionality": 1.5}]}' >"$out")");
    program("bin/bsg_train", R"(while (($# > 0)); do if [[ $1 == --out ]]; then out=$2; fi; shift; done
mkdir -p "$out"; echo '{"epoch": 1, "split": "test", "loss": 2.25, "top1": 40.5, "density": null, "images_per_second": 1234}' >"$out/metrics.jsonl")");
    program("bin/bsg_op", "true");
    write(folder_ / "build/commit.txt", "0123456789ab\n");
  }

  void tool(const std::string& name, const std::string& script) { put("tools/" + name, script); }
  void program(const std::string& name, const std::string& script) { put("build/" + name, script); }
  void remove(const std::string& name) { std::filesystem::remove(folder_ / name); }

  int check(const std::string& arguments) {
    const std::string command = "BSG_TEST_PYTHON=$(command -v python3) CUDA_HOME=/nowhere PATH=" + folder_ / "tools" +
                                ":/usr/bin:/bin tools/gpu_check --build " + folder_ / "build" + " --out " +
                                folder_ / "out" + " " + arguments + " >" + folder_ / "stdout" + " 2>" +
                                folder_ / "stderr";
    const int ended = std::system(command.c_str());
    return WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
  }
  std::string said() const { return read(folder_ / "stdout"); }
  std::string complaint() const { return read(folder_ / "stderr"); }
  std::string file(const std::string& name) const { return read(folder_ / "out/" + name); }
  json report(const std::string& name) const { return json::parse(file(name)); }

 private:
  void put(const std::string& name, const std::string& script) {
    write(folder_ / name, "#!/usr/bin/env bash\n" + script + "\n", true);
  }
  TemporaryFolder folder_;
};

json step_of(const json& report, const std::string& name) {
  for (const json& step : report.at("steps"))
    if (step.at("name") == name) return step;
  return {};
}

}  // namespace

TEST_CASE("gpu_check tests, measures and reports", "[tools]") {
  Machine machine;
  const int status = machine.check("");
  INFO(machine.said() << machine.complaint());
  REQUIRE(status == 0);
  const json report = machine.report("gpu-test-gpu-9000.json");
  CHECK(report.at("gpu") == "NVIDIA Test|GPU 9000");
  CHECK(report.at("commit") == "0123456789ab");
  CHECK(report.at("kind") == "full");
  CHECK(report.at("machine").at("driver") == "580.1");
  CHECK(report.at("machine").at("sm_mhz") == "345");
  CHECK(report.at("machine").at("sm_mhz_after") == "1755");
  for (const char* name :
       {"kernels: sums_test", "kernels: gate_test", "engine: devices_gpu_test", "sanitizer: memcheck",
        "sanitizer: racecheck", "benchmark: gated_conv_bf16", "benchmark: training_f32", "training: synthetic"}) {
    INFO(name);
    CHECK(step_of(report, name).value("status", "not there") == "passed");
  }
  CHECK_THAT(step_of(report, "sanitizer: racecheck").at("command").get<std::string>(), Contains("--tool racecheck"));
  CHECK(step_of(report, "engine: devices_gpu_test").at("command") == "tests/devices_gpu_test");
  CHECK(step_of(report, "benchmark: batch_shaping").at("note") == "bsg_bench has no suite batch_shaping");
  for (const char* name : {"benchmark: batch_shaping", "ops beside PyTorch", "PyTorch's times"})
    CHECK(step_of(report, name).at("status") == "skipped");
  CHECK(report.at("figures").at("gated_conv_bf16").at("lines").at(0).at("name") == "gated_conv line");
  CHECK_FALSE(report.at("figures").contains("pytorch"));

  const std::string text = machine.file("gpu-test-gpu-9000.md");
  CHECK_THAT(text, Contains("commit 0123456789ab"));
  CHECK_THAT(text, Contains("| gated_conv line | 0.5 | 2.5 | 400 |  | 0.75 | 1.5 |"));
  CHECK_THAT(text, Contains("| 1 | test | 2.25 | 40.5 |  | 1234 |"));
  CHECK_THAT(machine.file("gpu-test-gpu-9000.log"), Contains("All tests passed: --filenames-as-tags [#gate_test]"));
}

TEST_CASE("gpu_check goes on after a failure, says which, and ends with status 1", "[tools]") {
  Machine machine;
  machine.program("tests/gpu_test", R"(case $* in
  *--list-tags*) printf '[#sums_test]\n[#gate_test]\n' ;;
  *sums*) echo 'a sum is wrong'; exit 1 ;;
esac)");
  machine.program("bin/bsg_bench", "echo 'Suites'; echo '  gated_conv  x'; kill -SEGV $$");
  machine.remove("build/tests/devices_gpu_test");
  const int status = machine.check("--quick");
  INFO(machine.said() << machine.complaint());
  REQUIRE(status == 1);
  const json report = machine.report("gpu-test-gpu-9000-quick.json");
  CHECK(step_of(report, "kernels: sums_test").at("status") == "failed");
  CHECK(step_of(report, "kernels: sums_test").at("note") == "exit status 1: a sum is wrong");
  CHECK(step_of(report, "kernels: gate_test").at("status") == "passed");
  CHECK(step_of(report, "engine: devices_gpu_test").at("status") == "failed");
  CHECK(step_of(report, "training: synthetic").at("status") == "passed");
  CHECK_THAT(machine.file("gpu-test-gpu-9000-quick.md"),
             Contains("| kernels: sums_test | failed: exit status 1: a sum is wrong |"));
  CHECK_THAT(machine.said(), Contains(" failed, "));
}

TEST_CASE("gpu_check counts a test that sees no device as failed, where the driver sees one", "[tools]") {
  Machine machine;
  machine.program("tests/gpu_test", "echo 'skipped: there is no CUDA device'; exit 4");
  REQUIRE(machine.check("--quick") == 1);
  CHECK(step_of(machine.report("gpu-test-gpu-9000-quick.json"), "kernels").at("note") ==
        "exit status 4: skipped: there is no CUDA device");
}

TEST_CASE("gpu_check ends in time", "[tools]") {
  Machine machine;
  machine.program("tests/gpu_test", "if [[ $* == *--list-tags* ]]; then echo '[#a_test]'; else sleep 100; fi");
  REQUIRE(machine.check("--quick --seconds 4") == 1);
  const json report = machine.report("gpu-test-gpu-9000-quick.json");
  CHECK_THAT(step_of(report, "kernels: a_test").at("note").get<std::string>(), Contains("not done after"));
  CHECK(step_of(report, "training: synthetic").at("note") == "no time was left");
  CHECK(report.at("seconds").get<int>() < 20);
}

TEST_CASE("gpu_check needs a GPU and a command line that fits", "[tools]") {
  Machine machine;
  CHECK(machine.check("--what") == 2);
  CHECK(machine.complaint() == "gpu_check: unknown argument '--what' (see --help)\n");
  CHECK(machine.check("--seconds 0") == 2);
  machine.tool("nvidia-smi", "echo 'No devices were found'; exit 6");
  CHECK(machine.check("") == 2);
  CHECK(machine.complaint() == "gpu_check: there is no GPU: nvidia-smi finds none\n");
  CHECK(machine.file("gpu-test-gpu-9000.json").empty());
}
