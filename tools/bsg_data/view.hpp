#pragma once

#include <cstdint>

#include "data/image_transform.hpp"
#include "engine/core/random.hpp"
#include "tools/bsg_data/commands.hpp"

namespace bsg::tools {

// To values of 0..1.
data::ImageTransform make_view(const ViewOptions& options);

// What the transform of image `index` draws from in pass `pass` over the set.
Generator view_generator(const ViewOptions& options, const data::ImageTransform& transform, std::int64_t index,
                         std::uint64_t pass = 0);

}  // namespace bsg::tools
