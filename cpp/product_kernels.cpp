// Tensor products along edges with all their gradients, compiled once per instruction set (see
// CMakeLists.txt and engine_kernels.cpp, whose rules hold here too). Lanes are channels.
#include <cstdint>

#include "engine_wigner.hpp"
#include "product_program.hpp"

namespace zifglass::ZIFGLASS_ISA {

#include "engine_simd.hpp"

namespace product {

using V = Vec<float>;
constexpr int kLanes = Simd<float>::lanes;

// torch's memory is aligned to 64 bytes at its start alone.
ZIFGLASS_INLINE V get(const float* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof(V));
  return v;
}
ZIFGLASS_INLINE void put(float* p, V v) { __builtin_memcpy(p, &v, sizeof(V)); }

// Cubic interpolation through the four knots around r: their weights and the weights of the slope.
struct Knots {
  std::int64_t row;
  float value[4], slope[4];
};

inline Knots knots_at(const Product& p, double r) {
  const double u = (r - p.start) / p.step;
  std::int64_t row = std::int64_t(u) - 1;
  row = row < 0 ? 0 : row > p.knots - 4 ? p.knots - 4 : row;
  const double t = u - double(row);  // in knots from the first of the four: 1 <= t < 2 inside
  Knots k{row, {}, {}};
  for (int i = 0; i < 4; ++i) {
    double value = 1, slope = 0;
    for (int j = 0; j < 4; ++j) {
      if (j == i) continue;
      const double f = 1.0 / double(i - j);
      slope = slope * (t - j) * f + value * f;
      value *= (t - j) * f;
    }
    k.value[i] = float(value);
    k.slope[i] = float(slope / p.step);
  }
  return k;
}

ZIFGLASS_INLINE V blend(const float* weight, const float* knot, std::int64_t width) {
  return weight[0] * get(knot) + weight[1] * get(knot + width) + weight[2] * get(knot + 2 * width) +
         weight[3] * get(knot + 3 * width);
}

template <class S, int L2>
ZIFGLASS_INLINE void matrix_of(const float* y, float* matrix) {
  unroll<S::d1>(ZIFGLASS_EACH(a) {
    unroll<S::d3>(ZIFGLASS_EACH(m) {
      constexpr int entry = S::index.entry[a.value][m.value];
      if constexpr (entry >= 0) {
        float sum = 0;
        unroll<S::d2>(ZIFGLASS_EACH(b) {
          constexpr float c = float(S::tensor.value[a.value][b.value][m.value]);
          if constexpr (c != 0) sum += c * y[L2 * L2 + b.value];
        });
        matrix[entry] = sum;
      }
    });
  });
}

template <int L1, int L2, int L3>
void forward_path(const Product& p, const ProductPath& path, const Knots& k, const float* y,
                  const float* x, const float* table, float* message) {
  using S = wigner::Sparse<L1, L2, L3>;
  float matrix[S::index.count];
  matrix_of<S, L2>(y, matrix);
  table += k.row * p.weights + path.weight;
  x += path.x;
  message += path.message;
  for (int channel = 0; channel < path.channels; channel += kLanes) {
    const V w = blend(k.value, table + channel, p.weights);
    V sum[S::d3] = {};
    unroll<S::d1>(ZIFGLASS_EACH(a) {
      const V xa = get(x + a.value * path.x_stride + channel);
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        constexpr int entry = S::index.entry[a.value][m.value];
        if constexpr (entry >= 0) sum[m.value] += matrix[entry] * xa;
      });
    });
    unroll<S::d3>(ZIFGLASS_EACH(m) {
      float* out = message + m.value * path.message_stride + channel;
      put(out, get(out) + w * sum[m.value]);
    });
  }
}

struct Row {
  const float *y, *x, *table, *gradient;  // of the edge, its neighbour, its knots, its centre
  float *dx, *dy, *dr, *dtable;
};

template <int L1, int L2, int L3>
void backward_path(const Product& p, const ProductPath& path, const Knots& k, const Row& row) {
  using S = wigner::Sparse<L1, L2, L3>;
  float matrix[S::index.count];
  matrix_of<S, L2>(row.y, matrix);
  const std::int64_t at = k.row * p.weights + path.weight;
  V along_r = {}, along_y[S::d2] = {};
  for (int channel = 0; channel < path.channels; channel += kLanes) {
    const V w = blend(k.value, row.table + at + channel, p.weights);
    V g[S::d3];
    unroll<S::d3>(ZIFGLASS_EACH(m) {
      g[m.value] = get(row.gradient + path.message + m.value * path.message_stride + channel);
    });
    V x[S::d1], sum = {};
    unroll<S::d1>(ZIFGLASS_EACH(a) {
      const std::int64_t to = path.x + a.value * path.x_stride + channel;
      x[a.value] = get(row.x + to);
      V t = {};
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        constexpr int entry = S::index.entry[a.value][m.value];
        if constexpr (entry >= 0) t += matrix[entry] * g[m.value];
      });
      sum += t * x[a.value];
      if (row.dx) put(row.dx + to, get(row.dx + to) + w * t);
    });
    if (row.dtable) {
      float* to = row.dtable + at + channel;
      unroll<4>(ZIFGLASS_EACH(i) {
        put(to + i.value * p.weights, get(to + i.value * p.weights) + k.value[i.value] * sum);
      });
    }
    if (row.dr) along_r += blend(k.slope, row.table + at + channel, p.weights) * sum;
    if (row.dy && L2 > 0) {
      unroll<S::d3>(ZIFGLASS_EACH(m) { g[m.value] *= w; });
      unroll<S::d1>(ZIFGLASS_EACH(a) {
        unroll<S::d2>(ZIFGLASS_EACH(b) {
          unroll<S::d3>(ZIFGLASS_EACH(m) {
            constexpr float c = float(S::tensor.value[a.value][b.value][m.value]);
            if constexpr (c != 0) along_y[b.value] += (c * g[m.value]) * x[a.value];
          });
        });
      });
    }
  }
  if (row.dr) {
    float sum = 0;
    for (int i = 0; i < kLanes; ++i) sum += along_r[i];
    *row.dr += sum;
  }
  if (row.dy && L2 > 0) {
    unroll<S::d2>(ZIFGLASS_EACH(b) {
      float sum = 0;
      for (int i = 0; i < kLanes; ++i) sum += along_y[b.value][i];
      row.dy[L2 * L2 + b.value] += sum;
    });
  }
}

using Forward = void (*)(const Product&, const ProductPath&, const Knots&, const float*,
                         const float*, const float*, float*);
using Backward = void (*)(const Product&, const ProductPath&, const Knots&, const Row&);

// The kernels by (l1, l2, l3), orders up to 2; null where the orders do not couple.
struct Table {
  static constexpr int n = 3;
  Forward forward[n * n * n] = {};
  Backward backward[n * n * n] = {};
  static constexpr int at(int l1, int l2, int l3) { return (l1 * n + l2) * n + l3; }
  static constexpr int at(const ProductPath& p) { return at(p.l1, p.l2, p.l3); }
  constexpr Table() {
    unroll<n>([&](auto l1) {
      unroll<n>([&](auto l2) {
        unroll<n>([&](auto l3) {
          constexpr int a = l1.value, b = l2.value, c = l3.value;
          if constexpr (wigner::couples(a, b, c)) {
            forward[at(a, b, c)] = forward_path<a, b, c>;
            backward[at(a, b, c)] = backward_path<a, b, c>;
          }
        });
      });
    });
  }
};
inline constexpr Table table_of_paths{};

void forward(const Product& p, const ProductEdges& edges, const float* x, const float* table,
             float* message) {
  for (std::int64_t e = 0; e < edges.count; ++e) {
    const Knots k = knots_at(p, edges.lengths[e]);
    const float* source = x + edges.neighbor[e] * p.x_width;
    float* to = message + edges.centre[e] * p.message_width;
    for (std::int64_t i = 0; i < p.n_paths; ++i)
      table_of_paths.forward[Table::at(p.paths[i])](
          p, p.paths[i], k, edges.harmonics + e * p.harmonics, source, table, to);
  }
}

void backward(const Product& p, const ProductEdges& edges, const float* x, const float* table,
              const float* message_gradient, const ProductGradients& to) {
  for (std::int64_t e = 0; e < edges.count; ++e) {
    const Knots k = knots_at(p, edges.lengths[e]);
    const std::int64_t source = edges.neighbor[e] * p.x_width, y = e * p.harmonics;
    const Row row{edges.harmonics + y,
                  x + source,
                  table,
                  message_gradient + edges.centre[e] * p.message_width,
                  to.x ? to.x + source : nullptr,
                  to.harmonics ? to.harmonics + y : nullptr,
                  to.lengths ? to.lengths + e : nullptr,
                  to.table};
    for (std::int64_t i = 0; i < p.n_paths; ++i)
      table_of_paths.backward[Table::at(p.paths[i])](p, p.paths[i], k, row);
  }
}

}  // namespace product

extern const ProductKernels product_kernels;
const ProductKernels product_kernels{product::forward, product::backward};

}  // namespace zifglass::ZIFGLASS_ISA
