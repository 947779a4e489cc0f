// The folder that a training run writes: what lies in it, and when a new run may take it.
#pragma once

#include <string>

namespace bsg::train {

struct RunFolder {
  std::string path;

  std::string recipe() const { return path + "/recipe.toml"; }     // resolved: every key, overrides applied
  std::string inputs() const { return path + "/inputs.json"; }     // what it began with besides the recipe
  std::string metrics() const { return path + "/metrics.jsonl"; }  // a MetricsRow a line
  std::string last_checkpoint() const { return path + "/checkpoint-last.safetensors"; }
  std::string best_checkpoint() const { return path + "/checkpoint-best.safetensors"; }

  bool has_checkpoint() const;
  // Makes the folder. Throws ConfigError when a run lies in it already and is not to be resumed, IoError when it cannot
  // be made.
  void create(bool resuming) const;
};

}  // namespace bsg::train
