// Starting from somebody's weights: what the file and the network have in common is taken over.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/core/safetensors.hpp"

namespace bsg::train {

// Copies `given` into `expected` by name, as load_named_tensors does, but for tensors that `replaceable` names: where
// such a one is missing or has another shape it keeps its initial value, and one that the network does not have is left
// alone. Returns the names that kept their initial values. Throws DataError, and changes nothing, for any other tensor
// that is missing, extra or of another shape, and when nothing would be copied.
std::vector<std::string> load_initial_weights(Context& context,
                                              const std::vector<std::pair<std::string, Tensor*>>& expected,
                                              const NamedTensors& given,
                                              const std::function<bool(const std::string&)>& replaceable,
                                              const std::string& name_for_errors);

}  // namespace bsg::train
