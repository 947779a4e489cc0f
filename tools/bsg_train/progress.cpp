#include "tools/bsg_train/progress.hpp"

#include <cstdio>
#include <unistd.h>

#include <fmt/format.h>

namespace bsg::tools {
namespace {

constexpr double kSecondsBetweenBars = 0.2;
constexpr double kSecondsBetweenLines = 60;
constexpr std::int64_t kBarCells = 30;

}  // namespace

TrainingProgress::TrainingProgress(std::int64_t epochs, std::int64_t batch)
    : epochs_(epochs), batch_(batch), terminal_(::isatty(STDOUT_FILENO) != 0) {}

void TrainingProgress::step(std::int64_t epoch, std::int64_t step, std::int64_t steps, double loss) {
  ++steps_since_;
  const double seconds = std::chrono::duration<double>(Clock::now() - shown_).count();
  if (seconds < (terminal_ ? kSecondsBetweenBars : kSecondsBetweenLines)) return;
  const double speed = static_cast<double>(steps_since_ * batch_) / seconds;
  if (terminal_) {
    const auto cells = static_cast<std::size_t>(kBarCells * step / steps);
    fmt::print("\r\033[Kepoch {}/{} [{:.<{}}] step {}/{}  loss {:.3f}  {:.0f} images/s", epoch, epochs_,
               std::string(cells, '#'), kBarCells, step, steps, loss, speed);
    bar_ = true;
  } else {
    fmt::print("epoch {}/{} step {}/{}  loss {:.3f}  {:.0f} images/s\n", epoch, epochs_, step, steps, loss, speed);
  }
  std::fflush(stdout);
  shown_ = Clock::now();
  steps_since_ = 0;
}

void TrainingProgress::row(const train::MetricsRow& row) {
  clear_bar();
  fmt::print("epoch {}/{} {:<5}  loss {:.4f}  {} {:5.2f} %  MACs {:.3f} of dense  {:.{}f} images/s\n", row.epoch,
             epochs_, row.split, row.loss, row.segmentation ? "mean IoU" : "top-1", row.score(),
             row.macs_mean / static_cast<double>(row.macs_dense), row.images_per_second,
             row.images_per_second < 100 ? 1 : 0);
  std::fflush(stdout);
  shown_ = Clock::now();
  steps_since_ = 0;
}

void TrainingProgress::clear_bar() {
  if (bar_) fmt::print("\r\033[K");
  bar_ = false;
}

}  // namespace bsg::tools
