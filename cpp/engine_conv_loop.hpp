// The tensor products of engine_conv.hpp for paths that involve order 3: loops over the
// non-zero couplings instead of code unrolled per (l1, l2, l3), which would make up four fifths
// of the compiled kernels and is rarely used.
#pragma once

struct Coupling {
  int m1, m2, m3;
  double ratio;
};

struct Couplings {
  int count = 0;
  Coupling items[48] = {};  // (3, 3, 3) has the most, 42
};

template <int L1, int L2, int L3>
constexpr Couplings list_couplings() {
  using S = wigner::Sparse<L1, L2, L3>;
  static_assert(S::n_terms <= 48);
  Couplings list;
  for (int a = 0; a < S::d1; ++a)
    for (int c = 0; c < S::d3; ++c)
      for (int b = 0; b < S::d2; ++b)
        if (S::ratio(a, b, c) != 0) list.items[list.count++] = {a, b, c, S::ratio(a, b, c)};
  return list;
}
template <int L1, int L2, int L3>
inline constexpr Couplings couplings = list_couplings<L1, L2, L3>();

// Dense M, [m1 * d3 + m3][edge].
template <class R>
__attribute__((noinline)) void dense_matrices(const EdgeChunk<R>& c, const Couplings& list, int l2, int size, int d3,
                           R sign, R (*matrix)[kChunk]) {
  constexpr int lanes = Simd<R>::lanes;
  for (int i = 0; i < size; ++i)
    for (int e = 0; e < kChunk; e += lanes) store(&matrix[i][e], Vec<R>{});
  for (int t = 0; t < list.count; ++t) {
    const Coupling& item = list.items[t];
    const R ratio = sign * R(item.ratio);
    R* to = matrix[item.m1 * d3 + item.m3];
    const R* y = c.harmonics + (l2 * l2 + item.m2) * c.stride;
    for (int e = 0; e < c.count; e += lanes) store(to + e, load(to + e) + ratio * load(y + e));
  }
}

template <class R, int L3>
__attribute__((noinline)) void forward_loop(const EdgeChunk<R>& c, const Path<R>& p, const Couplings& list,
                         const R* x, std::int64_t x_stride, R* message) {
  constexpr int lanes = Simd<R>::lanes, d3 = 2 * L3 + 1;
  const int d1 = 2 * p.l1 + 1, pad = p.pad;
  alignas(64) R matrix[49][kChunk];
  dense_matrices(c, list, p.l2, d1 * d3, d3, R(1), matrix);
  for (int channel = 0; channel < pad; channel += lanes) {
    R* out = message + p.message + channel;
    Vec<R> sum[d3];
    unroll<d3>(ZIFGLASS_EACH(m) { sum[m.value] = load(out + m.value * pad); });
    for (int e = 0; e < c.count; ++e) {
      const R* source = x + p.x + channel + c.neighbor[e] * x_stride;
      const Vec<R> w = spline(c.value, e, p.table + channel + std::int64_t(c.row[e]) * pad, pad);
      for (int a = 0; a < d1; ++a) {
        const Vec<R> wx = w * load(source + a * pad);
        unroll<d3>(ZIFGLASS_EACH(m) { sum[m.value] += matrix[a * d3 + m.value][e] * wx; });
      }
    }
    unroll<d3>(ZIFGLASS_EACH(m) { store(out + m.value * pad, sum[m.value]); });
  }
}

template <class R, int L3>
__attribute__((noinline)) void backward_loop(const EdgeChunk<R>& c, const Path<R>& p, const Couplings& list,
                          const R* x, const R* g, std::int64_t g_stride, R* x_gradient, R* sums) {
  constexpr int lanes = Simd<R>::lanes, d3 = 2 * L3 + 1;
  const int d1 = 2 * p.l1 + 1, d2 = 2 * p.l2 + 1, pad = p.pad;
  alignas(64) R matrix[49][kChunk];
  dense_matrices(c, list, p.l2, d1 * d3, d3, R(p.l2 % 2 ? -1 : 1), matrix);
  for (int channel = 0; channel < pad; channel += lanes) {
    const R* own = x + p.x + channel;
    R* own_gradient = x_gradient + p.x + channel;
    for (int e = 0; e < c.count; ++e) {
      const R* at = g + p.message + channel + c.neighbor[e] * g_stride;
      const R* knot = p.table + channel + std::int64_t(c.row[e]) * pad;
      const Vec<R> w = spline(c.value, e, knot, pad), dw = spline(c.slope, e, knot, pad);
      Vec<R> gm[d3], wx[7], dy[7] = {}, along = {};
      unroll<d3>(ZIFGLASS_EACH(m) { gm[m.value] = load(at + m.value * pad); });
      for (int a = 0; a < d1; ++a) {
        Vec<R> t = {};
        unroll<d3>(ZIFGLASS_EACH(m) { t += matrix[a * d3 + m.value][e] * gm[m.value]; });
        const Vec<R> xa = load(own + a * pad);
        along += t * xa;
        store(own_gradient + a * pad, load(own_gradient + a * pad) + w * t);
        wx[a] = w * xa;
      }
      R* sum = sums + e * c.components * lanes;
      store(sum, load(sum) + dw * along);
      if (p.l2 == 0) continue;
      for (int t = 0; t < list.count; ++t) {
        const Coupling& item = list.items[t];
        dy[item.m2] += (R(item.ratio) * gm[item.m3]) * wx[item.m1];
      }
      for (int b = 0; b < d2; ++b) {
        R* to = sum + (p.l2 * p.l2 + b) * lanes;
        store(to, load(to) + dy[b]);
      }
    }
  }
}
