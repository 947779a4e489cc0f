#include "engine/train/recipe.hpp"

#include <filesystem>
#include <sstream>

#include "engine/core/error.hpp"
#include "engine/core/file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

using namespace bsg;
using namespace bsg::train;
using Catch::Matchers::Contains;
using Catch::Matchers::Equals;

namespace {

const std::string kRequired = "[model]\narch = \"resnet20\"\n[train]\nepochs = 2\n";

Recipe with(const std::vector<std::string>& overrides) { return parse_recipe(kRequired, "r.toml", overrides); }

void check_override_rejected(const std::string& text, const std::string& reason) {
  INFO(text);
  CHECK_THROWS_AS(with({text}), ConfigError);
  CHECK_THROWS_WITH(with({text}), Contains("--set ") && Contains(reason));
}

}  // namespace

TEST_CASE("the required keys are enough, the rest are defaults") {
  const Recipe recipe = parse_recipe(kRequired, "r.toml");
  Recipe expected;
  expected.model.arch = "resnet20";
  expected.train.epochs = 2;
  CHECK(recipe == expected);
  CHECK(recipe.model.temperature == 2.0 / 3);
}

TEST_CASE("every kind of value is read") {
  const Recipe recipe = parse_recipe(R"(
[model]
arch = "resnet32_bas"
gate_hidden = 8
[data]
flip = false
mean = [0, 0.5, 1]
[train]
epochs = 10
[optimizer]
lr = 1
[schedule]
kind = "step"
milestones = [6, 8, 9.2]
[batch_shaping]
end_epoch = 2
normalization = "batch_sum_gate_mean"
[l0]
rho = 0.25
start_epoch = 2
end_epoch = 6.5
)",
                                     "r.toml");
  CHECK(recipe.model.arch == "resnet32_bas");
  CHECK(recipe.model.gate_hidden == 8);
  CHECK_FALSE(recipe.data.flip);
  CHECK(recipe.data.mean == std::array<double, 3>{0, 0.5, 1});
  CHECK(recipe.optimizer.lr == 1.0);
  CHECK(recipe.schedule.milestones == std::vector<double>{6, 8, 9.2});
  CHECK(recipe.batch_shaping.normalization == "batch_sum_gate_mean");
  CHECK(recipe.l0.end_epoch == 6.5);
}

TEST_CASE("a missing required key is named") {
  CHECK_THROWS_WITH(parse_recipe("[train]\nepochs = 1\n", "r.toml"), Equals("r.toml: model.arch is missing"));
  CHECK_THROWS_WITH(parse_recipe("[model]\narch = \"a\"\n", "r.toml"), Equals("r.toml: train.epochs is missing"));
  CHECK_THROWS_AS(parse_recipe("", "r.toml"), ConfigError);
  const std::vector<std::string> overrides = {"train.epochs=3"};
  CHECK(parse_recipe("[model]\narch = \"a\"\n", "r.toml", overrides).train.epochs == 3);
}

TEST_CASE("an unknown key is an error with the line and the nearest known key") {
  CHECK_THROWS_WITH(parse_recipe(kRequired + "epoch = 3\n", "r.toml"),
                    Equals("r.toml:5: unknown key train.epoch; did you mean train.epochs?"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[optimizer]\nweightdecay = 0\n", "r.toml"),
                    Equals("r.toml:6: unknown key optimizer.weightdecay; did you mean optimizer.weight_decay?"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[optimiser]\nlr = 0\n", "r.toml"),
                    Equals("r.toml:5: unknown section [optimiser]; did you mean [optimizer]?"));
  CHECK_THROWS_WITH(parse_recipe("rho = 1\n" + kRequired, "r.toml"),
                    Equals("r.toml:1: unknown key rho; did you mean l0.rho?"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[train.inner]\nx = 1\n", "r.toml"), Contains("unknown key train.inner"));
  CHECK_THROWS_WITH(parse_recipe("l0 = 3\n" + kRequired, "r.toml"),
                    Equals("r.toml:1: l0 = 3: expected a section, [l0]"));
}

TEST_CASE("an unknown key may be long or odd") {
  CHECK_THROWS_WITH(parse_recipe(kRequired + "\"" + std::string(100000, 'x') + "\" = 1\n", "r.toml"),
                    Contains("xxx...; did you mean"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "\"a\\nb\" = 1\n", "r.toml"), Contains("unknown key train.a?b"));
}

TEST_CASE("broken TOML is an error with its line") {
  CHECK_THROWS_WITH(parse_recipe("[model]\narch = \n", "r.toml"), Contains("r.toml:2: "));
  CHECK_THROWS_AS(parse_recipe("[model", "r.toml"), ConfigError);
  CHECK_THROWS_AS(parse_recipe("[model]\narch = \"\xff\"\n", "r.toml"), ConfigError);
  CHECK_THROWS_AS(parse_recipe(kRequired + "epochs = 3\n", "r.toml"), ConfigError);  // twice
  CHECK_THROWS_AS(parse_recipe("[model]\narch = " + std::string(100000, '['), "r.toml"), ConfigError);
}

TEST_CASE("a value of the wrong type is an error that names the key and the value") {
  CHECK_THROWS_WITH(parse_recipe(kRequired + "batch = 1.5\n", "r.toml"),
                    Equals("r.toml:5: train.batch = 1.5: expected an integer"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "batch = \"12\"\n", "r.toml"),
                    Contains("train.batch") && Contains("expected an integer"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "drop_last = 1\n", "r.toml"),
                    Contains("train.drop_last = 1: expected true or false"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[optimizer]\nlr = \"0.1\"\n", "r.toml"),
                    Contains("optimizer.lr") && Contains("expected a number"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[schedule]\nkind = 3\n", "r.toml"),
                    Contains("schedule.kind = 3: expected a text"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[optimizer]\nlr = { a = 1 }\n", "r.toml"), Contains("expected a number"));
  CHECK_THROWS_WITH(parse_recipe(kRequired + "[optimizer]\nlr = 2020-01-01\n", "r.toml"),
                    Contains("expected a number"));
}

TEST_CASE("lists are checked for length, type, range and order") {
  check_override_rejected("data.mean=[0.1, 0.2]", "data.mean = [0.1, 0.2]: expected a list of 3 numbers");
  check_override_rejected("data.mean=0.1", "expected a list of 3 numbers");
  check_override_rejected("data.mean=[0.1, 0.2, \"a\"]", "expected numbers in the list");
  check_override_rejected("data.std=[0.1, 0.2, 0]", "expected every value greater than 0");
  check_override_rejected("schedule.milestones=[1, 1]", "expected an ascending list");
  check_override_rejected("schedule.milestones=[-1]", "expected every value at least 0");
  check_override_rejected("schedule.milestones=[nan]", "expected every value");
  check_override_rejected("schedule.milestones=[[1]]", "expected numbers in the list");
  CHECK(with({"schedule.milestones=[]"}).schedule.milestones.empty());
  std::string many = "[0";
  for (int i = 1; i <= 1000; ++i) many.append(",").append(std::to_string(i));
  check_override_rejected("schedule.milestones=" + many + "]", "a list of at most 1000 numbers");
}

TEST_CASE("impossible values are errors") {
  check_override_rejected("train.epochs=0", "train.epochs = 0: expected at least 1");
  check_override_rejected("train.epochs=-1", "train.epochs = -1");
  check_override_rejected("train.batch=0", "expected at least 1 and at most 65536");
  check_override_rejected("train.batch=9223372036854775807", "at most 65536");
  check_override_rejected("train.label_smoothing=1", "at least 0 and less than 1");
  check_override_rejected("train.precision=f16", "one of f32, tf32, bf16");
  check_override_rejected("train.max_seconds=-1", "at least 0");
  check_override_rejected("optimizer.lr=-0.1", "at least 0");
  check_override_rejected("optimizer.lr=nan", "at least 0");
  check_override_rejected("optimizer.lr=inf", "at most 1000");
  check_override_rejected("optimizer.momentum=1", "less than 1");
  check_override_rejected("model.temperature=0", "greater than 0");
  check_override_rejected("batch_shaping.a=0", "greater than 0");
  check_override_rejected("batch_shaping.b=20.5", "at most 20");
  check_override_rejected("batch_shaping.gamma=-1", "at least 0");
  check_override_rejected("l0.rho=-1", "at least 0");
  check_override_rejected("data.crop_padding=-1", "at least 0");
  check_override_rejected("data.workers=0", "at least 1");
  CHECK_THROWS_WITH(with({"data.scale_min=2"}), Contains("data.scale_min = 2 is more than data.scale_max = 1"));
  check_override_rejected("train.class_weights=all", "expected one of none, median_frequency");
  check_override_rejected("schedule.kind=linear", "expected one of step, cosine, poly, constant");
  check_override_rejected("batch_shaping.normalization=mean", "expected one of batch_mean_gate_sum, ");
  check_override_rejected("model.arch=\"\"", "expected a name");
  check_override_rejected("model.arch=\"a b\"", "expected a name");
  check_override_rejected("model.arch=\"" + std::string(65, 'a') + "\"", "expected a name");
}

TEST_CASE("values that contradict each other are errors") {
  CHECK_THROWS_WITH(with({"l0.start_epoch=3", "l0.end_epoch=2"}),
                    Contains("l0.start_epoch = 3 lies after l0.end_epoch = 2"));
  CHECK_THROWS_WITH(with({"batch_shaping.start_epoch=1"}), Contains("batch_shaping.start_epoch = 1 lies after"));
}

TEST_CASE("overrides replace what the file says, the last one wins") {
  const Recipe recipe = with({"train.epochs=7", " optimizer.lr = 0.5 ", "optimizer.lr=0.25", "model.arch=resnet56_bas",
                              "schedule.kind=\"cosine\"", "data.flip=false", "schedule.milestones=[1, 2.5]"});
  CHECK(recipe.train.epochs == 7);
  CHECK(recipe.optimizer.lr == 0.25);
  CHECK(recipe.model.arch == "resnet56_bas");
  CHECK(recipe.schedule.kind == "cosine");
  CHECK_FALSE(recipe.data.flip);
  CHECK(recipe.schedule.milestones == std::vector<double>{1, 2.5});
}

TEST_CASE("an override that is no override is an error") {
  check_override_rejected("train.epochs", "expected section.key=value");
  check_override_rejected("epochs=3", "expected section.key=value");
  check_override_rejected("", "expected section.key=value");
  check_override_rejected("=", "expected section.key=value");
  check_override_rejected("train.epochs=", "expected one value on one line");
  check_override_rejected("train.epoch=3", "unknown key train.epoch; did you mean train.epochs?");
  check_override_rejected("optimiser.lr=3", "unknown section [optimiser]; did you mean [optimizer]?");
  check_override_rejected("train.epochs=3\nbatch = 4", "one value on one line");
  check_override_rejected("train.epochs=three", "expected an integer");
  check_override_rejected("train.epochs.x=3", "unknown key train.epochs.x");
}

TEST_CASE("a printed recipe reads back equal, bit by bit") {
  Recipe recipe = with({});
  CHECK(parse_recipe(to_toml(recipe), "printed") == recipe);
  recipe.model.temperature = 0.1 + 0.2;
  recipe.optimizer.weight_decay = 5e-324;
  recipe.optimizer.lr = 1e-7;
  recipe.train.max_seconds = 123456789;
  recipe.schedule.milestones = {1.0 / 3, 2, 1e6};
  recipe.data.synthetic_seed = 1'000'000'000'000'000;
  recipe.data.flip = false;
  recipe.batch_shaping.end_epoch = 100;
  CHECK(parse_recipe(to_toml(recipe), "printed") == recipe);
  CHECK_THAT(to_toml(recipe), Contains("arch = \"resnet20\"") && Contains("[batch_shaping]"));
}

TEST_CASE("every printed key can be set by an override to what was printed") {
  const Recipe recipe = with({});
  std::vector<std::string> overrides;
  std::string section;
  std::istringstream lines(to_toml(recipe));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("[")) section = line.substr(1, line.find(']') - 1);
    if (const auto equals = line.find(" = "); equals != std::string::npos) {
      overrides.push_back(section + "." + line.substr(0, equals) + "=" + line.substr(equals + 3));
    }
  }
  CHECK(overrides.size() == 57);
  CHECK(parse_recipe("", "none", overrides) == recipe);
}

TEST_CASE("a missing recipe and a huge one are bad input") {
  const test::TemporaryFolder folder;
  CHECK_THROWS_AS(read_recipe(folder / "none.toml"), DataError);
  write_text_file(folder / "huge.toml", std::string(2 << 20, '#'));
  CHECK_THROWS_WITH(read_recipe(folder / "huge.toml"), Contains("huge.toml") && Contains("at most"));
}

TEST_CASE("every recipe of the project reads, and keeps its promises") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tools/recipes")) {
    if (entry.path().extension() != ".toml") continue;
    INFO(entry.path().string());
    const Recipe recipe = read_recipe(entry.path().string());
    CHECK(parse_recipe(to_toml(recipe), "printed") == recipe);
    const auto end = static_cast<double>(recipe.train.epochs);
    CHECK(recipe.batch_shaping.end_epoch <= end);
    CHECK(recipe.l0.end_epoch <= end);
    for (const double milestone : recipe.schedule.milestones) CHECK(milestone < end);
    // A gated network without its phases would train, and silently not be the method.
    if (recipe.model.arch.ends_with("_bas")) CHECK(recipe.batch_shaping.end_epoch > 0);
    // A name that has a network in it says what is trained.
    const std::string name = entry.path().stem().string();
    if (name.find("resnet") != std::string::npos || name.find("pspnet") != std::string::npos)
      CHECK((name.find("_bas") != std::string::npos) == recipe.model.arch.ends_with("_bas"));
    ++count;
  }
  CHECK(count >= 15);
}
