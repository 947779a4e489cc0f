#include <cmath>
#include <limits>
#include <vector>

#include "engine/core/random.hpp"
#include "kernels/gated_conv/gated_conv.hpp"
#include "kernels/pool2d/pool2d.hpp"
#include "kernels/pool2d/pool_planes.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/targets.hpp"

using namespace bsg;
using kernels::PlaneLayout;

namespace {

struct Case {
  std::int64_t channels, height, width, kernel, stride, padding, x_frame, y_frame;
};

void check_pooling() {
  for (const Case& c : {Case{3, 112, 112, 3, 2, 1, 0, 1}, Case{1, 1, 1, 1, 1, 0, 0, 0}, Case{2, 7, 5, 2, 2, 1, 2, 0},
                        Case{5, 33, 40, 3, 1, 1, 1, 2}, Case{2, 9, 4, 4, 3, 2, 1, 1}}) {
    CAPTURE(c.channels, c.height, c.width, c.kernel, c.stride, c.padding);
    Generator random(3);
    std::vector<float> sample(static_cast<std::size_t>(c.channels * c.height * c.width));
    // Negative on the whole: a frame of zeros must not be taken for pixels.
    for (float& value : sample) value = static_cast<float>(random.normal() - 3);
    if (sample.size() > 8) sample[5] = std::numeric_limits<float>::quiet_NaN();
    const kernels::Pool2dShape shape{c.channels, c.height, c.width, c.kernel, c.stride, c.padding};
    const std::int64_t out_plane = shape.out_height() * shape.out_width();
    std::vector<float> expected(static_cast<std::size_t>(c.channels * out_plane));
    kernels::cpu::max_pool2d<float>({}, shape, sample.data(), expected.data());

    const PlaneLayout x{c.channels, c.height, c.width, c.x_frame, 1};
    const PlaneLayout y{c.channels, shape.out_height(), shape.out_width(), c.y_frame, 1};
    std::vector<float> x_planes(static_cast<std::size_t>(x.size())), y_planes(static_cast<std::size_t>(y.size()));
    std::vector<float> sums(static_cast<std::size_t>(c.channels * PlaneLayout::kSlack), -1);
    std::vector<float> scratch(static_cast<std::size_t>(kernels::cpu::max_pool_scratch(x)));
    kernels::cpu::place_sample(x, sample.data(), 0, c.channels, x_planes.data());
    const kernels::cpu::PoolWindow window{c.kernel, c.stride, c.padding};
    // In two parts, as two workers would.
    const std::int64_t middle = c.channels / 2;
    for (const auto& [begin, end] : {std::pair{std::int64_t{0}, middle}, {middle, c.channels}})
      kernels::cpu::max_pool_planes(window, x, x_planes.data(), y, begin, end, y_planes.data(), sums.data(),
                                    scratch.data());
    std::vector<float> mean(static_cast<std::size_t>(c.channels));
    kernels::cpu::mean_of_planes(sums.data(), c.channels, 1 / static_cast<float>(out_plane), mean.data());
    for (std::int64_t k = 0; k < c.channels; ++k) {
      double sum = 0;
      for (std::int64_t i = 0; i < y.height; ++i)
        for (std::int64_t j = 0; j < y.width; ++j) {
          const float want = expected[static_cast<std::size_t>(k * out_plane + i * y.width + j)];
          float& got = y_planes[static_cast<std::size_t>(k * y.plane() + y.offset(i, j))];
          CHECK((got == want || (std::isnan(got) && std::isnan(want))));
          sum += want;
          got = 0;
        }
      const double found = mean[static_cast<std::size_t>(k)];
      if (std::isnan(sum)) {
        CHECK(std::isnan(found));
      } else {
        CHECK(found == Approx(sum / static_cast<double>(out_plane)).epsilon(1e-5));
      }
    }
    // Nothing but the pixels was written.
    for (const float value : y_planes) CHECK(value == 0);
  }
}

}  // namespace

TEST_CASE(
    "pooling between planes is pooling, whatever their frames, and leaves the sums of its channels to the means of "
    "every "
    "instruction set") {
  test::for_each_target(check_pooling);
}
