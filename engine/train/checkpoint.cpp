#include "engine/train/checkpoint.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include <fmt/format.h>

#include "engine/core/error.hpp"

namespace bsg::train {
namespace {

constexpr std::string_view kFormat = "bsg-checkpoint";
constexpr std::string_view kVersion = "1";
constexpr std::size_t kNamesListed = 20;

bool is_floating(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

bool is_ignored(std::string_view name) {
  return name == "num_batches_tracked" || name.ends_with(".num_batches_tracked");
}

// "2 missing: a, b"
std::string listed(const char* kind, const std::vector<std::string>& names) {
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kNamesListed)));
  return fmt::format("{} {}: {}{}", names.size(), kind, fmt::join(first, ", "),
                     names.size() > kNamesListed ? ", ..." : "");
}

}  // namespace

void Checkpoint::set_integer(const std::string& key, std::int64_t value) { metadata[key] = fmt::format("{}", value); }
void Checkpoint::set_number(const std::string& key, double value) { metadata[key] = fmt::format("{}", value); }

const std::string& Checkpoint::text(const std::string& key) const {
  const auto found = metadata.find(key);
  if (found == metadata.end()) throw_error<DataError>("{}: the checkpoint has no entry \"{}\"", source, key);
  return found->second;
}

std::int64_t Checkpoint::integer(const std::string& key) const {
  const std::string& value = text(key);
  std::int64_t result = 0;
  const auto [last, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc{} || last != value.data() + value.size()) {
    throw_error<DataError>("{}: the checkpoint's entry \"{}\" is \"{}\", expected an integer", source, key,
                           value.substr(0, 80));
  }
  return result;
}

double Checkpoint::number(const std::string& key) const {
  const std::string& value = text(key);
  double result = 0;
  const auto [last, error] = std::from_chars(value.data(), value.data() + value.size(), result);
  if (error != std::errc{} || last != value.data() + value.size()) {
    throw_error<DataError>("{}: the checkpoint's entry \"{}\" is \"{}\", expected a number", source, key,
                           value.substr(0, 80));
  }
  return result;
}

NamedTensors Checkpoint::tensors_under(std::string_view prefix) const {
  NamedTensors found;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) found.emplace_back(name.substr(prefix.size()), tensor);
  }
  return found;
}

NamedTensors Checkpoint::network_tensors() const {
  NamedTensors found;
  for (const auto& tensor : tensors) {
    if (!tensor.first.starts_with(kOptimizerPrefix)) found.push_back(tensor);
  }
  return found;
}

void save_checkpoint(const std::string& path, const Checkpoint& checkpoint) {
  auto metadata = checkpoint.metadata;
  metadata.insert_or_assign("format", std::string(kFormat));
  metadata.insert_or_assign("format_version", std::string(kVersion));
  write_safetensors(path, checkpoint.tensors, metadata);
}

Checkpoint load_checkpoint(Context& context, const std::string& path) {
  SafetensorsFile file = read_safetensors(context, path);
  Checkpoint checkpoint;
  checkpoint.tensors = std::move(file.tensors);
  checkpoint.metadata = std::move(file.metadata);
  checkpoint.source = path;
  if (!checkpoint.has("format") || checkpoint.text("format") != kFormat) {
    throw_error<DataError>("{}: is a safetensors file but no checkpoint of this program", path);
  }
  if (const std::string& version = checkpoint.text("format_version"); version != kVersion) {
    throw_error<DataError>("{}: the checkpoint has format version {}, this program reads version {}", path,
                           version.substr(0, 80), kVersion);
  }
  return checkpoint;
}

NamedTensors load_weights(Context& context, const std::string& path) {
  SafetensorsFile file = read_safetensors(context, path);
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() || format->second != kFormat) return std::move(file.tensors);
  Checkpoint checkpoint;
  checkpoint.tensors = std::move(file.tensors);
  return checkpoint.network_tensors();
}

NamedTensors without_wrapper(NamedTensors tensors) {
  constexpr std::string_view wrapper = "module.";
  const auto is_wrapped = [&](const auto& tensor) { return tensor.first.starts_with(wrapper); };
  if (std::all_of(tensors.begin(), tensors.end(), is_wrapped))
    for (auto& tensor : tensors) tensor.first.erase(0, wrapper.size());
  return tensors;
}

void load_named_tensors(Context& context, const std::vector<std::pair<std::string, Tensor*>>& expected,
                        const NamedTensors& given, const std::string& name_for_errors) {
  const NamedTensors unwrapped = without_wrapper(given);
  std::map<std::string, const Tensor*> by_name;
  for (const auto& [name, tensor] : unwrapped) by_name[name] = &tensor;

  std::vector<std::string> missing, extra, different;
  std::vector<std::pair<Tensor*, const Tensor*>> copies;
  std::set<std::string_view> known;
  for (const auto& [name, into] : expected) {
    known.insert(name);
    const auto found = by_name.find(name);
    if (found == by_name.end()) {
      if (!is_ignored(name)) missing.push_back(name);
      continue;
    }
    const Tensor& from = *found->second;
    const bool type_fits = from.dtype() == into->dtype() || (is_floating(from.dtype()) && is_floating(into->dtype()));
    if (from.shape() == into->shape() && type_fits) {
      copies.emplace_back(into, &from);
    } else {
      different.push_back(fmt::format("{} is {} {}, expected {} {}", name, to_string(from.dtype()), from.shape().str(),
                                      to_string(into->dtype()), into->shape().str()));
    }
  }
  for (const auto& [name, tensor] : by_name) {
    if (!known.contains(name) && !is_ignored(name)) extra.push_back(name);
  }
  if (!missing.empty() || !extra.empty() || !different.empty()) {
    std::vector<std::string> parts;
    if (!missing.empty()) parts.push_back(listed("missing", missing));
    if (!extra.empty()) parts.push_back(listed("extra", extra));
    if (!different.empty()) parts.push_back(listed("of another shape or type", different));
    throw_error<DataError>("{}: the tensors do not fit the network; {}", name_for_errors, fmt::join(parts, "; "));
  }
  for (const auto& [into, from] : copies) {
    into->copy_from(from->dtype() == into->dtype() ? *from : from->cast(context, into->dtype()));
    into->bump_version();
  }
}

}  // namespace bsg::train
