// Checkpoints: everything that a run needs to go on, in one safetensors file that is replaced atomically. Killed at any
// moment, also while writing, a run leaves its previous checkpoint whole.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/core/safetensors.hpp"

namespace bsg::train {

// Tensors named under this prefix belong to the optimizer ("optimizer.momentum.conv1.weight"); all others are the
// network's parameters and buffers, under their own names.
inline constexpr std::string_view kOptimizerPrefix = "optimizer.";

// The entries "format" and "format_version" are added by save_checkpoint and checked by load_checkpoint.
struct Checkpoint {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;

  void set(const std::string& key, std::string value) { metadata[key] = std::move(value); }
  void set_integer(const std::string& key, std::int64_t value);
  // Every bit of the double comes back.
  void set_number(const std::string& key, double value);

  // Throw DataError, naming the checkpoint and the key, when the entry is missing or is no such value.
  const std::string& text(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  double number(const std::string& key) const;
  bool has(const std::string& key) const { return metadata.contains(key); }

  // The tensors whose names begin with the prefix, without it ("optimizer.momentum.").
  NamedTensors tensors_under(std::string_view prefix) const;
  // Those of the network.
  NamedTensors network_tensors() const;

  std::string source;  // the file it was loaded from: for messages
};

// Throws IoError when the system refuses to write: the old file stays.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);
// Throws DataError when the file is missing, damaged, no checkpoint of this program, or of another version.
Checkpoint load_checkpoint(Context& context, const std::string& path);
// The network's tensors of a checkpoint of ours or of any other safetensors file.
NamedTensors load_weights(Context& context, const std::string& path);

// The same without the prefix "module." where all names have it: PyTorch's data-parallel training leaves it.
NamedTensors without_wrapper(NamedTensors tensors);

// Copies `given` into `expected` by name (nn::Module::state() gives the latter). PyTorch's `num_batches_tracked`
// entries are ignored, and so is the prefix "module." when all names have it. f32 and f64 convert to each other. When a
// tensor is missing, extra, of another shape or type, nothing is copied, and one DataError lists them all, up to 20
// names of each kind.
void load_named_tensors(Context& context, const std::vector<std::pair<std::string, Tensor*>>& expected,
                        const NamedTensors& given, const std::string& name_for_errors);

}  // namespace bsg::train
