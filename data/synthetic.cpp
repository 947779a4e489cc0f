#include "data/synthetic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>

#include <fmt/core.h>

#include "data/memory_dataset.hpp"
#include "data/parallel.hpp"
#include "engine/core/random.hpp"

namespace bsg::data {
namespace {

// In the order of the labels.
enum class Figure { checkers, cross, disc, dots, ring, square, star, stripes, target, triangle };
constexpr int kFigures = 10;

constexpr int kSide = kSyntheticSide;
constexpr int kSubpixels = 3;  // a pixel is the mean of 3 x 3 points

// Streams of the seed, apart from those that other parts of the program use.
constexpr std::uint64_t kTrainStream = std::uint64_t{4} << 60, kTestStream = std::uint64_t{5} << 60;

// Everything that difficulty decides.
struct Conditions {
  double contrast;  // of the object against the background, in grey levels of each channel
  double radius;    // smallest of the object, in pixels; the largest is 1.35 times that
  double noise;     // standard deviation of each channel, in grey levels
  int clutter;      // strokes behind the object, at most
  int bars;         // across the object, at most

  explicit Conditions(double difficulty)
      : contrast(140 - 78 * difficulty),
        radius(10 - 1.5 * difficulty),
        noise(3 + 23 * difficulty * difficulty),
        clutter(static_cast<int>(8 * difficulty)),
        bars(static_cast<int>(4 * difficulty)) {}
};

using Color = std::array<double, 3>;

struct Point {
  double x, y;
};

double dot(Point a, Point b) { return a.x * b.x + a.y * b.y; }
double fraction(double x) { return x - std::floor(x); }

// A direction from anywhere on the circle, without the library's sine, whose last bit differs between machines.
Point direction(Generator& random) {
  const double t = 2 * random.uniform() - 1;
  const double sign = random.below(2) == 0 ? 1 : -1;
  return {sign * (1 - t * t) / (1 + t * t), sign * 2 * t / (1 + t * t)};
}

// Whether the figure covers a point; it fits the unit circle.
bool covers(Figure figure, Point p) {
  constexpr std::array<Point, 3> kTriangle = {{{0, 1}, {0.8660254037844386, -0.5}, {-0.8660254037844386, -0.5}}};
  constexpr std::array<Point, 5> kPentagon = {{{0, 1},
                                               {0.9510565162951535, 0.30901699437494745},
                                               {0.5877852522924731, -0.8090169943749475},
                                               {-0.5877852522924731, -0.8090169943749475},
                                               {-0.9510565162951535, 0.30901699437494745}}};
  constexpr double kPeriod = 0.5;  // of the textures: four of them across the patch
  const double square = p.x * p.x + p.y * p.y;
  const double x = std::abs(p.x), y = std::abs(p.y);
  switch (figure) {
    case Figure::disc:
      return square < 0.75 * 0.75;
    case Figure::ring:
      return square < 0.9 * 0.9 && square > 0.55 * 0.55;
    case Figure::square:
      return x < 0.67 && y < 0.67;
    case Figure::triangle:
      return std::all_of(kTriangle.begin(), kTriangle.end(), [&](Point normal) { return dot(normal, p) < 0.48; });
    case Figure::cross:
      return (x < 0.26 && y < 0.92) || (y < 0.26 && x < 0.92);
    case Figure::star:  // inside of at least four of the five lines of a pentagram
      return std::count_if(kPentagon.begin(), kPentagon.end(), [&](Point normal) { return dot(normal, p) < 0.3; }) >= 4;
    default:
      break;
  }
  if (square > 1) return false;
  switch (figure) {
    case Figure::stripes:
      return fraction(p.x / kPeriod) < 0.5;
    case Figure::checkers:
      return (fraction(p.x / kPeriod / 2) < 0.5) != (fraction(p.y / kPeriod / 2) < 0.5);
    case Figure::dots: {
      const double dx = fraction(p.x / kPeriod) - 0.5, dy = fraction(p.y / kPeriod) - 0.5;
      return dx * dx + dy * dy < 0.33 * 0.33;
    }
    default:  // target
      return fraction(std::sqrt(square) / kPeriod + 0.25) < 0.5;
  }
}

class Canvas {
 public:
  // A background of one colour that gets lighter or darker to one side.
  Canvas(const Color& color, Point slope) {
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double shade = slope.x * (x - kSide / 2.0) + slope.y * (y - kSide / 2.0);
        for (std::size_t c = 0; c < 3; ++c) at(x, y)[c] = color[c] + shade;
      }
    }
  }

  // Paints the points within `reach` of the centre for which inside(point - centre) holds.
  template <class Inside>
  void paint(Point center, double reach, const Color& color, const Inside& inside) {
    const auto first = [](double edge) { return std::max(0, static_cast<int>(std::floor(edge))); };
    const auto last = [](double edge) { return std::min(kSide - 1, static_cast<int>(std::floor(edge))); };
    for (int y = first(center.y - reach); y <= last(center.y + reach); ++y) {
      for (int x = first(center.x - reach); x <= last(center.x + reach); ++x) {
        int points = 0;
        for (int i = 0; i < kSubpixels * kSubpixels; ++i) {
          const int row = i / kSubpixels, column = i % kSubpixels;
          const double px = x + (column + 0.5) / kSubpixels, py = y + (row + 0.5) / kSubpixels;
          points += inside(Point{px - center.x, py - center.y}) ? 1 : 0;
        }
        const double share = points / static_cast<double>(kSubpixels * kSubpixels);
        for (std::size_t c = 0; c < 3; ++c) at(x, y)[c] += share * (color[c] - at(x, y)[c]);
      }
    }
  }

  void paint_bar(Point center, Point along, double half_length, double half_width, const Color& color) {
    paint(center, half_length + half_width, color, [&](Point p) {
      return std::abs(dot(p, along)) < half_length && std::abs(p.x * along.y - p.y * along.x) < half_width;
    });
  }

  // Adds noise of nearly normal distribution (the sum of four bytes) and rounds.
  Image finish(double noise, Generator& random) const {
    constexpr double kMean = 4 * 127.5, kDeviation = 147.8005;  // sqrt(4 (256^2 - 1) / 12)
    Image image{kSide, kSide, std::vector<std::uint8_t>(values_.size())};
    for (std::size_t i = 0; i < values_.size(); ++i) {
      const auto bits = static_cast<std::uint32_t>(random.uniform() * 0x1p32);
      const double sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
      const double value = values_[i] + noise / kDeviation * (sum - kMean);
      image.pixels[i] = static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
    }
    return image;
  }

 private:
  double* at(int x, int y) { return values_.data() + std::ptrdiff_t{3} * (y * kSide + x); }
  std::array<double, std::size_t{3} * kSide * kSide> values_{};
};

double between(Generator& random, double low, double high) { return low + (high - low) * random.uniform(); }

// Each channel `contrast` levels (at least half of that) away from the given colour, up or down.
Color apart_from(const Color& color, double contrast, Generator& random) {
  Color result{};
  for (std::size_t c = 0; c < 3; ++c) {
    const double step = contrast * between(random, 0.5, 1);
    const bool up = random.below(2) == 0;
    result[c] = (up && color[c] + step <= 255) || color[c] - step < 0 ? color[c] + step : color[c] - step;
  }
  return result;
}

Generator stream_of(std::uint64_t seed, Split split, std::int64_t index) {
  return Generator(seed, (split == Split::train ? kTrainStream : kTestStream) + static_cast<std::uint64_t>(index));
}

Example draw(Generator& random, std::int64_t label, double difficulty) {
  const Conditions conditions(difficulty);
  Color background{};
  for (double& value : background) value = between(random, 60, 195);
  const Point shade = direction(random);
  Canvas canvas(background, {shade.x * 1.2, shade.y * 1.2});

  const auto strokes = static_cast<int>(random.below(static_cast<std::uint64_t>(conditions.clutter) + 1));
  for (int i = 0; i < strokes; ++i) {
    const Point center{between(random, 0, kSide), between(random, 0, kSide)};
    const Point along = direction(random);
    const double half_length = between(random, 1.5, 6), half_width = between(random, 0.5, 1.2);
    canvas.paint_bar(center, along, half_length, half_width, apart_from(background, conditions.contrast, random));
  }

  const double radius = conditions.radius * between(random, 1, 1.35);
  const double room = std::max(0.0, kSide / 2.0 - radius);
  const Point center{kSide / 2.0 + between(random, -room, room), kSide / 2.0 + between(random, -room, room)};
  const Point axis = direction(random);
  const auto figure = static_cast<Figure>(label);
  canvas.paint(center, radius, apart_from(background, conditions.contrast, random), [&](Point p) {
    return covers(figure, {dot(p, axis) / radius, (p.y * axis.x - p.x * axis.y) / radius});
  });

  const auto bars = static_cast<int>(random.below(static_cast<std::uint64_t>(conditions.bars) + 1));
  for (int i = 0; i < bars; ++i) {
    const Point middle{center.x + between(random, -0.8, 0.8) * radius, center.y + between(random, -0.8, 0.8) * radius};
    const Point along = direction(random);
    const double half_length = between(random, 0.5, 1.2) * radius, half_width = between(random, 0.7, 1.6);
    const bool hidden = random.below(2) == 0;  // looks like the background
    canvas.paint_bar(middle, along, half_length, half_width,
                     hidden ? background : apart_from(background, conditions.contrast, random));
  }
  return {
      .image = canvas.finish(conditions.noise, random), .label = label, .difficulty = static_cast<float>(difficulty)};
}

}  // namespace

const std::vector<std::string>& synthetic_classes() {
  static const std::vector<std::string> names = {"checkers", "cross", "disc",    "dots",   "ring",
                                                 "square",   "star",  "stripes", "target", "triangle"};
  return names;
}

Example draw_synthetic(std::uint64_t seed, Split split, std::int64_t index) {
  Generator random = stream_of(seed, split, index);
  const double difficulty = random.uniform();
  return draw(random, index % kFigures, difficulty);
}

Example draw_synthetic(std::uint64_t seed, Split split, std::int64_t index, double difficulty) {
  Generator random = stream_of(seed, split, index);
  random.reserve(1);  // the place of the image's own difficulty
  return draw(random, index % kFigures, difficulty);
}

std::shared_ptr<const Dataset> make_synthetic(std::uint64_t seed, Split split, std::int64_t size) {
  std::vector<Example> examples(static_cast<std::size_t>(size));
  for_each_index(size, [&](std::int64_t i) { examples[static_cast<std::size_t>(i)] = draw_synthetic(seed, split, i); });
  const char* name = split == Split::train ? "train" : "test";
  return std::make_shared<MemoryDataset>(std::move(examples), synthetic_classes(), [seed, name](std::int64_t i) {
    return fmt::format("synthetic {} image {} of seed {}", name, i, seed);
  });
}

}  // namespace bsg::data
