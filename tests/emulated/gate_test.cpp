#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/gate/gate_device.hpp"
#include "kernels/random/philox.hpp"
#include "tests/emulated/close.hpp"
#include "tests/emulated/orders.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using kernels::device::GateLayers;
using kernels::device::GateMask;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// A mask with its memory.
struct MaskArrays {
  MaskArrays(std::int64_t batch, std::int64_t channels)
      : list(static_cast<std::size_t>(batch * channels)),
        count(static_cast<std::size_t>(batch)),
        bits(static_cast<std::size_t>(batch * ((channels + 31) / 32))),
        mask{batch, channels, list.data(), count.data(), bits.data()} {}
  simt::DeviceArray<std::uint16_t> list;
  simt::DeviceArray<std::int32_t> count;
  simt::DeviceArray<std::uint32_t> bits;
  GateMask mask;
};

// The three forms agree with values > 0, in all that has a meaning.
void check_mask(const MaskArrays& got, const std::vector<float>& values) {
  const auto channels = static_cast<std::size_t>(got.mask.channels), words = static_cast<std::size_t>(got.mask.words());
  const auto list = got.list.to_host();
  const auto count = got.count.to_host();
  const auto bits = got.bits.to_host();
  std::int64_t wrong = 0;
  for (std::size_t n = 0; n < static_cast<std::size_t>(got.mask.batch); ++n) {
    std::vector<std::uint32_t> expected(words);
    std::size_t on = 0;
    for (std::size_t c = 0; c < channels; ++c) {
      if (!(values[n * channels + c] > 0)) continue;
      wrong += list[n * channels + on++] == c ? 0 : 1;
      expected[c / 32] |= 1U << c % 32;
    }
    wrong += count[n] == static_cast<std::int32_t>(on) ? 0 : 1;
    for (std::size_t w = 0; w < words; ++w) wrong += bits[n * words + w] == expected[w] ? 0 : 1;
  }
  CHECK(wrong == 0);
}

struct Network {
  Network(std::int64_t inputs, std::int64_t hidden, std::int64_t outputs, std::uint64_t seed) {
    test::Numbers numbers(seed);
    weight1 = numbers.normals(inputs * hidden);
    bias1 = numbers.normals(hidden);
    weight2 = numbers.normals(hidden * outputs);
    bias2 = numbers.normals(outputs);
  }
  std::vector<float> weight1, bias1, weight2, bias2;
};

template <class T>
std::vector<T> plain_logits(const Network& net, const GateLayers& l, std::int64_t batch, std::int64_t tiles, T factor,
                            const std::vector<float>& sums) {
  std::vector<T> logits;
  const auto at = [](const std::vector<float>& v, std::int64_t i) {
    return static_cast<T>(v[static_cast<std::size_t>(i)]);
  };
  for (std::int64_t n = 0; n < batch; ++n) {
    std::vector<T> hidden;
    for (std::int64_t h = 0; h < l.hidden; ++h) {
      T unit = at(net.bias1, h);
      for (std::int64_t c = 0; c < l.inputs; ++c) {
        T pooled = 0;
        for (std::int64_t t = 0; t < tiles; ++t) pooled += at(sums, (n * tiles + t) * l.inputs + c);
        unit += pooled * factor * at(net.weight1, c * l.hidden + h);
      }
      hidden.push_back(unit < 0 ? 0 : unit);
    }
    for (std::int64_t o = 0; o < l.outputs; ++o) {
      T logit = at(net.bias2, o);
      for (std::int64_t h = 0; h < l.hidden; ++h)
        logit += hidden[static_cast<std::size_t>(h)] * at(net.weight2, h * l.outputs + o);
      logits.push_back(logit);
    }
  }
  return logits;
}

}  // namespace

TEST_CASE("Philox gives the numbers of the Random123 distribution") {
  const auto words = [](const kernels::PhiloxBlock& b) { return std::vector<std::uint32_t>(b.words, b.words + 4); };
  using Words = std::vector<std::uint32_t>;
  CHECK(words(kernels::philox4x32({{0, 0, 0, 0}}, 0, 0)) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(words(kernels::philox4x32({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0)) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("infer_gates: logits, bits, list and count agree with plain loops", "[small]") {
  struct Case {
    std::int64_t batch, inputs, hidden, outputs, tiles;
  };
  test::for_each_order([](std::string_view order) {
    for (const Case& c : {Case{0, 16, 16, 16, 1}, Case{1, 16, 16, 16, 1}, Case{3, 64, 16, 64, 4}, Case{2, 1, 1, 1, 3},
                          Case{2, 33, 7, 31, 2}, Case{2, 300, 5, 257, 1}, Case{1, 512, 16, 512, 9},
                          Case{1, 40, 256, 300, 1}, Case{1, 4096, 3, 40, 1}, Case{2, 20, 200, 70, 2},
                          Case{1, 5000, 2, 3, 1}, Case{2, 9, 257, 5, 1}, Case{1, 6, 700, 40, 1}}) {
      INFO(order << " batch " << c.batch << " " << c.inputs << " -> " << c.hidden << " -> " << c.outputs << ", "
                 << c.tiles << " tiles");
      const Network net(c.inputs, c.hidden, c.outputs, 7);
      const auto sums = test::Numbers(8).normals(c.batch * c.tiles * c.inputs);
      simt::DeviceArray<float> weight1(net.weight1), bias1(net.bias1), weight2(net.weight2), bias2(net.bias2),
          pooled(sums), logits(static_cast<std::size_t>(c.batch * c.outputs));
      MaskArrays mask(c.batch, c.outputs);
      const GateLayers layers{c.inputs,     c.hidden,       c.outputs,   weight1.data(),
                              bias1.data(), weight2.data(), bias2.data()};
      kernels::device::infer_gates({}, {pooled.data(), c.tiles, 0.125}, layers, mask.mask, {.logits = logits.data()});
      test::check_close(logits.to_host(), plain_logits<double>(net, layers, c.batch, c.tiles, 0.125, sums),
                        plain_logits<float>(net, layers, c.batch, c.tiles, 0.125F, sums));
      check_mask(mask, logits.to_host());
      // Logits are not needed for the mask.
      MaskArrays alone(c.batch, c.outputs);
      kernels::device::infer_gates({}, {pooled.data(), c.tiles, 0.125}, layers, alone.mask);
      check_mask(alone, logits.to_host());
    }
  });
}

TEST_CASE("infer_gates: all on, all off, exactly 0 and NaN are off") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    const std::int64_t channels = 70;
    const std::vector<float> zeros(static_cast<std::size_t>(channels));
    for (const float bias : {1.0F, -1.0F, 0.0F, kNan}) {
      INFO("bias " << bias);
      const std::vector<float> biases(static_cast<std::size_t>(channels), bias);
      simt::DeviceArray<float> weight1(zeros), bias1(std::vector<float>{0}), weight2(zeros), bias2(biases),
          pooled(zeros);
      MaskArrays mask(1, channels);
      kernels::device::infer_gates({}, {pooled.data()},
                                   {channels, 1, channels, weight1.data(), bias1.data(), weight2.data(), bias2.data()},
                                   mask.mask);
      check_mask(mask, biases);
      CHECK(test::value_of(mask.count) == (bias > 0 ? channels : 0));
    }
    // A NaN in a hidden unit passes the ReLU and switches everything off.
    simt::DeviceArray<float> weight1(zeros), bias1(std::vector<float>{kNan}), weight2(zeros),
        bias2(std::vector<float>(static_cast<std::size_t>(channels), 1)), pooled(zeros);
    MaskArrays mask(1, channels);
    kernels::device::infer_gates({}, {pooled.data()},
                                 {channels, 1, channels, weight1.data(), bias1.data(), weight2.data(), bias2.data()},
                                 mask.mask);
    CHECK(test::value_of(mask.count) == 0);
  });
}

TEST_CASE("infer_gates reports into rows of any pitch; pooled means are sums times the factor") {
  test::for_each_order([](std::string_view order) {
    INFO(order);
    const std::int64_t batch = 3, inputs = 20, channels = 300, tiles = 2, pitch = 310;
    const Network net(inputs, 7, channels, 7);
    const auto sums = test::Numbers(8).normals(batch * tiles * inputs);
    simt::DeviceArray<float> weight1(net.weight1), bias1(net.bias1), weight2(net.weight2), bias2(net.bias2),
        pooled(sums), means(static_cast<std::size_t>(batch * inputs));
    const GateLayers layers{inputs, 7, channels, weight1.data(), bias1.data(), weight2.data(), bias2.data()};
    MaskArrays mask(batch, channels);
    simt::DeviceArray<std::int32_t> open(std::vector<std::int32_t>(12, -1));
    simt::DeviceArray<std::uint8_t> gates(std::vector<std::uint8_t>(static_cast<std::size_t>(batch * pitch), 7));
    kernels::device::infer_gates(
        {}, {pooled.data(), tiles, 0.125}, layers, mask.mask,
        {.open = open.data() + 1, .gates = gates.data() + 4, .open_pitch = 4, .gates_pitch = pitch});
    const auto logits = plain_logits<double>(net, layers, batch, tiles, 0.125, sums);
    const auto got_open = open.to_host();
    const auto got_gates = gates.to_host();
    for (std::int64_t n = 0; n < batch; ++n) {
      std::int32_t on = 0;
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < pitch; ++i) {
        const std::int64_t c = i - 4;
        const bool inside = c >= 0 && c < channels;
        const int expected = !inside ? 7 : logits[static_cast<std::size_t>(n * channels + c)] > 0 ? 1 : 0;
        on += inside ? expected : 0;
        wrong += got_gates[static_cast<std::size_t>(n * pitch + i)] == expected ? 0 : 1;
      }
      CHECK(wrong == 0);
      for (std::int64_t i = 0; i < 4; ++i) CHECK(got_open[static_cast<std::size_t>(4 * n + i)] == (i == 1 ? on : -1));
    }
    kernels::device::pooled_means({}, {pooled.data(), tiles, 0.125}, batch, inputs, means.data());
    const auto got = means.to_host();
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t c = 0; c < inputs; ++c) {
        const auto at = [&](std::int64_t tile) {
          return sums[static_cast<std::size_t>((n * tiles + tile) * inputs + c)];
        };
        CHECK(got[static_cast<std::size_t>(n * inputs + c)] == (at(0) + at(1)) * 0.125F);
      }
  });
}

TEST_CASE("list_gates: any number of channels, any density") {
  test::for_each_order([](std::string_view order) {
    for (const std::int64_t channels : {1, 16, 31, 32, 33, 100, 256, 257, 512, 600, 2048})
      for (const float density : {0.0F, 0.1F, 0.5F, 1.0F}) {
        INFO(order << " channels " << channels << " density " << density);
        test::Numbers numbers(static_cast<std::uint64_t>(channels));
        std::vector<float> values(static_cast<std::size_t>(3 * channels));
        for (float& value : values) value = numbers.uniform() < density ? 1.0F : numbers.uniform() < 0.5F ? 0 : kNan;
        simt::DeviceArray<float> device(values);
        MaskArrays mask(3, channels);
        kernels::device::list_gates({}, device.data(), mask.mask);
        check_mask(mask, values);
      }
  });
}

TEST_CASE("binary_concrete draws what the formula says") {
  test::for_each_order([](std::string_view order) {
    for (const auto& [batch, channels] :
         std::vector<std::pair<std::int64_t, std::int64_t>>{{1, 1}, {5, 16}, {4, 33}, {2, 300}, {64, 64}})
      for (const bool training : {true, false}) {
        INFO(order << " batch " << batch << " channels " << channels << " training " << training);
        const auto values = test::Numbers(5).normals(batch * channels);
        const auto size = static_cast<std::size_t>(batch * channels);
        const kernels::device::BinaryConcrete distribution{2.0 / 3, training ? 1.0 : 0.0, 99, 0, 6};
        std::vector<float> expected_gates(size);
        std::vector<double> expected_slopes(size);
        for (std::size_t i = 0; i < size; ++i) {
          const double u = kernels::uniform_open(
              kernels::philox_bits(distribution.seed, distribution.stream, distribution.first + i));
          const double noise = distribution.noise * (std::log(u) - std::log1p(-u));
          const double y = (values[i] + noise) / distribution.temperature;
          const double s = 1 / (1 + std::exp(-y));
          expected_gates[i] = y > 0 ? 1.0F : 0.0F;
          expected_slopes[i] = s * (1 - s) / distribution.temperature;
        }

        simt::DeviceArray<float> device(values), gate(size), device_slope(size);
        MaskArrays mask(batch, channels);
        kernels::device::binary_concrete({}, batch, channels, device.data(), distribution, gate.data(),
                                         device_slope.data(), &mask.mask);
        const auto gates = gate.to_host();
        CHECK(gates == expected_gates);
        check_mask(mask, gates);
        const auto slopes = device_slope.to_host();
        for (std::size_t i = 0; i < size; ++i)
          REQUIRE(slopes[i] == Approx(expected_slopes[i]).epsilon(2e-6).margin(1e-30));
        // Without a mask only the values are written.
        simt::DeviceArray<float> again(size);
        kernels::device::binary_concrete({}, batch, channels, device.data(), distribution, again.data(),
                                         device_slope.data(), nullptr);
        CHECK(again.to_host() == gates);
      }
  });
}

TEST_CASE("binary_concrete: a NaN is off and has a NaN slope; huge logits have none", "[small]") {
  const std::vector<float> values{kNan, 1e30F, -1e30F, std::numeric_limits<float>::infinity()};
  simt::DeviceArray<float> logits(values), gate(4), slope(4);
  kernels::device::binary_concrete({}, 2, 2, logits.data(), {}, gate.data(), slope.data(), nullptr);
  CHECK(gate.to_host() == std::vector<float>{0, 1, 0, 1});
  const auto slopes = slope.to_host();
  CHECK(std::isnan(slopes[0]));
  for (std::size_t i = 1; i < 4; ++i) CHECK(slopes[i] == 0);
}
