// The colours in which people show classes of pixels.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace bsg::data {

using Color = std::array<std::uint8_t, 3>;  // red, green, blue

// By label. Where all names are CamVid's, or all are Cityscapes', the colours that are usual for these; otherwise
// strong colours whose hues are evenly spaced. None is black, which is kept for pixels that are ignored.
std::vector<Color> class_colors(const std::vector<std::string>& names);

}  // namespace bsg::data
