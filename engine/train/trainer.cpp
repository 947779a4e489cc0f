#include "engine/train/trainer.hpp"

#include <chrono>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"
#include "engine/inference/evaluation_metrics.hpp"
#include "engine/inference/plan.hpp"
#include "engine/train/metrics_log.hpp"

namespace bsg::train {
namespace {

const std::string kMomentumPrefix = std::string(kOptimizerPrefix) + "momentum.";

// What decides how long a run takes, not what a step of it computes.
bool may_differ(const std::string& key) {
  return key == "train.epochs" || key == "train.max_seconds" || key == "train.eval_every" ||
         key == "train.eval_batch" || key == "train.checkpoint_every" || key == "data.workers";
}

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

std::vector<optim::ParameterGroup> groups_of(nn::Network& network, const Recipe::Optimizer& optimizer) {
  return optim::split_gating(network.parameters(), optimizer.weight_decay, optimizer.gate_weight_decay,
                             optimizer.gate_lr_scale);
}

Tensor class_weights_of(Context& host, const std::vector<float>& weights) {
  return weights.empty() ? Tensor() : Tensor::from(host, {static_cast<std::int64_t>(weights.size())}, weights);
}

}  // namespace

Trainer::Trainer(Context& context, nn::Network& network, const Recipe& recipe, std::uint64_t seed, TrainingData data,
                 RunFolder folder)
    : context_(context),
      host_({.threads = context.threads()}),
      network_(network),
      recipe_(recipe),
      seed_(seed),
      data_(std::move(data)),
      folder_(std::move(folder)),
      schedules_(recipe),
      loss_(recipe, class_weights_of(host_, data_.class_weights)),
      optimizer_(context, groups_of(network, recipe.optimizer),
                 {.momentum = recipe.optimizer.momentum, .nesterov = recipe.optimizer.nesterov}),
      upload_(context),
      report_(std::make_unique<StepReport>(context)),
      report_before_(std::make_unique<StepReport>(context)),
      sums_(no_sums()) {
  if (data_.train.batches() < 1)
    throw_error<ConfigError>("train.batch = {}: an epoch of {} images has no step", recipe.train.batch,
                             data_.train.examples());
}

MetricSums Trainer::no_sums() const {
  return {network_.macs(), network_.task(), static_cast<std::int64_t>(data_.classes.size())};
}

void Trainer::save(const std::string& path) {
  Checkpoint checkpoint;
  for (const auto& [name, tensor] : network_.state()) checkpoint.tensors.emplace_back(name, tensor->to(host_));
  for (const auto& [name, velocity] : optimizer_.state())
    checkpoint.tensors.emplace_back(kMomentumPrefix + name, velocity->to(host_));
  checkpoint.set("recipe", to_toml(recipe_));
  checkpoint.set("classes", nlohmann::json(data_.classes).dump());
  checkpoint.set_integer("image_height", data_.height);
  checkpoint.set_integer("image_width", data_.width);
  checkpoint.set_integer("train_examples", data_.train.examples());
  checkpoint.set("seed", fmt::format("{}", seed_));
  checkpoint.set_integer("random_position", static_cast<std::int64_t>(context_.random().position()));
  checkpoint.set_integer("epoch", epoch_);
  checkpoint.set_integer("step", step_);
  checkpoint.set_number("best_score", best_score_);
  checkpoint.set("sums", sums_.to_json());
  save_checkpoint(path, checkpoint);
}

void Trainer::resume() {
  const Checkpoint checkpoint = load_checkpoint(host_, folder_.last_checkpoint());
  const Recipe made_by = parse_recipe(checkpoint.text("recipe"), checkpoint.source + ": recipe");
  for (const std::string& key : differing_keys(made_by, recipe_))
    if (!may_differ(key))
      throw_error<ConfigError>("{}: was made with another {}; a resumed run keeps its recipe", checkpoint.source, key);
  if (checkpoint.text("seed") != fmt::format("{}", seed_))
    throw_error<ConfigError>("{}: was made with seed {}, not {}", checkpoint.source, checkpoint.text("seed"), seed_);
  if (checkpoint.integer("train_examples") != data_.train.examples() ||
      checkpoint.text("classes") != nlohmann::json(data_.classes).dump())
    throw_error<ConfigError>("{}: was trained on other data: {} training images of the classes {}, now {} of {}",
                             checkpoint.source, checkpoint.integer("train_examples"), checkpoint.text("classes"),
                             data_.train.examples(), nlohmann::json(data_.classes).dump());
  const std::int64_t epoch = checkpoint.integer("epoch"), step = checkpoint.integer("step");
  const std::int64_t position = checkpoint.integer("random_position");
  if (epoch < 0 || step < 0 || step >= data_.train.batches() || position < 0)
    throw_error<DataError>("{}: epoch {}, step {}, random position {}: no state of this run", checkpoint.source, epoch,
                           step, position);
  MetricSums sums = no_sums();
  sums.restore(checkpoint.text("sums"), checkpoint.source);
  load_named_tensors(host_, optimizer_.state(), checkpoint.tensors_under(kMomentumPrefix),
                     checkpoint.source + ": momentum");
  load_named_tensors(host_, network_.state(), checkpoint.network_tensors(), checkpoint.source);
  best_score_ = checkpoint.number("best_score");
  context_.random().set_position(static_cast<std::uint64_t>(position));
  epoch_ = epoch;
  step_ = step;
  sums_ = sums;
}

void Trainer::train_step(const LabelledImages& batch, const ScheduledValues& values, TrainingObserver& observer) {
  Tape tape(context_);
  const nn::Pass pass{.context = context_, .tape = &tape, .training = true};
  std::vector<nn::GateTrace> traces;
  const nn::Scores scores = network_.scores(pass, Var(upload_.images(batch)), traces);
  const LossParts loss = loss_(context_, scores, batch.labels, traces, values);
  std::swap(report_, report_before_);
  report_->fetch(step_ + 1, scores.logits.value, batch.labels, traces, loss, values);
  // On the CPU a loss is known before it moves the weights; a device gets its next step before the host asks for one.
  if (context_.on_cpu()) settle(*report_, observer);
  traces.clear();
  optimizer_.zero_grad();
  tape.backward(loss.total);
  optimizer_.step(values.learning_rate);
  settle(*report_before_, observer);
}

void Trainer::settle(StepReport& report, TrainingObserver& observer) {
  if (!report.pending()) return;
  const std::int64_t steps = data_.train.batches();
  const StepResult result = report.settle();
  if (!std::isfinite(result.loss))
    throw_error<NumericError>(
        "{}: the loss became {} in epoch {}, step {} of {} (learning rate {:g}); the checkpoint before it stays",
        folder_.path, result.loss, epoch_ + 1, report.step(), steps, report.scheduled().learning_rate);
  sums_.add(result);
  observer.step(epoch_ + 1, report.step(), steps, result.loss);
}

MetricsRow Trainer::evaluate() {
  const Stopwatch watch;
  inference::Plan plan(context_.on_cpu() ? host_ : context_, network_);
  inference::EvaluationMetrics metrics(network_.macs(), host_.threads());
  LabelledImages batch;
  for (data_.test.start(0, 0); data_.test.next(batch);) metrics.add(plan.run(batch.images).to(host_), batch.labels);
  const inference::Evaluation result = metrics.result();
  if (!std::isfinite(result.loss))
    throw_error<NumericError>("{}: the loss on the test split became {} after epoch {}; the checkpoint before it stays",
                              folder_.path, result.loss, epoch_ + 1);
  MetricsRow row;
  row.split = "test";
  row.loss = row.loss_task = result.loss;
  if (result.segmentation) {
    row.segmentation = result.segmentation;
  } else {
    row.top1 = result.top1;
  }
  row.density = result.density;
  row.density_per_layer = result.density_per_layer;
  row.macs_mean = result.macs_mean;
  row.macs_dense = result.macs_dense;
  row.images_per_second = static_cast<double>(result.images) / watch.seconds();
  return row;
}

TrainingOutcome Trainer::run(TrainingObserver& observer, const std::function<bool()>& stop_requested) {
  const Stopwatch run_watch;
  MetricsLog log(folder_.metrics(), epoch_);
  const std::int64_t steps = data_.train.batches();
  const auto out_of_time = [&] {
    return recipe_.train.max_seconds > 0 && run_watch.seconds() >= recipe_.train.max_seconds;
  };
  while (epoch_ < recipe_.train.epochs) {
    const Stopwatch watch;
    const std::int64_t images_before = sums_.images();
    ScheduledValues values;
    LabelledImages batch;
    data_.train.start(epoch_, step_);
    while (step_ < steps && data_.train.next(batch)) {
      values = schedules_.at(static_cast<double>(epoch_) + static_cast<double>(step_) / static_cast<double>(steps));
      train_step(batch, values, observer);
      ++step_;
      // The end of an epoch is worth its evaluation; in the middle the state is written as it is.
      const bool interrupted = stop_requested();
      if (step_ < steps && (interrupted || out_of_time())) {
        settle(*report_, observer);
        save(folder_.last_checkpoint());
        return interrupted ? TrainingOutcome::interrupted : TrainingOutcome::out_of_time;
      }
    }
    settle(*report_, observer);
    const bool last = epoch_ + 1 == recipe_.train.epochs;
    std::vector<MetricsRow> rows = {sums_.row()};
    rows[0].split = "train";
    rows[0].images_per_second = static_cast<double>(sums_.images() - images_before) / watch.seconds();
    bool best = false;
    if (last || (epoch_ + 1) % recipe_.train.eval_every == 0) {
      rows.push_back(evaluate());
      best = rows.back().score() > best_score_;
      if (best) best_score_ = rows.back().score();
    }
    ++epoch_;
    step_ = 0;
    sums_ = no_sums();
    for (MetricsRow& row : rows) {
      row.epoch = epoch_;
      row.lr = values.learning_rate;
      row.gamma = values.gamma;
      row.rho = values.rho;
      log.append(row);
      observer.row(row);
    }
    const bool stop = !last && (stop_requested() || out_of_time());
    if (best) save(folder_.best_checkpoint());
    if (last || stop || epoch_ % recipe_.train.checkpoint_every == 0) save(folder_.last_checkpoint());
    if (stop) return stop_requested() ? TrainingOutcome::interrupted : TrainingOutcome::out_of_time;
  }
  return TrainingOutcome::finished;
}

}  // namespace bsg::train
