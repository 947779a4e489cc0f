#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "tools/bsg_data/commands.hpp"
#include "tools/bsg_data/view.hpp"

namespace bsg::tools {

void measure_speed(const SpeedOptions& options) {
  using Clock = std::chrono::steady_clock;
  const data::ImageTransform transform = make_view(options.view);
  const auto dataset = data::open_dataset(options.view.data, options.view.split, options.view.open);
  std::vector<float> values(static_cast<std::size_t>(3 * options.view.size) *
                            static_cast<std::size_t>(options.view.size));
  std::vector<double> seconds;  // of each pass after the first, which brings the files into memory
  double all = 0;
  for (std::uint64_t pass = 0; pass < 2 || all < options.seconds; ++pass) {
    const auto start = Clock::now();
    for (std::int64_t i = 0; i < dataset->size(); ++i) {
      std::int64_t label = 0;
      Generator random = view_generator(options.view, transform, i, pass);
      transform.load(*dataset, i, random, values.data(), &label);
    }
    if (pass == 0) continue;
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    all += seconds.back();
  }
  std::sort(seconds.begin(), seconds.end());
  const auto images = static_cast<double>(dataset->size());
  const double median = images / seconds[seconds.size() / 2], best = images / seconds.front();
  if (options.json) {
    const nlohmann::ordered_json report = {
        {"images", dataset->size()}, {"passes", seconds.size()}, {"images_per_second", median}, {"best", best}};
    fmt::print("{}\n", report.dump(2));
    return;
  }
  fmt::print("{}: {:.0f} images/s on one thread (best pass {:.0f}), {} passes over {} images\n", options.view.data,
             median, best, seconds.size(), dataset->size());
}

}  // namespace bsg::tools
