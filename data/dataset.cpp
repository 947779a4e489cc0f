#include "data/dataset.hpp"

#include "data/decode.hpp"

namespace bsg::data {

FramedExample Dataset::get_framed(std::int64_t index, const FrameChoice& choose) const {
  FramedExample framed{get(index), {}};
  const ImageSize size{framed.example.image.height, framed.example.image.width};
  framed.box = chosen_frame(choose, size, source(index)).box;
  return framed;
}

}  // namespace bsg::data
