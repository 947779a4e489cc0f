// bsg_op: runs one op of the engine on named tensors.
#include "tools/common/main.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/core/error.hpp"
#include "engine/core/safetensors.hpp"
#include "tools/bsg_op/op_table.hpp"
#include "tools/bsg_op/run_op.hpp"
#include "tools/common/validators.hpp"

namespace bsg::tools {
namespace {

struct Options {
  std::string name, input, output;
  std::vector<std::string> attributes;
  std::string device = "auto", dtype;
  int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::uint64_t seed = 0;
  bool list = false;
};

void print_table() {
  for (const OpEntry& op : op_table()) {
    fmt::print("{}\n    {}\n    tensors     {}\n", op.name, op.summary, describe_inputs(op));
    std::vector<std::string> attributes;
    for (const AttributeSpec& attribute : op.attributes) attributes.push_back(attribute.str());
    if (!attributes.empty()) fmt::print("    attributes  {}\n", fmt::join(attributes, ", "));
  }
}

void run(const Options& options) {
  if (options.list) return print_table();
  if (options.output.empty()) throw_error<ConfigError>("NAME, IN and OUT are needed (see --help)");
  const std::vector<OpEntry> table = op_table();
  const auto op = std::ranges::find(table, options.name, &OpEntry::name);
  if (op == table.end()) {
    std::vector<std::string_view> names;
    for (const OpEntry& entry : table) names.push_back(entry.name);
    throw_error<ConfigError>("unknown op '{}'; known: {}", options.name, fmt::join(names, ", "));
  }
  Context context({.device = parse_device(options.device), .threads = options.threads, .seed = options.seed});
  Context host({.threads = options.threads});
  const SafetensorsFile file = read_safetensors(host, options.input);
  NamedTensors result =
      run_op(context, *op, options.attributes, file, options.input, options.dtype == "bf16" ? DType::bf16 : DType::f32);
  for (auto& [name, tensor] : result) tensor = tensor.to(host);
  write_safetensors(options.output, result);
}

}  // namespace
}  // namespace bsg::tools

int main(int argc, char** argv) {
  bsg::tools::Options options;
  CLI::App app(
      "Runs one op of the engine on the tensors of IN and writes what it returns to OUT: y, and for batch_norm in "
      "training the moved running statistics. With grad_output (like y) among the tensors of IN, also grad_NAME for "
      "every differentiable input NAME. Both files are safetensors; f32 and f64 are computed as they are.",
      "bsg_op");
  app.add_option("NAME", options.name, "The op, see --list");
  app.add_option("IN", options.input, "Its inputs by name: x, weight, bias, ...");
  app.add_option("OUT", options.output, "Where the result goes; replaced atomically");
  app.add_option("--attr", options.attributes, "An attribute of the op as key=value; may be repeated")
      ->allow_extra_args(false);
  app.add_option("--device", options.device, "auto, cpu, cuda or simt")->capture_default_str();
  app.add_option("--dtype", options.dtype,
                 "bf16: activations (x, residual, ...) and grad_output are rounded to it, not on the CPU")
      ->check(CLI::IsMember({"bf16"}));
  app.add_option("--threads", options.threads, "CPU threads; the result does not depend on them")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of the random numbers that an op draws")
      ->check(bsg::tools::check_uint64)
      ->capture_default_str();
  app.add_flag("--list", options.list, "List the ops with their tensors and attributes");
  return bsg::tools::run_program(app, argc, argv, [&] { bsg::tools::run(options); });
}
