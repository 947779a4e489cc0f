#include "data/class_frequencies.hpp"

#include <algorithm>
#include <cstddef>
#include <mutex>

#include "data/parallel.hpp"
#include "engine/core/error.hpp"

namespace bsg::data {

ClassPixels count_class_pixels(const Dataset& dataset) {
  const std::size_t classes = dataset.classes().size();
  ClassPixels all;
  all.images = dataset.size();
  for (auto* counts : {&all.of_class, &all.of_images_with, &all.images_with}) counts->resize(classes);
  std::mutex mutex;
  for_each_index(dataset.size(), [&](std::int64_t i) {
    const LabelMap annotation = dataset.get(i).annotation;
    if (annotation.labels.empty()) throw_error<DataError>("{}: has no annotation", dataset.source(i));
    std::vector<std::int64_t> here(256);
    for (const std::uint8_t label : annotation.labels) ++here[label];
    const auto pixels = static_cast<std::int64_t>(annotation.labels.size());
    const std::lock_guard lock(mutex);
    all.pixels += pixels;
    all.ignored += here[LabelMap::kIgnored];
    for (std::size_t c = 0; c < classes; ++c) {
      all.of_class[c] += here[c];
      all.of_images_with[c] += here[c] > 0 ? pixels : 0;
      all.images_with[c] += here[c] > 0 ? 1 : 0;
    }
  });
  return all;
}

std::vector<float> median_frequency_weights(const ClassPixels& pixels) {
  std::vector<double> frequencies, occurring;
  for (std::size_t c = 0; c < pixels.of_class.size(); ++c) {
    const auto of_class = static_cast<double>(pixels.of_class[c]);
    frequencies.push_back(of_class > 0 ? of_class / static_cast<double>(pixels.of_images_with[c]) : 0);
    if (of_class > 0) occurring.push_back(frequencies.back());
  }
  std::vector<float> weights(frequencies.size(), 0.0f);
  if (occurring.empty()) return weights;
  std::sort(occurring.begin(), occurring.end());
  const std::size_t count = occurring.size();
  const double median = (occurring[(count - 1) / 2] + occurring[count / 2]) / 2;
  for (std::size_t c = 0; c < weights.size(); ++c) {
    if (frequencies[c] > 0) weights[c] = static_cast<float>(median / frequencies[c]);
  }
  return weights;
}

}  // namespace bsg::data
