#include "engine/inference/confusion_matrix.hpp"

#include <cmath>

#include "engine/core/error.hpp"
#include "tests/support/catch.hpp"

using namespace bsg;
using inference::ConfusionMatrix;
using inference::SegmentationScores;

TEST_CASE("intersection over union of a matrix that was counted by hand", "[evaluation]") {
  ConfusionMatrix matrix(4);
  matrix.add(std::vector<std::int32_t>{0, 0, 0, 1, 1, 2, 0}, std::vector<std::int64_t>{0, 0, 1, 1, 0, 0, -100});
  CHECK(matrix.pixels() == 6);
  CHECK(matrix.counts()[0 * 4 + 2] == 1);  // of class 0, taken for class 2
  const SegmentationScores scores = matrix.scores();
  CHECK(scores.iou_per_class[0] == Approx(2.0 / 5));
  CHECK(scores.iou_per_class[1] == Approx(1.0 / 3));
  CHECK(scores.iou_per_class[2] == 0);         // never a label, but once a prediction
  CHECK(std::isnan(scores.iou_per_class[3]));  // neither
  CHECK(scores.mean_iou == Approx((2.0 / 5 + 1.0 / 3 + 0) / 3));
  CHECK(scores.pixel_accuracy == Approx(3.0 / 6));
}

TEST_CASE("pixels without a label count nowhere", "[evaluation]") {
  ConfusionMatrix matrix(2);
  matrix.add(std::vector<std::int32_t>{0, 1}, std::vector<std::int64_t>{-100, -1});
  CHECK(matrix.pixels() == 0);
  CHECK(matrix.scores().mean_iou == 0);
  CHECK(matrix.scores().pixel_accuracy == 0);
  CHECK(std::isnan(matrix.scores().iou_per_class[0]));
}

TEST_CASE("a confusion matrix goes on from stored counts, and adds another", "[evaluation]") {
  ConfusionMatrix matrix(2);
  matrix.add(std::vector<std::int32_t>{0, 1, 1}, std::vector<std::int64_t>{0, 1, 0});
  ConfusionMatrix again(2);
  again.restore(matrix.counts(), "sums");
  again.add(matrix);
  CHECK(again.counts() == std::vector<std::int64_t>{2, 2, 0, 2});
  REQUIRE_THROWS_AS(again.add(ConfusionMatrix(3)), ShapeError);
  REQUIRE_THROWS_WITH(again.restore({1, 2, 3}, "sums"), Catch::StartsWith("sums: 3 counts"));
  REQUIRE_THROWS_AS(again.restore({1, 2, 3, -1}, "sums"), DataError);
  CHECK(again.pixels() == 6);
}

TEST_CASE("a confusion matrix names what is no class, and counts nothing of it", "[evaluation]") {
  ConfusionMatrix matrix(2);
  REQUIRE_THROWS_WITH(matrix.add(std::vector<std::int32_t>{0, 2}, std::vector<std::int64_t>{0, 1}),
                      Catch::Contains("prediction 2 at 1"));
  REQUIRE_THROWS_WITH(matrix.add(std::vector<std::int32_t>{0, 0}, std::vector<std::int64_t>{0, 2}),
                      Catch::Contains("label 2"));
  REQUIRE_THROWS_AS(matrix.add(std::vector<std::int32_t>{-1}, std::vector<std::int64_t>{-100}), ShapeError);
  REQUIRE_THROWS_AS(matrix.add(std::vector<std::int32_t>{0}, std::vector<std::int64_t>{}), ShapeError);
  CHECK(matrix.pixels() == 0);
}
