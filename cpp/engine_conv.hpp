// The tensor products along edges, forward and backward, unrolled per (l1, l2, l3) up to order 2.
//
// For one path and one atom with its neighbours (a chunk of them):
//   forward   message[m3] += sum_e w(r_e) sum_m1 M_e[m3][m1] x_e[m1],  M = sum_m2 C Y_m2
//   backward  the atom is now the SOURCE and its neighbours the centres: with g_e = dE/dmessage
//             of the centre, t[m1] = sum_m3 M[m3][m1] g_e[m3] gives dE/dx[m1] += w t[m1],
//             dE/dr += w' sum_m1 t x and dE/dY_m2 += sum C g[m3] w x[m1].
// Lanes are channels. C enters divided by Sparse::unit, which the tables of w carry.
#pragma once

template <class R>
struct EdgeChunk {
  int count, components;  // edges; (l_max + 1)^2
  const std::int32_t *neighbor, *row;
  const R *value[4], *slope[4];
  const R* harmonics;  // component k at harmonics + k * stride
  std::int64_t stride;
};

// sum_k weight_k c_k over the four B-splines that are not zero at edge `e`.
template <class R>
ZIFGLASS_INLINE Vec<R> spline(const R* const* weight, int e, const R* knot, int pad) {
  Vec<R> sum = weight[0][e] * load(knot);
  sum += weight[1][e] * load(knot + pad);
  sum += weight[2][e] * load(knot + 2 * pad);
  return sum + weight[3][e] * load(knot + 3 * pad);
}

// M of every edge of the chunk, [entry][edge]: lanes are edges here. Sign: -1 sees the edges
// from the other end.
template <class R, class S, int L2, bool Reversed>
ZIFGLASS_INLINE void edge_matrices(const EdgeChunk<R>& c, R (*matrix)[kChunk]) {
  constexpr int lanes = Simd<R>::lanes;
  constexpr double sign = Reversed && L2 % 2 ? -1 : 1;
  for (int e = 0; e < c.count; e += lanes) {
    Vec<R> y[S::d2];
    unroll<S::d2>(ZIFGLASS_EACH(b) {
      y[b.value] = load(c.harmonics + (L2 * L2 + b.value) * c.stride + e);
    });
    unroll<S::d1>(ZIFGLASS_EACH(a) {
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        constexpr int entry = S::index.entry[a.value][m.value];
        if constexpr (entry >= 0) {
          Vec<R> sum = {};
          unroll<S::d2>(ZIFGLASS_EACH(b) {
            constexpr R ratio = R(sign * S::ratio(a.value, b.value, m.value));
            if constexpr (ratio != 0) sum += ratio * y[b.value];
          });
          store(&matrix[entry][e], sum);
        }
      });
    });
  }
}

template <class R, int L1, int L2, int L3, int NV>
ZIFGLASS_INLINE void forward_vectors(const EdgeChunk<R>& c, const Path<R>& p, int channel,
                                     const R* x, std::int64_t x_stride, R* message,
                                     const R (*matrix)[kChunk]) {
  using S = wigner::Sparse<L1, L2, L3>;
  constexpr int lanes = Simd<R>::lanes;
  const int pad = p.pad;
  R* out = message + p.message + channel;
  x += p.x + channel;
  const R* table = p.table + channel;
  Vec<R> sum[S::d3][NV];
  unroll<S::d3>(ZIFGLASS_EACH(m) {
    unroll<NV>(ZIFGLASS_EACH(v) {
      sum[m.value][v.value] = load(out + m.value * pad + v.value * lanes);
    });
  });
  for (int e = 0; e < c.count; ++e) {
    const R* source = x + c.neighbor[e] * x_stride;
    const R* knot = table + std::int64_t(c.row[e]) * pad;
    Vec<R> w[NV];
    unroll<NV>(ZIFGLASS_EACH(v) {
      w[v.value] = spline(c.value, e, knot + v.value * lanes, pad);
    });
    // w multiplies the smaller side; on the outer one it also keeps the sums' chains short.
    constexpr bool outside = S::d3 <= S::d1;
    Vec<R> part[S::d3][NV] = {};
    unroll<S::d1>(ZIFGLASS_EACH(a) {
      Vec<R> wx[NV];
      unroll<NV>(ZIFGLASS_EACH(v) {
        wx[v.value] = load(source + a.value * pad + v.value * lanes);
        if constexpr (!outside) wx[v.value] *= w[v.value];
      });
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        constexpr int entry = S::index.entry[a.value][m.value];
        if constexpr (entry >= 0) {
          const R factor = L2 == 0 ? R(1) : matrix[entry][e];
          unroll<NV>(ZIFGLASS_EACH(v) {
            Vec<R>& to = outside ? part[m.value][v.value] : sum[m.value][v.value];
            to += L2 == 0 ? wx[v.value] : factor * wx[v.value];
          });
        }
      });
    });
    if constexpr (outside)
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        unroll<NV>(ZIFGLASS_EACH(v) {
          sum[m.value][v.value] += w[v.value] * part[m.value][v.value];
        });
      });
  }
  unroll<S::d3>(ZIFGLASS_EACH(m) {
    unroll<NV>(ZIFGLASS_EACH(v) {
      store(out + m.value * pad + v.value * lanes, sum[m.value][v.value]);
    });
  });
}

template <class R, int L1, int L2, int L3>
void forward_path(const EdgeChunk<R>& c, const Path<R>& p, const R* x, std::int64_t x_stride,
                  R* message) {
  using S = wigner::Sparse<L1, L2, L3>;
  constexpr int lanes = Simd<R>::lanes;
  alignas(64) R matrix[L2 == 0 ? 1 : S::index.count][kChunk];
  if constexpr (L2 > 0) edge_matrices<R, S, L2, false>(c, matrix);
  // Two vectors share each broadcast of M where the registers suffice for it.
  constexpr int wide = (ZIFGLASS_VECTOR_BYTES == 64 || S::d3 <= 5) ? 2 : 1;
  int channel = 0;
  if constexpr (wide == 2)
    for (; channel + 2 * lanes <= p.pad; channel += 2 * lanes)
      forward_vectors<R, L1, L2, L3, 2>(c, p, channel, x, x_stride, message, matrix);
  for (; channel < p.pad; channel += lanes)
    forward_vectors<R, L1, L2, L3, 1>(c, p, channel, x, x_stride, message, matrix);
}

template <class R, int L1, int L2, int L3, int NV>
ZIFGLASS_INLINE void backward_vectors(const EdgeChunk<R>& c, const Path<R>& p, int channel,
                                      const R* x, const R* g, std::int64_t g_stride,
                                      R* x_gradient, R* sums, const R (*matrix)[kChunk]) {
  using S = wigner::Sparse<L1, L2, L3>;
  constexpr int lanes = Simd<R>::lanes;
  const int pad = p.pad;
  x += p.x + channel;
  x_gradient += p.x + channel;
  g += p.message + channel;
  const R* table = p.table + channel;
  // dE/dx stays in registers where there are enough.
  constexpr bool keep = S::d1 * NV + S::d2 + S::d3 <= 16;
  Vec<R> gx[S::d1][NV];
  if constexpr (keep)
    unroll<S::d1>(ZIFGLASS_EACH(a) {
      unroll<NV>(ZIFGLASS_EACH(v) {
        gx[a.value][v.value] = load(x_gradient + a.value * pad + v.value * lanes);
      });
    });
  for (int e = 0; e < c.count; ++e) {
    const R* centre = g + c.neighbor[e] * g_stride;
    const R* knot = table + std::int64_t(c.row[e]) * pad;
    Vec<R> dy[S::d2] = {};
    Vec<R> dr = {};
    unroll<NV>(ZIFGLASS_EACH(v) {
      constexpr int at = v.value * lanes;
      const Vec<R> w = spline(c.value, e, knot + at, pad), dw = spline(c.slope, e, knot + at, pad);
      Vec<R> gm[S::d3], wg[S::d3];
      unroll<S::d3>(ZIFGLASS_EACH(m) {
        gm[m.value] = load(centre + m.value * pad + at);
        // The smaller of the two sides carries w into dE/dY.
        wg[m.value] = S::d3 < S::d1 ? w * gm[m.value] : gm[m.value];
      });
      Vec<R> along = {};
      unroll<S::d1>(ZIFGLASS_EACH(a) {
        Vec<R> t = {};
        unroll<S::d3>(ZIFGLASS_EACH(m) {
          constexpr int entry = S::index.entry[a.value][m.value];
          if constexpr (entry >= 0 && L2 == 0) t += gm[m.value];
          if constexpr (entry >= 0 && L2 > 0) t += matrix[entry][e] * gm[m.value];
        });
        const Vec<R> xa = load(x + a.value * pad + at);
        along += t * xa;
        if constexpr (keep) {
          gx[a.value][v.value] += w * t;
        } else {
          R* to = x_gradient + a.value * pad + at;
          store(to, load(to) + w * t);
        }
        if constexpr (L2 > 0) {
          const Vec<R> wx = S::d3 < S::d1 ? xa : w * xa;
          unroll<S::d3>(ZIFGLASS_EACH(m) {
            unroll<S::d2>(ZIFGLASS_EACH(b) {
              constexpr R ratio = R(S::ratio(a.value, b.value, m.value));
              if constexpr (ratio == 1)
                dy[b.value] += wg[m.value] * wx;
              else if constexpr (ratio == -1)
                dy[b.value] -= wg[m.value] * wx;
              else if constexpr (ratio != 0)
                dy[b.value] += (ratio * wg[m.value]) * wx;
            });
          });
        }
      });
      dr += dw * along;
    });
    R* sum = sums + e * c.components * lanes;
    store(sum, load(sum) + dr);
    if constexpr (L2 > 0)
      unroll<S::d2>(ZIFGLASS_EACH(b) {
        R* to = sum + (L2 * L2 + b.value) * lanes;
        store(to, load(to) + dy[b.value]);
      });
  }
  if constexpr (keep) unroll<S::d1>(ZIFGLASS_EACH(a) {
    unroll<NV>(ZIFGLASS_EACH(v) {
      store(x_gradient + a.value * pad + v.value * lanes, gx[a.value][v.value]);
    });
  });
}

// `sums`: [edge][(l_max+1)^2][lanes], component 0 for dE/dr; lanes still to be added up.
template <class R, int L1, int L2, int L3>
void backward_path(const EdgeChunk<R>& c, const Path<R>& p, const R* x, const R* g,
                   std::int64_t g_stride, R* x_gradient, R* sums) {
  using S = wigner::Sparse<L1, L2, L3>;
  constexpr int lanes = Simd<R>::lanes;
  alignas(64) R matrix[L2 == 0 ? 1 : S::index.count][kChunk];
  if constexpr (L2 > 0) edge_matrices<R, S, L2, true>(c, matrix);
  constexpr int wide = ZIFGLASS_VECTOR_BYTES == 64 ? 2 : 1;
  int channel = 0;
  if constexpr (wide == 2)
    for (; channel + 2 * lanes <= p.pad; channel += 2 * lanes)
      backward_vectors<R, L1, L2, L3, 2>(c, p, channel, x, g, g_stride, x_gradient, sums, matrix);
  for (; channel < p.pad; channel += lanes)
    backward_vectors<R, L1, L2, L3, 1>(c, p, channel, x, g, g_stride, x_gradient, sums, matrix);
}
