// Training runs on a device: the host queues ahead of what it knows, and yet nothing is lost.
#include <algorithm>
#include <cmath>

#include "engine/core/readback.hpp"
#include "tests/devices/device.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/session.hpp"

using namespace bsg;
using namespace bsg::train;
using namespace bsg::test;
using Catch::Matchers::Contains;

namespace {

Session session_on_device(const std::string& path) {
  return {path, small_recipe({"train.epochs=2", "schedule.milestones=[1]"}), 1, 3, kDevice};
}

}  // namespace

TEST_CASE("on a device too a run that is stopped and resumed ends in the same bits") {
  [[maybe_unused]] const LateWork late;
  const TemporaryFolder folder;
  {
    Session whole = session_on_device(folder / "whole");
    REQUIRE(whole.run() == TrainingOutcome::finished);
    CHECK(whole.observer.losses.size() == 10);
  }
  std::int64_t sessions = 0;
  for (TrainingOutcome outcome = TrainingOutcome::interrupted; outcome != TrainingOutcome::finished; ++sessions) {
    REQUIRE(sessions < 10);
    Session part = session_on_device(folder / "parts");
    if (sessions > 0) part.trainer.resume();
    outcome = part.run(3);
  }
  CHECK(sessions >= 2);
  CHECK(bytes_of(folder / "whole/checkpoint-last.safetensors") ==
        bytes_of(folder / "parts/checkpoint-last.safetensors"));
  CHECK(rows_of(folder / "whole/metrics.jsonl") == rows_of(folder / "parts/metrics.jsonl"));
}

TEST_CASE("on a device a loss that becomes NaN is told with its own step") {
  [[maybe_unused]] const LateWork late;
  const TemporaryFolder folder;
  Session session = session_on_device(folder / "run");
  session.train.poison_from(6);
  CHECK_THROWS_WITH(session.run(), Contains("the loss became nan in epoch 2, step 2 of 5"));
  CHECK(session.observer.losses.size() == 6);
  const Checkpoint last = load_checkpoint(session.host, session.folder.last_checkpoint());
  CHECK(last.integer("epoch") == 1);
  for (const auto& [name, tensor] : last.tensors) {
    const auto values = tensor.span<float>();
    INFO(name);
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }));
  }
}

TEST_CASE("batches arrive whole, whatever their sizes, and stay for one batch more") {
  [[maybe_unused]] const LateWork late;
  Context host, context({.device = kDevice, .allocator = {.poison = true}});
  BatchUpload upload(context);
  Tensor before;
  std::vector<float> expected_before;
  double value = 0;
  for (const std::int64_t images : {4, 4, 1, 0, 7, 7, 2}) {
    LabelledImages batch;
    batch.images = Tensor::empty(host, {images, 3, 5, 4});
    for (float& pixel : batch.images.span<float>()) pixel = static_cast<float>(value++);
    const Tensor there = upload.images(batch);
    REQUIRE(there.device() == kDevice);
    CHECK(there.values<float>() == batch.images.values<float>());
    if (before.defined()) CHECK(before.values<float>() == expected_before);
    before = there;
    expected_before = batch.images.values<float>();
  }
}

TEST_CASE("fetched values are those of the moment, on every device") {
  [[maybe_unused]] const LateWork late;
  for (const Device device : {Device::cpu, kDevice}) {
    Context context({.device = device});
    Readback readback(context);
    for (int round = 0; round < 3; ++round) {
      INFO(to_string(device) << ", round " << round);
      readback.clear();
      const Tensor numbers = Tensor::from<float>(context, {2, 2}, {1.0F + static_cast<float>(round), 2, 3, 4});
      CHECK(readback.fetch(numbers) == 0);
      CHECK(readback.fetch(Tensor::empty(context, {0, 3})) == 1);
      CHECK(readback.fetch(Tensor::full(context, {1}, 5)) == 2);
      readback.wait();
      const auto first = readback.values<float>(0);
      CHECK(std::vector<float>(first.begin(), first.end()) == numbers.values<float>());
      CHECK(readback.values<float>(1).empty());
      CHECK(readback.values<float>(2)[0] == 5);
    }
    CHECK_THROWS_WITH(readback.fetch(Tensor::empty(context, {1, 1, 1, 1})), Contains("readback: f32 [1, 1, 1, 1]"));
    CHECK_THROWS_WITH(readback.fetch(Tensor::empty(context, {1}, DType::i64)), Contains("readback: i64 [1]"));
  }
}
