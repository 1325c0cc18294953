// The tensor products of a network's layer as training needs them: plain data, shared by every
// instruction set. Unlike the engine's, nothing is packed or padded: arrays come from torch.
#pragma once

#include <cstdint>

namespace zifglass {

// One path: message[m3] += w(r) sum_m1 M[m3][m1] x[m1], channels innermost. Offsets in floats from
// the start of an atom's row (x, message) or of a knot's row (weight).
struct ProductPath {
  int l1, l2, l3, channels;
  std::int64_t x, x_stride, message, message_stride, weight;
};

struct Product {
  std::int64_t n_paths;
  const ProductPath* paths;
  std::int64_t x_width, message_width, weights, harmonics;
  double start, step;  // knot k at start + k step
  std::int64_t knots;
};

// Edges centre <- neighbour; harmonics (edges, (l_max + 1)^2); lengths, Å.
struct ProductEdges {
  std::int64_t count;
  const std::int32_t *centre, *neighbor;
  const float *harmonics, *lengths;
};

// Gradients that are null are not computed; all are added to.
struct ProductGradients {
  float *x, *harmonics, *lengths, *table;
};

struct ProductKernels {
  void (*forward)(const Product&, const ProductEdges&, const float* x, const float* table,
                  float* message);
  void (*backward)(const Product&, const ProductEdges&, const float* x, const float* table,
                   const float* message_gradient, const ProductGradients&);
};

}  // namespace zifglass
