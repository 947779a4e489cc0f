#include "data/synthetic.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using namespace bsg::data;

namespace {

// FNV-1a
std::uint64_t hash_of(const Image& image) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const std::uint8_t byte : image.pixels) hash = (hash ^ byte) * 0x100000001b3u;
  return hash;
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

}  // namespace

TEST_CASE("synthetic: the same image on every machine") {
  std::uint64_t all = 0;
  for (std::int64_t i = 0; i < 40; ++i) all = all * 31 + hash_of(draw_synthetic(7, Split::test, i).image);
  CHECK(all == 0x42230f6b7e3d4292);
}

TEST_CASE("synthetic: classes take turns, difficulties are spread over [0, 1], no two images are alike") {
  const auto dataset = make_synthetic(1, Split::train, 1000);
  CHECK(dataset->size() == 1000);
  CHECK(dataset->classes().size() == 10);
  std::set<std::uint64_t> hashes;
  std::vector<int> tenths(10, 0);
  for (std::int64_t i = 0; i < dataset->size(); ++i) {
    const Example example = dataset->get(i);
    CHECK(example.image.height == 32);
    CHECK(example.image.width == 32);
    CHECK(example.image.pixels.size() == 3072);
    CHECK(example.label == i % 10);
    REQUIRE(example.difficulty >= 0);
    REQUIRE(example.difficulty < 1);
    ++tenths[static_cast<std::size_t>(example.difficulty * 10)];
    hashes.insert(hash_of(example.image));
  }
  CHECK(hashes.size() == 1000);
  CHECK(*std::min_element(tenths.begin(), tenths.end()) > 60);
}

TEST_CASE("synthetic: image i does not depend on how many there are; splits and seeds differ") {
  const auto dataset = make_synthetic(3, Split::train, 12);
  CHECK(dataset->get(11).image.pixels == draw_synthetic(3, Split::train, 11).image.pixels);
  CHECK(dataset->get(11).image.pixels != draw_synthetic(3, Split::test, 11).image.pixels);
  CHECK(dataset->get(11).image.pixels != draw_synthetic(4, Split::train, 11).image.pixels);
}

TEST_CASE("synthetic: a difficult image is the easy one with less contrast and more noise") {
  for (std::int64_t i = 0; i < 10; ++i) {
    const auto own = draw_synthetic(1, Split::train, i);
    CHECK(draw_synthetic(1, Split::train, i, own.difficulty).label == own.label);
    const Image easy = draw_synthetic(1, Split::train, i, 0).image, hard = draw_synthetic(1, Split::train, i, 1).image;
    // Neighbours differ little without noise.
    const auto roughness = [](const Image& image) {
      double sum = 0;
      for (std::size_t k = 3; k < image.pixels.size(); ++k) sum += std::abs(image.pixels[k] - image.pixels[k - 3]);
      return sum / static_cast<double>(image.pixels.size());
    };
    CHECK(roughness(hard) > 1.5 * roughness(easy));
    CHECK(mean_difference(easy, hard) > 5);
  }
}
