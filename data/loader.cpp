#include "data/loader.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "data/transform.hpp"
#include "engine/core/error.hpp"
#include "engine/core/random.hpp"

namespace bsg::data {
namespace {

// Streams of the seed, one an epoch, apart from those that other parts of the program use.
constexpr std::uint64_t kOrderStream = std::uint64_t{6} << 60, kAugmentStream = std::uint64_t{7} << 60;

using Order = std::vector<std::int64_t>;

Order order_of(std::int64_t size, bool shuffle, std::uint64_t seed, std::int64_t epoch) {
  Order order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (!shuffle) return order;
  Generator random(seed, kOrderStream + static_cast<std::uint64_t>(epoch));
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
  return order;
}

}  // namespace

struct Loader::State {
  State(Context& context_, std::shared_ptr<const Dataset> dataset_, std::shared_ptr<const Transform> transform_,
        const LoaderOptions& options_);
  ~State() { stop(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void stop();
  void work();

  // What a worker made of a batch.
  struct Result {
    Batch batch;
    std::vector<std::pair<std::int64_t, std::string>> skipped;  // examples, and what was wrong with them
    std::exception_ptr error;
  };
  void prepare(const Order& order, std::int64_t epoch, std::int64_t number, Result& result) const;

  Context& context;
  const std::shared_ptr<const Dataset> dataset;
  const std::shared_ptr<const Transform> transform;
  const LoaderOptions options;
  std::int64_t batches = 0;   // of an epoch
  std::int64_t examples = 0;  // of an epoch

  std::mutex mutex;  // of all below
  std::condition_variable work_changed, result_ready;
  bool stopping = false;
  std::uint64_t run = 0;  // counts calls of start: results of an earlier run are dropped
  std::int64_t epoch = 0;
  std::shared_ptr<const Order> order;           // null before the first start
  std::int64_t to_prepare = 0, to_deliver = 0;  // numbers of the next batch
  std::vector<std::optional<Result>> results;   // batch n is at n % prefetch

  // Of the batches that were delivered; used by the thread that takes them.
  std::set<std::int64_t> unreadable_examples;
  Unreadable unreadable;

  std::vector<std::thread> workers;
};

Loader::State::State(Context& context_, std::shared_ptr<const Dataset> dataset_,
                     std::shared_ptr<const Transform> transform_, const LoaderOptions& options_)
    : context(context_), dataset(std::move(dataset_)), transform(std::move(transform_)), options(options_) {
  if (options.batch < 1) throw_error<ConfigError>("data: batch is {}, expected 1 or more", options.batch);
  if (options.workers < 1) throw_error<ConfigError>("data: workers is {}, expected 1 or more", options.workers);
  if (options.prefetch < 1) throw_error<ConfigError>("data: prefetch is {}, expected 1 or more", options.prefetch);
  const std::int64_t size = dataset->size();
  if (size < 1) throw_error<ConfigError>("data: the data set is empty");
  if (options.drop_last && options.batch > size) {
    throw_error<ConfigError>(
        "data: a batch of {} images is more than the {} of the data set, and drop_last leaves none", options.batch,
        size);
  }
  batches = size / options.batch + (!options.drop_last && size % options.batch != 0 ? 1 : 0);
  examples = options.drop_last ? batches * options.batch : size;
  results.resize(static_cast<std::size_t>(options.prefetch));
  try {
    for (int i = 0; i < options.workers; ++i) workers.emplace_back([this] { work(); });
  } catch (...) {
    stop();  // a thread that is not joined would end the program
    throw;
  }
}

void Loader::State::stop() {
  {
    const std::lock_guard lock(mutex);
    stopping = true;
  }
  work_changed.notify_all();
  for (std::thread& worker : workers) worker.join();
  workers.clear();
}

void Loader::State::work() {
  std::unique_lock lock(mutex);
  for (;;) {
    work_changed.wait(lock, [&] {
      return stopping || (order && to_prepare < batches && to_prepare < to_deliver + options.prefetch);
    });
    if (stopping) return;
    const std::int64_t number = to_prepare++;
    const auto current_order = order;
    const auto current_epoch = epoch;
    const auto current_run = run;
    lock.unlock();
    Result result;
    try {
      prepare(*current_order, current_epoch, number, result);
    } catch (...) {
      result.error = std::current_exception();
    }
    lock.lock();
    if (current_run != run) continue;
    results[static_cast<std::size_t>(number % options.prefetch)] = std::move(result);
    result_ready.notify_one();
  }
}

void Loader::State::prepare(const Order& current_order, std::int64_t current_epoch, std::int64_t number,
                            Result& result) const {
  const std::int64_t first = number * options.batch;
  const std::int64_t count = std::min(options.batch, static_cast<std::int64_t>(current_order.size()) - first);
  Batch& batch = result.batch;
  batch.images = Tensor::empty(context, {count, 3, transform->height(), transform->width()});
  const std::int64_t plane = std::int64_t{transform->height()} * transform->width();
  const bool pixels = transform->labels_pixels();
  batch.labels =
      Tensor::empty(context, pixels ? Shape{count, transform->height(), transform->width()} : Shape{count}, DType::i64);
  float* images = batch.images.data<float>();
  std::int64_t* labels = batch.labels.data<std::int64_t>();
  const auto load = [&](std::int64_t index, std::int64_t i) {
    Generator random(options.seed, kAugmentStream + static_cast<std::uint64_t>(current_epoch));
    random.set_position(static_cast<std::uint64_t>(index) * transform->draws());
    return transform->load(*dataset, index, random, images + i * 3 * plane, labels + i * (pixels ? plane : 1));
  };
  const std::size_t size = current_order.size();
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::size_t further = 0;; ++further) {
      const std::int64_t index = current_order[(static_cast<std::size_t>(first + i) + further) % size];
      try {
        batch.difficulty.push_back(load(index, i));
        batch.indices.push_back(index);
        break;
      } catch (const DataError& error) {
        if (!options.skip_unreadable) throw;
        if (further + 1 == size) throw_error<DataError>("none of the {} images can be read: {}", size, error.what());
        result.skipped.emplace_back(index, error.what());
      }
    }
  }
}

Loader::Loader(Context& context, std::shared_ptr<const Dataset> dataset, std::shared_ptr<const Transform> transform,
               const LoaderOptions& options)
    : state_(std::make_unique<State>(context, std::move(dataset), std::move(transform), options)) {}

Loader::~Loader() = default;

std::int64_t Loader::batches() const { return state_->batches; }

std::int64_t Loader::examples() const { return state_->examples; }

const Unreadable& Loader::unreadable() const { return state_->unreadable; }

void Loader::start(std::int64_t epoch, std::int64_t first_batch) {
  State& s = *state_;
  if (epoch < 0) throw_error<ConfigError>("data: epoch is {}, expected 0 or more", epoch);
  if (first_batch < 0 || first_batch > s.batches) {
    throw_error<ConfigError>("data: first batch is {}, an epoch has {}", first_batch, s.batches);
  }
  auto order = std::make_shared<const Order>(order_of(s.dataset->size(), s.options.shuffle, s.options.seed, epoch));
  {
    const std::lock_guard lock(s.mutex);
    ++s.run;
    s.epoch = epoch;
    s.order = std::move(order);
    s.to_prepare = s.to_deliver = first_batch;
    for (auto& result : s.results) result.reset();
  }
  s.work_changed.notify_all();
}

bool Loader::next(Batch& batch) {
  State& s = *state_;
  State::Result result;
  {
    std::unique_lock lock(s.mutex);
    if (!s.order) throw_error<ConfigError>("data: a batch was asked for before an epoch was started");
    if (s.to_deliver >= s.batches) return false;
    auto& slot = s.results[static_cast<std::size_t>(s.to_deliver % s.options.prefetch)];
    s.result_ready.wait(lock, [&] { return slot.has_value(); });
    result = std::move(*slot);
    slot.reset();
    ++s.to_deliver;
  }
  s.work_changed.notify_one();
  for (auto& [index, message] : result.skipped) {
    if (!s.unreadable_examples.insert(index).second) continue;
    ++s.unreadable.examples;
    if (s.unreadable.messages.size() < Unreadable::kMaxMessages) s.unreadable.messages.push_back(std::move(message));
  }
  if (result.error) std::rethrow_exception(result.error);
  batch = std::move(result.batch);
  return true;
}

}  // namespace bsg::data
