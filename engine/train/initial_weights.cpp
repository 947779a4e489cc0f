#include "engine/train/initial_weights.hpp"

#include <algorithm>

#include "engine/core/error.hpp"
#include "engine/train/checkpoint.hpp"

namespace bsg::train {

std::vector<std::string> load_initial_weights(Context& context,
                                              const std::vector<std::pair<std::string, Tensor*>>& expected,
                                              const NamedTensors& given,
                                              const std::function<bool(const std::string&)>& replaceable,
                                              const std::string& name_for_errors) {
  std::vector<std::pair<std::string, Tensor*>> wanted;
  std::vector<std::string> kept;
  NamedTensors taken = without_wrapper(given);
  for (const auto& [name, into] : expected) {
    const auto same_name = [&](const auto& tensor) { return tensor.first == name; };
    const auto found = std::find_if(taken.begin(), taken.end(), same_name);
    const bool fits = found != taken.end() && found->second.shape() == into->shape();
    if (fits || !replaceable(name)) {
      wanted.emplace_back(name, into);
    } else {
      kept.push_back(name);
      std::erase_if(taken, same_name);
    }
  }
  std::erase_if(taken, [&](const auto& tensor) {
    return replaceable(tensor.first) &&
           std::none_of(wanted.begin(), wanted.end(), [&](const auto& entry) { return entry.first == tensor.first; });
  });
  if (wanted.empty()) throw_error<DataError>("{}: has no tensor for this network", name_for_errors);
  load_named_tensors(context, wanted, taken, name_for_errors);
  return kept;
}

}  // namespace bsg::train
