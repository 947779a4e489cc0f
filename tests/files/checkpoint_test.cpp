#include "engine/train/checkpoint.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <signal.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::train;
using bsg::test::TemporaryFolder;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

TEST_CASE("a checkpoint comes back as it was") {
  Context context;
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.tensors = {{"conv1.weight", Tensor::full(context, {2, 3}, 1.25)},
                        {"bn1.running_mean", Tensor::full(context, {2}, -1)},
                        {"optimizer.momentum.conv1.weight", Tensor::full(context, {2, 3}, 7)}};
  checkpoint.set("recipe", "[model]\narch = \"resnet20\"\n");
  checkpoint.set_integer("random.position", std::numeric_limits<std::int64_t>::max());
  save_checkpoint(folder / "c", checkpoint);

  const Checkpoint loaded = load_checkpoint(context, folder / "c");
  CHECK(loaded.text("recipe") == checkpoint.text("recipe"));
  CHECK(loaded.integer("random.position") == std::numeric_limits<std::int64_t>::max());
  REQUIRE(loaded.tensors.size() == 3);
  const NamedTensors momentum = loaded.tensors_under("optimizer.momentum.");
  REQUIRE(momentum.size() == 1);
  CHECK(momentum[0].first == "conv1.weight");
  CHECK(momentum[0].second.data<float>()[5] == 7);
  const NamedTensors network = loaded.network_tensors();
  REQUIRE(network.size() == 2);
  CHECK(network[0].first == "conv1.weight");
  CHECK(network[1].second.data<float>()[1] == -1);
  CHECK(load_weights(context, folder / "c").size() == 2);
}

TEST_CASE("every bit of a number comes back") {
  Checkpoint checkpoint;
  for (const double value :
       {0.1, -0.0, 1.0 / 3, 5e-324, 1.7976931348623157e308, 81.13, double(INFINITY), -double(INFINITY)}) {
    checkpoint.set_number("x", value);
    CHECK(checkpoint.number("x") == value);
    CHECK(std::signbit(checkpoint.number("x")) == std::signbit(value));
  }
  checkpoint.set_number("x", std::nan(""));
  CHECK(std::isnan(checkpoint.number("x")));
}

TEST_CASE("a missing entry and one of the wrong kind are named") {
  Checkpoint checkpoint;
  checkpoint.source = "c.safetensors";
  checkpoint.set("epoch", "3x");
  checkpoint.set("empty", "");
  CHECK_THROWS_WITH(checkpoint.text("none"), Equals("c.safetensors: the checkpoint has no entry \"none\""));
  CHECK_THROWS_WITH(checkpoint.integer("epoch"), Contains("\"epoch\" is \"3x\", expected an integer"));
  CHECK_THROWS_WITH(checkpoint.number("epoch"), Contains("expected a number"));
  CHECK_THROWS_AS(checkpoint.integer("empty"), DataError);
  CHECK_THROWS_AS(checkpoint.number("empty"), DataError);
  checkpoint.set("huge", "99999999999999999999");
  CHECK_THROWS_AS(checkpoint.integer("huge"), DataError);
}

TEST_CASE("other files and other versions are no checkpoints") {
  Context context;
  const TemporaryFolder folder;
  const NamedTensors tensors = {{"a", Tensor::zeros(context, {1})}};
  write_safetensors(folder / "plain", tensors, {{"format", "pt"}});
  CHECK_THROWS_WITH(load_checkpoint(context, folder / "plain"), Contains("no checkpoint of this program"));
  CHECK(load_weights(context, folder / "plain").size() == 1);
  write_safetensors(folder / "future", tensors, {{"format", "bsg-checkpoint"}, {"format_version", "2"}});
  CHECK_THROWS_WITH(load_checkpoint(context, folder / "future"), Contains("format version 2"));
  write_text_file(folder / "text", "not a checkpoint at all");
  CHECK_THROWS_AS(load_checkpoint(context, folder / "text"), DataError);
  CHECK_THROWS_AS(load_checkpoint(context, folder / "none"), DataError);
}

TEST_CASE("a full device stops a checkpoint") {
  Context context;
  Checkpoint checkpoint;
  checkpoint.tensors = {{"a", Tensor::zeros(context, {100})}};
  CHECK_THROWS_AS(save_checkpoint("/dev/full", checkpoint), IoError);
}

namespace {

// When the file was written last, in nanoseconds; 0 when there is none.
std::int64_t change_of(const std::string& path) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(path, error);
  return error ? 0 : std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

}  // namespace

TEST_CASE("a kill at any moment leaves a whole checkpoint") {
  Context context;
  const TemporaryFolder folder;
  const std::string path = folder / "checkpoint-last.safetensors";
  std::mt19937 random(1);
  std::uniform_int_distribution<int> pause(0, 30000);  // microseconds
  std::int64_t saved = 0, seen = 0;
  int cut_off = 0;
  for (int round = 0; round < 30; ++round) {
    const std::int64_t first = saved + 1;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        for (std::int64_t i = first;; ++i) {
          Checkpoint checkpoint;
          checkpoint.tensors = {{"a", Tensor::full(context, {50000}, static_cast<double>(i))},
                                {"b", Tensor::full(context, {i % 7}, static_cast<double>(i))}};
          checkpoint.set_integer("epoch", i);
          save_checkpoint(path, checkpoint);
        }
      } catch (...) {
      }
      ::_exit(1);  // only reached when saving failed
    }
    // However busy the machine is, the child has written the file and replaced it before it is killed.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (int replaced = 0; replaced < 2 && std::chrono::steady_clock::now() < deadline;) {
      if (const std::int64_t now = change_of(path); now != seen) {
        seen = now;
        ++replaced;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(pause(random)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));

    cut_off += std::filesystem::exists(path + ".partial") ? 1 : 0;
    const Checkpoint loaded = load_checkpoint(context, path);
    const std::int64_t epoch = loaded.integer("epoch");
    CHECK(epoch >= saved);
    saved = epoch;
    REQUIRE(loaded.tensors.size() == 2);
    for (const auto& [name, tensor] : loaded.tensors) {
      const auto values = tensor.span<float>();
      CHECK(std::all_of(values.begin(), values.end(), [&](float v) { return v == static_cast<float>(epoch); }));
      CHECK(tensor.numel() == (name == "a" ? 50000 : epoch % 7));
    }
  }
  INFO("saved " << saved << ", killed while writing " << cut_off << " of 30 times");
  CHECK(saved > 30);
  CHECK(cut_off > 0);
}

TEST_CASE("tensors load by name, in any order") {
  Context context;
  Tensor a = Tensor::zeros(context, {2}), b = Tensor::zeros(context, {1, 3});
  const auto version = a.version();
  load_named_tensors(context, {{"x.a", &a}, {"x.b", &b}},
                     {{"x.b", Tensor::full(context, {1, 3}, 3)}, {"x.a", Tensor::full(context, {2}, 2)}}, "f");
  CHECK(a.data<float>()[1] == 2);
  CHECK(b.data<float>()[2] == 3);
  CHECK(a.version() > version);
}

TEST_CASE("num_batches_tracked is ignored and a common prefix module. stripped") {
  Context context;
  Tensor a = Tensor::zeros(context, {1});
  load_named_tensors(context, {{"bn.weight", &a}},
                     {{"module.bn.weight", Tensor::full(context, {1}, 5)},
                      {"module.bn.num_batches_tracked", Tensor::zeros(context, {}, DType::i64)}},
                     "f");
  CHECK(a.data<float>()[0] == 5);
}

TEST_CASE("module. is a name like others when not all tensors have it") {
  Context context;
  Tensor a = Tensor::zeros(context, {1}), b = Tensor::zeros(context, {1});
  load_named_tensors(context, {{"module.a", &a}, {"b", &b}},
                     {{"module.a", Tensor::full(context, {1}, 5)}, {"b", Tensor::full(context, {1}, 6)}}, "f");
  CHECK(a.data<float>()[0] == 5);
  CHECK_THROWS_WITH(load_named_tensors(context, {{"a", &a}, {"b", &b}}, {{"module.a", a}, {"b", b}}, "f"),
                    Contains("1 missing: a; 1 extra: module.a"));
}

TEST_CASE("floating-point types convert, others do not") {
  Context context;
  Tensor a = Tensor::zeros(context, {1}, DType::f64);
  load_named_tensors(context, {{"a", &a}}, {{"a", Tensor::full(context, {1}, 1.5)}}, "f");
  CHECK(a.data<double>()[0] == 1.5);
  CHECK_THROWS_WITH(load_named_tensors(context, {{"a", &a}}, {{"a", Tensor::zeros(context, {1}, DType::i64)}}, "f"),
                    Contains("a is i64 [1], expected f64 [1]"));
}

TEST_CASE("everything that does not fit is listed in one error, and nothing is copied") {
  Context context;
  Tensor a = Tensor::zeros(context, {2}), b = Tensor::zeros(context, {1}), c = Tensor::zeros(context, {3});
  const NamedTensors given = {{"a", Tensor::full(context, {2}, 1)}, {"c", Tensor::full(context, {3, 1}, 1)}, {"d", a}};
  CHECK_THROWS_AS(load_named_tensors(context, {{"a", &a}, {"b", &b}, {"c", &c}}, given, "w.safetensors"), DataError);
  CHECK_THROWS_WITH(load_named_tensors(context, {{"a", &a}, {"b", &b}, {"c", &c}}, given, "w.safetensors"),
                    Equals("w.safetensors: the tensors do not fit the network; 1 missing: b; 1 extra: d; "
                           "1 of another shape or type: c is f32 [3, 1], expected f32 [3]"));
  CHECK(a.data<float>()[0] == 0);
}

TEST_CASE("a long list is cut after 20 names and keeps its count") {
  Context context;
  Tensor a = Tensor::zeros(context, {1});
  std::vector<std::pair<std::string, Tensor*>> expected;
  for (int i = 10; i < 35; ++i) expected.emplace_back(fmt::format("t{}", i), &a);
  CHECK_THROWS_WITH(load_named_tensors(context, expected, {}, "f"),
                    Contains("25 missing: t10, ") && Contains("t29, ...") && !Contains("t30"));
}

TEST_CASE("a network without tensors loads from nothing") {
  Context context;
  CHECK_NOTHROW(load_named_tensors(context, {}, {}, "f"));
}
