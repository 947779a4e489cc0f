#pragma once

#include <cstdint>
#include <string>

#include "engine/train/metrics.hpp"

namespace bsg::train {

// metrics.jsonl, a row a line. Rows are written before the checkpoint of their epoch; a run that was killed in between
// comes back to the earlier checkpoint, and the rows that are ahead of it are dropped when the log is opened.
class MetricsLog {
 public:
  // Keeps the rows of the first `epochs` epochs of an existing file and drops all others, a torn last line too. Throws
  // IoError.
  MetricsLog(std::string path, std::int64_t epochs);
  // Appends a line, or throws IoError and leaves the file as it was.
  void append(const MetricsRow& row);

 private:
  std::string path_;
};

}  // namespace bsg::train
