#include "engine/train/metrics.hpp"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"

namespace bsg::train {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no NaN and no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(); }

}  // namespace

std::string MetricsRow::to_json() const {
  Json row;
  row["epoch"] = epoch;
  row["split"] = split;
  row["loss"] = number(loss);
  row["loss_task"] = number(loss_task);
  if (loss_auxiliary) row["loss_auxiliary"] = number(loss_auxiliary);
  row["loss_batch_shaping"] = number(loss_batch_shaping);
  row["loss_l0"] = number(loss_l0);
  if (segmentation) {
    row["mean_iou"] = number(segmentation->mean_iou);
    row["pixel_accuracy"] = number(segmentation->pixel_accuracy);
    row["iou_per_class"] = Json::array();
    for (const double iou : segmentation->iou_per_class) row["iou_per_class"].push_back(number(iou));
  } else {
    row["top1"] = number(top1);
  }
  row["density"] = number(density);
  row["density_per_layer"] = density_per_layer;
  row["macs_mean"] = number(macs_mean);
  row["macs_dense"] = macs_dense;
  row["images_per_second"] = number(images_per_second);
  row["lr"] = number(lr);
  row["gamma"] = number(gamma);
  row["rho"] = number(rho);
  return row.dump();
}

MetricSums::MetricSums(const nn::MacModel& macs, nn::Task task, std::int64_t classes)
    : macs_(&macs), open_(macs.layers.size(), 0) {
  if (task == nn::Task::segmentation) pixels_.emplace(classes);
}

void MetricSums::add(const StepResult& step) {
  if (step.gates.size() != open_.size())
    throw_error<ShapeError>("metrics: {} gate traces, the network has {} gated layers", step.gates.size(),
                            open_.size());
  const std::int64_t images = step.images;
  if (pixels_) {
    pixels_->add(step.predicted, step.labels);
  } else {
    for (std::size_t i = 0; i < step.labels.size(); ++i) correct_ += step.predicted[i] == step.labels[i] ? 1 : 0;
  }
  const auto weight = static_cast<double>(images);
  images_ += images;
  loss_ += weight * step.loss;
  task_ += weight * step.task;
  if (step.auxiliary) {
    auxiliary_ += weight * *step.auxiliary;
    auxiliary_images_ += images;
  }
  if (step.batch_shaping) {
    shaping_ += weight * *step.batch_shaping;
    shaping_images_ += images;
  }
  if (step.l0) {
    l0_ += weight * *step.l0;
    l0_images_ += images;
  }
  std::vector<std::int64_t> open(open_.size());
  for (std::int64_t i = 0; i < images; ++i) {
    for (std::size_t layer = 0; layer < open.size(); ++layer) {
      const auto gates = static_cast<std::size_t>(macs_->layers[layer].gates);
      const auto row = step.gates[layer].subspan(static_cast<std::size_t>(i) * gates, gates);
      open[layer] = std::count(row.begin(), row.end(), 1.0F);
      open_[layer] += open[layer];
    }
    needed_ += macs_->needed(open);
  }
}

MetricsRow MetricSums::row() const {
  MetricsRow row;
  row.macs_dense = macs_->dense;
  if (images_ == 0) return row;
  const auto images = static_cast<double>(images_);
  row.loss = loss_ / images;
  row.loss_task = task_ / images;
  if (auxiliary_images_ > 0) row.loss_auxiliary = auxiliary_ / static_cast<double>(auxiliary_images_);
  if (shaping_images_ > 0) row.loss_batch_shaping = shaping_ / static_cast<double>(shaping_images_);
  if (l0_images_ > 0) row.loss_l0 = l0_ / static_cast<double>(l0_images_);
  if (pixels_) {
    row.segmentation = pixels_->scores();
  } else {
    row.top1 = 100 * static_cast<double>(correct_) / images;
  }
  row.macs_mean = static_cast<double>(needed_) / images;
  std::int64_t on = 0;
  for (std::size_t layer = 0; layer < open_.size(); ++layer) {
    on += open_[layer];
    row.density_per_layer.push_back(static_cast<double>(open_[layer]) / (images * macs_->layers[layer].gates));
  }
  if (macs_->gates() > 0) row.density = static_cast<double>(on) / (images * static_cast<double>(macs_->gates()));
  return row;
}

std::string MetricSums::to_json() const {
  Json sums{{"images", images_},
            {"correct", correct_},
            {"loss", loss_},
            {"task", task_},
            {"auxiliary", auxiliary_},
            {"auxiliary_images", auxiliary_images_},
            {"batch_shaping", shaping_},
            {"batch_shaping_images", shaping_images_},
            {"l0", l0_},
            {"l0_images", l0_images_},
            {"open", open_},
            {"needed", needed_}};
  if (pixels_) sums["pixels"] = pixels_->counts();
  return sums.dump();
}

void MetricSums::restore(const std::string& json, const std::string& name_for_errors) {
  try {
    const Json stored = Json::parse(json);
    stored.at("images").get_to(images_);
    stored.at("correct").get_to(correct_);
    stored.at("loss").get_to(loss_);
    stored.at("task").get_to(task_);
    stored.at("auxiliary").get_to(auxiliary_);
    stored.at("auxiliary_images").get_to(auxiliary_images_);
    stored.at("batch_shaping").get_to(shaping_);
    stored.at("batch_shaping_images").get_to(shaping_images_);
    stored.at("l0").get_to(l0_);
    stored.at("l0_images").get_to(l0_images_);
    stored.at("needed").get_to(needed_);
    std::vector<std::int64_t> open;
    stored.at("open").get_to(open);
    if (open.size() != open_.size())
      throw_error<DataError>("{}: sums of {} gated layers, the network has {}", name_for_errors, open.size(),
                             open_.size());
    open_ = std::move(open);
    if (!pixels_) return;
    std::vector<std::int64_t> counts;
    stored.at("pixels").get_to(counts);
    pixels_->restore(counts, name_for_errors);
  } catch (const Json::exception&) {
    throw_error<DataError>("{}: the sums of the epoch are damaged", name_for_errors);
  }
}

}  // namespace bsg::train
