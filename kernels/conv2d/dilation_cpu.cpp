#include <algorithm>

#include "kernels/common/parallel_for.hpp"
#include "kernels/conv2d/dilation.hpp"
#include "kernels/conv2d/winograd.hpp"

namespace bsg::kernels::cpu {
namespace {

// Planes of a batch, and their parts: part (a, b) of a plane has the pixels (i * d + a, j * d + b), all parts of one
// size. Where d does not divide an extent, the last row or column of some parts lies outside of the plane.
struct Parts {
  std::int64_t batch, channels, height, width, dilation;

  std::int64_t rows() const { return (height + dilation - 1) / dilation; }
  std::int64_t columns() const { return (width + dilation - 1) / dilation; }
  std::int64_t elements() const { return batch * dilation * dilation * channels * rows() * columns(); }

  // Calls row(row of the plane or null, row of its part, columns that both have) for each row of every part.
  template <class P, class Q, class Row>
  void each_row(const Launch& launch, P* planes, Q* parts, const Row& row) const {
    const std::int64_t d = dilation, part = rows() * columns();
    parallel_for(launch, batch * channels, elements(), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t plane = begin; plane < end; ++plane) {
        const std::int64_t n = plane / channels, c = plane % channels;
        for (std::int64_t a = 0; a < d; ++a)
          for (std::int64_t b = 0; b < d; ++b) {
            Q* const to = parts + (((n * d + a) * d + b) * channels + c) * part;
            const std::int64_t count = b < width ? (width - 1 - b) / d + 1 : 0;
            for (std::int64_t i = 0; i < rows(); ++i) {
              const bool inside = i * d + a < height;
              row(inside ? planes + (plane * height + i * d + a) * width + b : nullptr, to + i * columns(),
                  inside ? count : 0);
            }
          }
      }
    });
  }

  // What lies outside becomes zero: in x it is the padding, in dy it adds nothing.
  template <class T>
  void split(const Launch& launch, const T* planes, T* parts) const {
    each_row(launch, planes, parts, [&](const T* from, T* to, std::int64_t count) {
      for (std::int64_t j = 0; j < count; ++j) to[j] = from[j * dilation];
      std::fill(to + count, to + columns(), T{0});
    });
  }
  template <class T>
  void join(const Launch& launch, const T* parts, T* planes, bool accumulate) const {
    each_row(launch, planes, parts, [&](T* to, const T* from, std::int64_t count) {
      for (std::int64_t j = 0; j < count; ++j) to[j * dilation] = accumulate ? to[j * dilation] + from[j] : from[j];
    });
  }
  // [batch, channels] for every part; null for none.
  template <class T>
  const T* repeat(const T* gate, T* to) const {
    if (gate == nullptr) return nullptr;
    const std::int64_t times = dilation * dilation;
    for (std::int64_t n = 0; n < batch * times; ++n)
      std::copy_n(gate + n / times * channels, channels, to + n * channels);
    return to;
  }
};

Parts input_parts(const Conv2dShape& s) { return {s.batch, s.channels, s.height, s.width, s.dilation}; }
Parts output_parts(const Conv2dShape& s) { return {s.batch, s.outputs, s.out_height(), s.out_width(), s.dilation}; }

Conv2dShape undilated(const Conv2dShape& s) {
  const Parts x = input_parts(s);
  Conv2dShape result = s;
  result.batch = s.batch * s.dilation * s.dilation;
  result.height = x.rows();
  result.width = x.columns();
  result.padding = s.padding / s.dilation;
  result.dilation = 1;
  return result;
}

// Elements of the workspace before what the undilated convolution needs: x's parts, y's, and their gates.
std::int64_t pieces_size(const Conv2dShape& s) {
  return input_parts(s).elements() + output_parts(s).elements() +
         s.batch * s.dilation * s.dilation * (s.channels + s.outputs);
}

template <class T>
struct Pieces {
  Pieces(const Conv2dShape& s, T* workspace)
      : x(workspace),
        y(x + input_parts(s).elements()),
        input_gate(y + output_parts(s).elements()),
        output_gate(input_gate + s.batch * s.dilation * s.dilation * s.channels),
        rest(workspace + pieces_size(s)) {}
  T *x, *y, *input_gate, *output_gate, *rest;
};

}  // namespace

bool splits_by_dilation(const Conv2dShape& s) {
  return s.dilation > 1 && s.stride == 1 && s.padding % s.dilation == 0 && winograd_pays(undilated(s));
}

std::int64_t dilation_workspace(const Conv2dShape& s, int threads) {
  return pieces_size(s) + conv2d_workspace(undilated(s), threads);
}

template <class T>
void dilated_forward(const Launch& launch, const Conv2dShape& s, const T* x, const T* weight, const T* bias,
                     const T* input_gate, const T* output_gate, T* y, T* workspace) {
  const Pieces<T> pieces(s, workspace);
  input_parts(s).split(launch, x, pieces.x);
  conv2d_forward<T>(launch, undilated(s), pieces.x, weight, bias, input_parts(s).repeat(input_gate, pieces.input_gate),
                    output_parts(s).repeat(output_gate, pieces.output_gate), pieces.y, pieces.rest);
  output_parts(s).join(launch, pieces.y, y, false);
}

template <class T>
void dilated_backward_input(const Launch& launch, const Conv2dShape& s, const T* weight, const T* dy,
                            const T* output_gate, T* dx, bool accumulate, T* workspace) {
  const Pieces<T> pieces(s, workspace);
  output_parts(s).split(launch, dy, pieces.y);
  conv2d_backward_input<T>(launch, undilated(s), weight, pieces.y,
                           output_parts(s).repeat(output_gate, pieces.output_gate), pieces.x, false, pieces.rest);
  input_parts(s).join(launch, pieces.x, dx, accumulate);
}

template <class T>
void dilated_backward_weight(const Launch& launch, const Conv2dShape& s, const T* x, const T* dy, const T* input_gate,
                             const T* output_gate, T* dweight, bool accumulate, T* workspace) {
  const Pieces<T> pieces(s, workspace);
  input_parts(s).split(launch, x, pieces.x);
  output_parts(s).split(launch, dy, pieces.y);
  conv2d_backward_weight<T>(launch, undilated(s), pieces.x, pieces.y,
                            input_parts(s).repeat(input_gate, pieces.input_gate),
                            output_parts(s).repeat(output_gate, pieces.output_gate), dweight, accumulate, pieces.rest);
}

#define BSG_INSTANTIATE(T)                                                                                            \
  template void dilated_forward<T>(const Launch&, const Conv2dShape&, const T*, const T*, const T*, const T*,         \
                                   const T*, T*, T*);                                                                 \
  template void dilated_backward_input<T>(const Launch&, const Conv2dShape&, const T*, const T*, const T*, T*, bool,  \
                                          T*);                                                                        \
  template void dilated_backward_weight<T>(const Launch&, const Conv2dShape&, const T*, const T*, const T*, const T*, \
                                           T*, bool, T*);
BSG_INSTANTIATE(float)
BSG_INSTANTIATE(double)
#undef BSG_INSTANTIATE

}  // namespace bsg::kernels::cpu
