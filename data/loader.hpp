// Batches of normalised images, prepared ahead on threads of their own. What a batch holds depends on the seed, the
// epoch and its number alone: not on the number of threads, and not on what was loaded before.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "data/transform.hpp"
#include "engine/core/tensor.hpp"

namespace bsg::data {

struct LoaderOptions {
  std::int64_t batch = 128;
  bool shuffle = false;
  bool drop_last = false;  // leave out the last batch when it is smaller
  std::uint64_t seed = 0;  // of order, crops and mirroring
  int workers = 1;         // threads that prepare batches
  int prefetch = 4;        // batches that are ready ahead
  // An example that cannot be read (DataError) is replaced by the next in the epoch's order that can, which then comes
  // twice, and counted.
  bool skip_unreadable = false;
};

struct Batch {
  Tensor images;                      // f32 [N, 3, H, W], normalised
  Tensor labels;                      // i64 [N], or [N, H, W] with kNoLabel
  std::vector<std::int64_t> indices;  // into the data set
  std::vector<float> difficulty;      // Example::difficulty
};

// What was replaced in the batches that were delivered.
struct Unreadable {
  std::int64_t examples = 0;          // different ones
  std::vector<std::string> messages;  // what was wrong with the first of them, kMaxMessages at most
  static constexpr std::size_t kMaxMessages = 5;
};

class Loader {
 public:
  // Throws ConfigError for options that make no sense (no batch, no worker, a batch larger than the set with
  // drop_last).
  Loader(Context& context, std::shared_ptr<const Dataset> dataset, std::shared_ptr<const Transform> transform,
         const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // Batches of an epoch.
  std::int64_t batches() const;
  // Examples of an epoch: fewer than the set has with drop_last.
  std::int64_t examples() const;

  // Prepares to deliver the batches first_batch, first_batch + 1, ... of the epoch. Batches of an earlier call that
  // were not taken are dropped.
  void start(std::int64_t epoch, std::int64_t first_batch = 0);
  // The next batch, or false after the last. An error that a worker met (DataError) is thrown here, at its batch.
  // With skip_unreadable: when nothing can be read at all.
  bool next(Batch& batch);

  // Since the loader was made.
  const Unreadable& unreadable() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bsg::data
