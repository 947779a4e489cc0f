#include "benchmarks/bsg_bench/result.hpp"

#include <nlohmann/json.hpp>

#include "engine/core/error.hpp"

namespace bsg::bench {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kSchema = 1;

Json to_value(const Summary& s) {
  return {{"samples", s.samples},      {"min", s.least},   {"lower_quartile", s.lower}, {"median", s.median},
          {"upper_quartile", s.upper}, {"max", s.greatest}};
}

Summary to_summary(const Json& json) {
  return {json.at("samples"),        json.at("min"), json.at("lower_quartile"), json.at("median"),
          json.at("upper_quartile"), json.at("max")};
}

// Null where the number says nothing.
Json if_positive(double value) { return value > 0 ? Json(value) : Json(); }
double or_zero(const Json& json) { return json.is_null() ? 0 : json.get<double>(); }

Json to_value(const Line& line) {
  Json json{{"suite", line.suite}, {"name", line.name}, {"gates", line.gates}, {"batch", line.batch}};
  json["active_macs"] = if_positive(line.active_macs);
  json["dense_macs"] = if_positive(line.dense_macs);
  json["seconds"] = to_value(line.seconds);
  json["images_per_second"] = line.images_per_second();
  json["gflops"] = if_positive(line.gflops());
  json["peak_gflops"] = if_positive(line.peak_gflops);
  json["share_of_peak"] = if_positive(line.share_of_peak);
  json["ratio_to_dense"] = line.ratio ? to_value(*line.ratio) : Json();
  const std::optional<double> proportionality = line.proportionality();
  json["proportionality"] = proportionality ? Json(*proportionality) : Json();
  return json;
}

Line to_line(const Json& json) {
  Line line{.suite = json.at("suite"), .name = json.at("name"), .gates = json.at("gates"), .batch = json.at("batch")};
  line.active_macs = or_zero(json.at("active_macs"));
  line.dense_macs = or_zero(json.at("dense_macs"));
  line.seconds = to_summary(json.at("seconds"));
  line.peak_gflops = or_zero(json.at("peak_gflops"));
  line.share_of_peak = or_zero(json.at("share_of_peak"));
  if (!json.at("ratio_to_dense").is_null()) line.ratio = to_summary(json.at("ratio_to_dense"));
  return line;
}

}  // namespace

std::string to_json(const Results& results) {
  const Machine& machine = results.machine;
  Json json;
  json["program"] = "bsg_bench";
  json["schema"] = kSchema;
  json["commit"] = results.commit;
  json["command"] = results.command;
  json["seed"] = results.seed;
  json["precision"] = results.precision;
  json["cache"] = results.cache;
  json["clock"] = results.clock;
  json["machine"] = {{"processor", machine.processor},
                     {"instructions", machine.instructions},
                     {"threads", machine.threads},
                     {"device", machine.device},
                     {"gpu", machine.gpu.empty() ? Json() : Json(machine.gpu)}};
  json["start_memory_bytes"] = results.start_memory;
  json["peak_memory_bytes"] = results.peak_memory;
  json["lines"] = Json::array();
  for (const Line& line : results.lines) json["lines"].push_back(to_value(line));
  return json.dump(1) + "\n";
}

Results parse_results(const std::string& text, const std::string& source) {
  try {
    const Json json = Json::parse(text);
    if (json.at("program") != "bsg_bench" || json.at("schema") != kSchema)
      throw_error<DataError>("{}: no results of this bsg_bench (schema {})", source, kSchema);
    const Json& machine = json.at("machine");
    Results results{.commit = json.at("commit"),
                    .command = json.at("command"),
                    .precision = json.at("precision"),
                    .cache = json.at("cache"),
                    .clock = json.at("clock"),
                    .seed = json.at("seed"),
                    .machine = {.processor = machine.at("processor"),
                                .instructions = machine.at("instructions"),
                                .threads = machine.at("threads"),
                                .device = machine.at("device"),
                                .gpu = machine.at("gpu").is_null() ? "" : machine.at("gpu").get<std::string>()},
                    .peak_memory = json.at("peak_memory_bytes"),
                    .start_memory = json.at("start_memory_bytes")};
    for (const Json& line : json.at("lines")) {
      results.lines.push_back(to_line(line));
      const Summary& seconds = results.lines.back().seconds;
      if (!(seconds.median > 0) || seconds.samples < 1)
        throw_error<DataError>("{}: the line {} has no time", source, results.lines.back().key());
    }
    return results;
  } catch (const nlohmann::json::exception&) {
    throw_error<DataError>("{}: no results of bsg_bench", source);
  }
}

}  // namespace bsg::bench
