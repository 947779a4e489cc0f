// A small network, data that it can learn, and a trainer: what tests of training runs share.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/core/file.hpp"
#include "engine/train/trainer.hpp"
#include "models/resnet_cifar.hpp"

namespace bsg::test {

inline constexpr int kSize = 8;
inline constexpr std::int64_t kBatch = 6;

// Images of two classes, bright and dark, with noise; batch b of epoch e is a function of e and b.
class TwoShades : public train::BatchSource {
 public:
  TwoShades(Context& context, std::int64_t batches) : context_(context), batches_(batches) {}
  std::int64_t batches() const override { return batches_; }
  std::int64_t examples() const override { return batches_ * kBatch; }
  void start(std::int64_t epoch, std::int64_t first_batch) override {
    epoch_ = epoch;
    next_ = first_batch;
  }
  bool next(train::LabelledImages& batch) override {
    if (next_ == batches_) return false;
    Generator random(7, static_cast<std::uint64_t>(epoch_ * 1000 + next_++));
    batch.images = Tensor::empty(context_, {kBatch, 3, kSize, kSize});
    batch.labels = Tensor::empty(context_, {kBatch}, DType::i64);
    for (std::int64_t i = 0; i < kBatch; ++i) {
      const std::int64_t label = static_cast<std::int64_t>(random.below(2));
      batch.labels.data<std::int64_t>()[i] = label;
      for (std::int64_t j = 0; j < 3 * kSize * kSize; ++j)
        batch.images.data<float>()[i * 3 * kSize * kSize + j] =
            static_cast<float>((label == 0 ? -0.5 : 0.5) + 0.3 * random.normal());
    }
    if (poison_at_ >= 0 && epoch_ * batches_ + next_ > poison_at_)
      batch.images.data<float>()[0] = std::numeric_limits<float>::quiet_NaN();
    return true;
  }
  void poison_from(std::int64_t step) { poison_at_ = step; }

 private:
  Context& context_;
  std::int64_t batches_, epoch_ = 0, next_ = 0, poison_at_ = -1;
};

class Silent : public train::TrainingObserver {
 public:
  void step(std::int64_t, std::int64_t, std::int64_t, double loss) override { losses.push_back(loss); }
  void row(const train::MetricsRow& row) override { rows.push_back(row); }
  std::vector<double> losses;
  std::vector<train::MetricsRow> rows;
};

inline train::Recipe small_recipe(const std::vector<std::string>& overrides = {}) {
  return train::parse_recipe(R"(
[model]
arch = "resnet20_bas"
[train]
epochs = 4
batch = 6
[optimizer]
lr = 0.05
[schedule]
milestones = [3]
[batch_shaping]
gamma = 0.1
end_epoch = 2
[l0]
rho = 0.1
start_epoch = 1
end_epoch = 3
)",
                             "small", overrides);
}

// One process's life: a fresh network and trainer on a folder.
struct Session {
  Session(const std::string& path, const train::Recipe& recipe, int threads = 1, std::uint64_t seed = 3,
          Device device = Device::cpu)
      : context({.device = device, .threads = threads, .seed = seed, .allocator = {.poison = true}}),
        initial(seed, 11),
        network(host, initial,
                {.blocks_per_stage = 1, .classes = 2, .gated = true, .height = kSize, .width = kSize, .gate = {}}),
        train(host, 5),
        test(host, 2),
        folder{path},
        trainer(prepared(), network, recipe, seed, {train, test, {"dark", "bright"}, kSize, kSize}, folder) {}

  train::TrainingOutcome run(std::int64_t stop_after = std::numeric_limits<std::int64_t>::max()) {
    return trainer.run(observer,
                       [this, stop_after] { return static_cast<std::int64_t>(observer.losses.size()) >= stop_after; });
  }

  // The trainer wants its folder, and its network where it computes.
  Context& prepared() {
    folder.create(true);
    network.move(context);
    return context;
  }

  Context host{{.allocator = {.poison = true}}};
  Context context;
  Generator initial;
  models::CifarResNet network;
  TwoShades train, test;
  train::RunFolder folder;
  train::Trainer trainer;
  Silent observer;
};

inline std::vector<std::byte> bytes_of(const std::string& path) { return read_file(path, 1 << 26); }

// The rows without what a clock decides.
inline std::vector<nlohmann::json> rows_of(const std::string& path) {
  std::vector<nlohmann::json> rows;
  const std::string text = read_text_file(path, 1 << 20);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    rows.push_back(nlohmann::json::parse(text.substr(at, end - at)));
    rows.back().erase("images_per_second");
    at = end + 1;
  }
  return rows;
}

}  // namespace bsg::test
