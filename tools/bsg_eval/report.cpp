#include "tools/bsg_eval/report.hpp"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "engine/core/file.hpp"

namespace bsg::tools {
namespace {

using Json = nlohmann::ordered_json;
using inference::Evaluation;
using inference::GateUse;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }
Json number(const std::optional<double>& value) { return value ? number(*value) : Json(); }

double share_of_dense(const Evaluation& evaluation) {
  return evaluation.macs_mean / static_cast<double>(evaluation.macs_dense);
}

}  // namespace

std::string to_json(const Subject& subject, const Setting& setting, const std::vector<std::string>& classes,
                    const Report& report) {
  const Evaluation& e = report.evaluation;
  const nn::MacModel& macs = subject.network->macs();
  Json json;
  json["arch"] = subject.arch;
  json["weights"] = subject.file;
  json["data"] = setting.data;
  json["split"] = setting.split;
  json["device"] = setting.device;
  json["precision"] = setting.precision;
  json["batch"] = setting.batch;
  json["threads"] = setting.threads;
  json["images"] = e.images;
  if (e.segmentation) {
    if (setting.windows)
      json["windows"] = {{"height", setting.windows->height},
                         {"width", setting.windows->width},
                         {"overlap", setting.windows->overlap}};
    json["mean_iou"] = number(e.segmentation->mean_iou);
    json["pixel_accuracy"] = number(e.segmentation->pixel_accuracy);
    for (std::size_t label = 0; label < classes.size(); ++label)
      json["iou_per_class"][classes[label]] = number(e.segmentation->iou_per_class[label]);
  } else {
    json["top1"] = number(e.top1);
    json["top5"] = number(e.top5);
  }
  json["loss"] = number(e.loss);
  json["macs_mean"] = number(e.macs_mean);
  json["macs_min"] = e.macs_min;
  json["macs_max"] = e.macs_max;
  json["macs_dense"] = e.macs_dense;
  json["density"] = number(e.density);
  json["density_per_layer"] = e.density_per_layer;
  json["density_easiest_tenth"] = number(e.density_easiest_tenth);
  json["density_hardest_tenth"] = number(e.density_hardest_tenth);
  json["density_easy"] = number(e.density_easy);
  json["density_hard"] = number(e.density_hard);
  if (e.gate_use) {
    Json& gates = json["gates"];
    gates["count"] = macs.gates();
    gates["conditional"] = e.gate_use->conditional;
    gates["always_on"] = e.gate_use->always_on;
    gates["always_off"] = e.gate_use->always_off;
    for (std::size_t i = 0; i < macs.layers.size(); ++i) {
      const GateUse& use = e.gate_use_per_layer[i];
      gates["per_layer"].push_back({{"layer", macs.layers[i].name},
                                    {"count", macs.layers[i].gates},
                                    {"density", e.density_per_layer[i]},
                                    {"conditional", use.conditional},
                                    {"always_on", use.always_on},
                                    {"always_off", use.always_off}});
    }
  }
  const auto add_execution = [&](const char* name, const std::optional<ExecutionReport>& execution) {
    if (!execution) return;
    Json& entry = json["executions"][name];
    entry["images_per_second"] = number(execution->images_per_second);
    if (execution->top1) entry["top1"] = number(execution->top1);
    if (execution->mean_iou) entry["mean_iou"] = number(execution->mean_iou);
  };
  add_execution("dense", report.dense);
  add_execution("gated", report.gated);
  json["max_abs_difference"] = number(report.max_abs_difference);
  return json.dump(2) + "\n";
}

Json image_to_json(const Report& report, const data::Dataset& dataset, std::int64_t index) {
  const auto at = static_cast<std::size_t>(index);
  const inference::ImageResult& image = report.images[at];
  Json json = {{"index", index}, {"source", dataset.source(index)}};
  if (image.mean_iou) {
    json["mean_iou"] = number(image.mean_iou);
    json["pixel_accuracy"] = number(image.accuracy);
  } else {
    json["label"] = dataset.classes()[static_cast<std::size_t>(report.labels[at])];
    json["right"] = image.accuracy == 1;
  }
  json["loss"] = number(image.loss);
  json["density"] = number(image.density);
  return json;
}

void write_per_image(const std::string& path, const Report& report, const data::Dataset& dataset) {
  AtomicFileWriter file(path);
  for (std::size_t index = 0; index < report.images.size(); ++index) {
    Json json = image_to_json(report, dataset, static_cast<std::int64_t>(index));
    json["macs"] = report.images[index].macs;
    json["density_per_layer"] = report.images[index].density_per_layer;
    file.write(json.dump() + "\n");
  }
  file.commit();
}

void print_table(const Subject& subject, const Setting& setting, const std::vector<std::string>& classes,
                 const Report& report) {
  const Evaluation& e = report.evaluation;
  const nn::MacModel& macs = subject.network->macs();
  const std::string where = setting.device == "cpu" ? fmt::format("{} threads", setting.threads)
                                                    : fmt::format("device {}, {}", setting.device, setting.precision);
  fmt::print("{} from {}\n{} {} images of {}, batch {}, {}\n\n", subject.arch, subject.file, e.images, setting.split,
             setting.data, setting.batch, where);
  const auto row = [](std::string_view name, const std::string& value) { fmt::print("  {:<34} {}\n", name, value); };
  if (e.segmentation) {
    if (setting.windows)
      row("windows", fmt::format("{} x {}, overlapping by {:.2f}", setting.windows->height, setting.windows->width,
                                 setting.windows->overlap));
    row("mean IoU", fmt::format("{:.4f}", e.segmentation->mean_iou));
    for (std::size_t label = 0; label < classes.size(); ++label)
      if (const double iou = e.segmentation->iou_per_class[label]; !std::isnan(iou))
        row("  " + classes[label], fmt::format("{:.4f}", iou));
    row("pixel accuracy", fmt::format("{:.4f}", e.segmentation->pixel_accuracy));
  } else {
    row("top-1", fmt::format("{:.2f} %", e.top1));
    if (e.top5) row("top-5", fmt::format("{:.2f} %", *e.top5));
  }
  row("loss", fmt::format("{:.4f}", e.loss));
  row("MACs per image, mean", fmt::format("{:.3f} M", e.macs_mean / 1e6));
  if (!macs.layers.empty()) {
    row("  smallest and largest", fmt::format("{:.3f} M, {:.3f} M", static_cast<double>(e.macs_min) / 1e6,
                                              static_cast<double>(e.macs_max) / 1e6));
    row("  without gates", fmt::format("{:.3f} M", static_cast<double>(e.macs_dense) / 1e6));
    row("  share of dense MACs", fmt::format("{:.3f}", share_of_dense(e)));
    row("density", fmt::format("{:.3f}", e.density));
    if (e.density_easy) row("  on the easy third of the images", fmt::format("{:.3f}", *e.density_easy));
    if (e.density_hard) row("  on the hard third", fmt::format("{:.3f}", *e.density_hard));
    row("  on the tenth of lowest loss", fmt::format("{:.3f}", e.density_easiest_tenth));
    row("  on the tenth of highest loss", fmt::format("{:.3f}", e.density_hardest_tenth));
  }
  const auto execution = [&](const char* name, const std::optional<ExecutionReport>& r) {
    if (r)
      row(fmt::format("{} execution", name),
          fmt::format("{:.{}f} images/s", r->images_per_second, r->images_per_second < 100 ? 2 : 0));
  };
  execution("dense", report.dense);
  execution("gated", report.gated);
  if (report.dense && report.gated) {
    row("  gated time / dense time",
        fmt::format("{:.3f}", report.dense->images_per_second / report.gated->images_per_second));
    row("  largest difference of logits", fmt::format("{:.2g}", report.max_abs_difference.value_or(0)));
  }
  if (!e.gate_use) return;
  fmt::print("\n  {:<12} {:>6} {:>8}   {:>11} {:>9} {:>10}\n", "layer", "gates", "density", "conditional", "always on",
             "always off");
  const auto gate_row = [](const std::string& name, std::int64_t count, double density, const GateUse& use) {
    fmt::print("  {:<12} {:>6} {:>8.3f}   {:>11.3f} {:>9.3f} {:>10.3f}\n", name, count, density, use.conditional,
               use.always_on, use.always_off);
  };
  for (std::size_t i = 0; i < macs.layers.size(); ++i)
    gate_row(macs.layers[i].name, macs.layers[i].gates, e.density_per_layer[i], e.gate_use_per_layer[i]);
  gate_row("all", macs.gates(), e.density, *e.gate_use);
}

}  // namespace bsg::tools
