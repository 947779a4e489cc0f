#include "engine/train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "engine/train/metrics_log.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/train/session.hpp"

using namespace bsg;
using namespace bsg::train;
using namespace bsg::test;
using Catch::Matchers::Contains;

TEST_CASE("a run learns, and writes metrics and checkpoints") {
  const TemporaryFolder folder;
  Session session(folder / "run", small_recipe());
  REQUIRE(session.run() == TrainingOutcome::finished);
  const auto& losses = session.observer.losses;
  REQUIRE(losses.size() == 20);
  CHECK(session.trainer.best_score() == 100);

  const auto rows = rows_of(session.folder.metrics());
  REQUIRE(rows.size() == 8);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i]["epoch"] == i / 2 + 1);
    CHECK(rows[i]["split"] == (i % 2 == 0 ? "train" : "test"));
    CHECK(rows[i]["macs_mean"].get<double>() <= rows[i]["macs_dense"].get<double>() * 1.01);
    CHECK(rows[i]["density_per_layer"].size() == 3);
  }
  CHECK(rows[0]["loss_batch_shaping"].is_number());
  CHECK(rows[0]["loss_l0"].is_null());
  CHECK(rows[4]["loss_batch_shaping"].is_null());
  CHECK(rows[4]["loss_l0"].is_number());
  CHECK(rows[6]["lr"].get<double>() == Approx(0.005));
  // The total of the row is its terms with their weights, on average over the epoch's schedule.
  CHECK(rows[6]["loss"].get<double>() ==
        Approx(rows[6]["loss_task"].get<double>() + 0.1 * rows[6]["loss_l0"].get<double>()).epsilon(1e-5));
  CHECK(load_checkpoint(session.context, session.folder.best_checkpoint()).number("best_score") == 100);
  CHECK(load_checkpoint(session.context, session.folder.last_checkpoint()).integer("epoch") == 4);
}

TEST_CASE("a run that is stopped and resumed ends in the same bits as one that is not") {
  const TemporaryFolder folder;
  Session whole(folder / "whole", small_recipe());
  REQUIRE(whole.run() == TrainingOutcome::finished);
  // In the middle of an epoch, at its end, one step later, and so on: every session does three steps.
  std::int64_t sessions = 0;
  for (TrainingOutcome outcome = TrainingOutcome::interrupted; outcome != TrainingOutcome::finished; ++sessions) {
    REQUIRE(sessions < 20);
    Session part(folder / "parts", small_recipe());
    if (sessions > 0) part.trainer.resume();
    outcome = part.run(3);
  }
  CHECK(sessions >= 4);
  CHECK(bytes_of(folder / "whole/checkpoint-last.safetensors") ==
        bytes_of(folder / "parts/checkpoint-last.safetensors"));
  CHECK(bytes_of(folder / "whole/checkpoint-best.safetensors") ==
        bytes_of(folder / "parts/checkpoint-best.safetensors"));
  CHECK(rows_of(folder / "whole/metrics.jsonl") == rows_of(folder / "parts/metrics.jsonl"));
}

TEST_CASE("a run that was killed goes on from its last checkpoint and drops the rows ahead of it") {
  const TemporaryFolder folder;
  Session whole(folder / "whole", small_recipe({"train.checkpoint_every=2"}));
  REQUIRE(whole.run() == TrainingOutcome::finished);
  {
    // Dies in the fourth epoch: three epochs' rows are written, two are in the checkpoint.
    Session killed(folder / "killed", small_recipe({"train.checkpoint_every=2"}));
    struct Killed {};
    CHECK_THROWS_AS(killed.trainer.run(killed.observer,
                                       [&]() -> bool {
                                         if (killed.observer.losses.size() == 17) throw Killed();
                                         return false;
                                       }),
                    Killed);
    CHECK(rows_of(killed.folder.metrics()).size() == 6);
  }
  Session resumed(folder / "killed", small_recipe({"train.checkpoint_every=2"}));
  resumed.trainer.resume();
  CHECK(resumed.trainer.epoch() == 2);
  REQUIRE(resumed.run() == TrainingOutcome::finished);
  CHECK(bytes_of(folder / "whole/checkpoint-last.safetensors") ==
        bytes_of(folder / "killed/checkpoint-last.safetensors"));
  CHECK(rows_of(folder / "whole/metrics.jsonl") == rows_of(folder / "killed/metrics.jsonl"));
}

TEST_CASE("the weights do not depend on the number of threads") {
  const TemporaryFolder folder;
  for (const int threads : {1, 2, 3}) Session(folder / fmt::format("{}", threads), small_recipe(), threads).run();
  CHECK(bytes_of(folder / "1/checkpoint-last.safetensors") == bytes_of(folder / "2/checkpoint-last.safetensors"));
  CHECK(bytes_of(folder / "1/checkpoint-last.safetensors") == bytes_of(folder / "3/checkpoint-last.safetensors"));
}

TEST_CASE("another seed gives other weights") {
  const TemporaryFolder folder;
  Session(folder / "3", small_recipe(), 1, 3).run();
  Session(folder / "4", small_recipe(), 1, 4).run();
  CHECK(bytes_of(folder / "3/checkpoint-last.safetensors") != bytes_of(folder / "4/checkpoint-last.safetensors"));
}

TEST_CASE("a loss that becomes NaN ends the run and leaves the checkpoint before it") {
  const TemporaryFolder folder;
  Session session(folder / "run", small_recipe());
  session.train.poison_from(7);
  CHECK_THROWS_WITH(session.run(), Contains("the loss became nan in epoch 2, step 3 of 5"));
  const Checkpoint last = load_checkpoint(session.context, session.folder.last_checkpoint());
  CHECK(last.integer("epoch") == 1);
  for (const auto& [name, tensor] : last.tensors) {
    const auto values = tensor.span<float>();
    INFO(name);
    CHECK(std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); }));
  }
}

TEST_CASE("NaN on the test split ends the run as well") {
  const TemporaryFolder folder;
  Session session(folder / "run", small_recipe());
  session.test.poison_from(0);
  CHECK_THROWS_WITH(session.run(), Contains("loss on the test split became nan after epoch 1"));
  CHECK_FALSE(session.folder.has_checkpoint());
}

TEST_CASE("a run keeps its recipe, its seed and its data when it is resumed") {
  const TemporaryFolder folder;
  Session(folder / "run", small_recipe()).run(5);
  CHECK_THROWS_WITH(Session(folder / "run", small_recipe({"optimizer.lr=0.01"})).trainer.resume(),
                    Contains("made with another optimizer.lr"));
  CHECK_THROWS_WITH(Session(folder / "run", small_recipe(), 1, 4).trainer.resume(), Contains("seed 3, not 4"));
  Session longer(folder / "run", small_recipe({"train.epochs=5", "train.eval_every=2"}));
  longer.trainer.resume();
  CHECK(longer.run() == TrainingOutcome::finished);
  CHECK(longer.trainer.epoch() == 5);

  Session other(folder / "run", small_recipe());
  TwoShades more(other.context, 6);
  Trainer on_more(other.context, other.network, small_recipe(), 3, {more, other.test, {"dark", "bright"}, kSize, kSize},
                  other.folder);
  CHECK_THROWS_WITH(on_more.resume(), Contains("other data: 30 training images") && Contains("now 36"));
}

TEST_CASE("a damaged state is refused and changes nothing") {
  const TemporaryFolder folder;
  Session(folder / "run", small_recipe()).run(7);
  const std::string path = folder / "run/checkpoint-last.safetensors";
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"step", "5"}, {"epoch", "-1"}, {"sums", "{}"}, {"sums", "nonsense"}, {"random_position", "-3"}}) {
    Session fresh(folder / "run", small_recipe());
    const Checkpoint good = load_checkpoint(fresh.context, path);
    Checkpoint bad = good;
    bad.set(key, value);
    save_checkpoint(path, bad);
    INFO(key << " = " << value);
    CHECK_THROWS_AS(fresh.trainer.resume(), DataError);
    CHECK(fresh.trainer.epoch() == 0);
    save_checkpoint(path, good);
  }
}

TEST_CASE("max_seconds stops with a checkpoint of the very step") {
  const TemporaryFolder folder;
  Session session(folder / "run", small_recipe({"train.max_seconds=1e-9"}));
  REQUIRE(session.run() == TrainingOutcome::out_of_time);
  CHECK(load_checkpoint(session.context, session.folder.last_checkpoint()).integer("step") == 1);
}

TEST_CASE("a folder with a run in it is not taken for a new one") {
  const TemporaryFolder folder;
  const RunFolder run{folder / "run"};
  run.create(false);
  run.create(false);
  write_text_file(run.metrics(), "");
  CHECK_THROWS_WITH(run.create(false), Contains("--resume continues it"));
  CHECK_NOTHROW(run.create(true));
  write_text_file(folder / "file", "x");
  CHECK_THROWS_AS(RunFolder{folder / "file"}.create(false), IoError);
}

TEST_CASE("the metrics log drops what lies ahead, torn lines and foreign ones") {
  const TemporaryFolder folder;
  const std::string path = folder / "metrics.jsonl";
  MetricsRow row;
  row.split = "test";
  {
    MetricsLog log(path, 0);
    for (row.epoch = 1; row.epoch <= 3; ++row.epoch) log.append(row);
  }
  const std::string three = read_text_file(path, 1 << 20);
  write_text_file(path, "garbage\n" + three + R"({"epoch": 1, "spl)");
  MetricsLog log(path, 2);
  const std::string kept = read_text_file(path, 1 << 20);
  CHECK(std::count(kept.begin(), kept.end(), '\n') == 2);
  CHECK(three.starts_with(kept));
  CHECK_THROWS_AS(MetricsLog("/dev/full", 0).append(row), IoError);
}

TEST_CASE("numbers that JSON does not know become null") {
  MetricsRow row;
  row.loss = std::numeric_limits<double>::infinity();
  row.loss_l0 = std::nan("");
  const auto parsed = nlohmann::json::parse(row.to_json());
  CHECK(parsed["loss"].is_null());
  CHECK(parsed["loss_l0"].is_null());
  CHECK(parsed["density"] == 1);
}
