#pragma once

#include "tools/bsg_eval/evaluate.hpp"

namespace bsg::tools {

// evaluate() where pixels have classes: image by image, at its own size, which may differ from the others'.
Report evaluate_pixels(Context& context, const Subject& subject, const data::Dataset& dataset,
                       const EvaluateOptions& options, const std::function<void(std::int64_t, std::int64_t)>& progress);

}  // namespace bsg::tools
