// Per-atom arithmetic: linear maps as small matrix products, and gates.
#pragma once

// Rows (atom, component) of one block times its matrices; NR rows and NV vectors at a time.
template <class R, int NR, int NV>
ZIFGLASS_INLINE void linear_tile(const LinearBlock<R>& block, int channel, int species,
                                 const R* const* in, const int* component, R* const* out,
                                 bool accumulate) {
  constexpr int lanes = Simd<R>::lanes;
  const int out_pad = block.out_pad;
  Vec<R> sum[NR][NV];
  unroll<NR>(ZIFGLASS_EACH(r) {
    unroll<NV>(ZIFGLASS_EACH(v) {
      sum[r.value][v.value] = Vec<R>{};
      if (accumulate) sum[r.value][v.value] = load(out[r.value] + channel + v.value * lanes);
    });
  });
  for (int i = 0; i < block.n_terms; ++i) {
    const LinearTerm<R>& term = block.terms[i];
    const R* weight = term.weight + species * term.species_stride + channel;
    const R* row[NR];
    for (int r = 0; r < NR; ++r) row[r] = in[r] + term.in + component[r] * term.in_pad;
    for (int k = 0; k < term.depth; ++k, weight += out_pad) {
      Vec<R> w[NV];
      unroll<NV>(ZIFGLASS_EACH(v) { w[v.value] = load(weight + v.value * lanes); });
      unroll<NR>(ZIFGLASS_EACH(r) {
        const R factor = row[r.value][k];
        unroll<NV>(ZIFGLASS_EACH(v) { sum[r.value][v.value] += factor * w[v.value]; });
      });
    }
  }
  unroll<NR>(ZIFGLASS_EACH(r) {
    unroll<NV>(ZIFGLASS_EACH(v) {
      store(out[r.value] + channel + v.value * lanes, sum[r.value][v.value]);
    });
  });
}

template <class R, int NR>
ZIFGLASS_INLINE void linear_rows(const LinearBlock<R>& block, int species, const R* const* in,
                                 const int* component, R* const* out, bool accumulate) {
  constexpr int lanes = Simd<R>::lanes;
  int channel = 0;
  for (; channel + 2 * lanes <= block.out_pad; channel += 2 * lanes)
    linear_tile<R, NR, 2>(block, channel, species, in, component, out, accumulate);
  for (; channel < block.out_pad; channel += lanes)
    linear_tile<R, NR, 1>(block, channel, species, in, component, out, accumulate);
}

// One block for `n_atoms` atoms of one species (or of any, where the map does not depend on
// it). A row's sum runs over terms and channels in their order, whatever tile it falls into.
template <class R>
void linear_block(const LinearBlock<R>& block, int species, int n_atoms, const int* atoms,
                  const R* in, std::int64_t in_stride, R* out, std::int64_t out_stride,
                  bool accumulate) {
  constexpr int tile = ZIFGLASS_VECTOR_BYTES == 64 ? 8 : 6;
  const int n_rows = n_atoms * block.components;
  for (int start = 0; start < n_rows;) {
    const R* in_rows[tile];
    R* out_rows[tile];
    int component[tile];
    const int n = n_rows - start < tile ? n_rows - start : tile;
    for (int r = 0; r < n; ++r) {
      const int atom = atoms[(start + r) / block.components];
      component[r] = (start + r) % block.components;
      in_rows[r] = in + atom * in_stride;
      out_rows[r] = out + atom * out_stride + block.out + component[r] * block.out_pad;
    }
    int r = 0;
    for (; r + tile <= n; r += tile)
      linear_rows<R, tile>(block, species, in_rows + r, component + r, out_rows + r, accumulate);
    for (; r + 3 <= n; r += 3)
      linear_rows<R, 3>(block, species, in_rows + r, component + r, out_rows + r, accumulate);
    for (; r < n; ++r)
      linear_rows<R, 1>(block, species, in_rows + r, component + r, out_rows + r, accumulate);
    start += n;
  }
}

// The atoms of a unit of work, sorted by species.
struct Group {
  int n, order[kBlock], species[kBlock];
};

template <class R>
void linear(const LinearMap<R>& map, const Group& group, const R* in, std::int64_t in_stride,
            R* out, std::int64_t out_stride, bool accumulate) {
  for (int b = 0; b < map.n_blocks; ++b) {
    if (!map.by_species) {
      linear_block(map.blocks[b], 0, group.n, group.order, in, in_stride, out, out_stride,
                   accumulate);
      continue;
    }
    for (int start = 0; start < group.n;) {
      const int species = group.species[group.order[start]];
      int end = start + 1;
      while (end < group.n && group.species[group.order[end]] == species) ++end;
      linear_block(map.blocks[b], species, end - start, group.order + start, in, in_stride, out,
                   out_stride, accumulate);
      start = end;
    }
  }
}

// f and f' of one number; the rarer functions, in the precision of R.
template <class R>
inline void activate_one(Activation kind, R x, R& f, R& slope) {
  const double v = double(x);
  const double s = 1.0 / (1.0 + __builtin_exp(-v));
  const double soft = v > 30 ? v : __builtin_log1p(__builtin_exp(v));
  double y = 0, d = 0;
  switch (kind) {
    case Activation::identity: y = v, d = 1; break;
    case Activation::silu: y = v * s, d = s * (1 + v * (1 - s)); break;
    case Activation::tanh: y = __builtin_tanh(v), d = 1 - y * y; break;
    case Activation::abs: y = __builtin_fabs(v), d = v > 0 ? 1 : v < 0 ? -1 : 0; break;
    case Activation::ssp: y = soft - 0.69314718055994530942, d = s; break;
    case Activation::sigmoid: y = s, d = s * (1 - s); break;
    case Activation::softplus: y = soft, d = s; break;
    case Activation::mish: {
      const double t = __builtin_tanh(soft);
      y = v * t, d = t + v * (1 - t * t) * s;
      break;
    }
    case Activation::gelu: {
      const double cdf = 0.5 * (1 + __builtin_erf(v * 0.70710678118654752440));
      y = v * cdf, d = cdf + v * 0.39894228040143267794 * __builtin_exp(-0.5 * v * v);
      break;
    }
  }
  f = R(y);
  slope = R(d);
}

template <class R>
ZIFGLASS_INLINE void activate(Activation kind, Vec<R> x, R scale, Vec<R>& f, Vec<R>& slope) {
  if (kind == Activation::silu) {
    const Vec<R> s = R(1) / (R(1) + exponential<R>(-x));
    f = scale * (x * s);
    slope = scale * (s * (R(1) + x * (R(1) - s)));
    return;
  }
  for (int i = 0; i < Simd<R>::lanes; ++i) {
    R value, derivative;
    activate_one<R>(kind, x[i], value, derivative);
    f[i] = scale * value;
    slope[i] = scale * derivative;
  }
}

// Padding lanes must stay zero, and f(0) may not be 0: every feature is multiplied by zeros of
// the weights behind it, so that a scalar's padding never counts; a gated one's is 0 itself.
template <class R>
void gate_forward(const Layer<R>& layer, const R* pre, R* out) {
  constexpr int lanes = Simd<R>::lanes;
  for (int i = 0; i < layer.n_gates; ++i) {
    const GateItem& item = layer.gates[i];
    for (int c = 0; c < item.pad; c += lanes) {
      Vec<R> f = {}, slope = {};
      activate<R>(item.kind, load(pre + item.gate + c), R(item.scale), f, slope);
      if (item.components == 0) store(out + item.out + c, f);
      for (int m = 0; m < item.components; ++m) {
        const int at = m * item.pad + c;
        store(out + item.out + at, f * load(pre + item.feature + at));
      }
    }
  }
}

// gradient: dE/dout; result: dE/dpre.
template <class R>
void gate_backward(const Layer<R>& layer, const R* pre, const R* gradient, R* result) {
  constexpr int lanes = Simd<R>::lanes;
  for (int i = 0; i < layer.n_gates; ++i) {
    const GateItem& item = layer.gates[i];
    for (int c = 0; c < item.pad; c += lanes) {
      Vec<R> f = {}, slope = {};
      activate<R>(item.kind, load(pre + item.gate + c), R(item.scale), f, slope);
      Vec<R> sum = {};
      if (item.components == 0) sum = load(gradient + item.out + c);
      for (int m = 0; m < item.components; ++m) {
        const int at = m * item.pad + c;
        const Vec<R> d = load(gradient + item.out + at);
        sum += d * load(pre + item.feature + at);
        store(result + item.feature + at, f * d);
      }
      store(result + item.gate + c, slope * sum);
    }
  }
}

// Energy of one atom and dE/dfeatures (added to `gradient`, which is zero), in double.
// work: 4 * widest * n_matrices doubles.
template <class R>
double read_out(const Readout& readout, int species, const R* features, R* gradient,
                double* work) {
  const int widest = readout.widest, n = readout.n_matrices;
  double* value = work;                       // [n + 1][widest] inputs of each matrix
  double* slope = work + (n + 1) * widest;    // [n + 1][widest]
  double* back = slope + (n + 1) * widest;    // [2][widest]
  int at = 0;
  for (int s = 0; s < readout.n_sources; ++s)
    for (int c = 0; c < readout.sources[s].channels; ++c)
      value[at++] = double(features[readout.sources[s].at + c]);
  for (int i = 0; i < n; ++i) {
    const Dense& dense = readout.matrices[i];
    double* out = value + (i + 1) * widest;
    for (int v = 0; v < dense.outputs; ++v) out[v] = 0;
    for (int u = 0; u < dense.inputs; ++u)
      for (int v = 0; v < dense.outputs; ++v)
        out[v] += value[i * widest + u] * dense.matrix[u * dense.outputs + v];
    if (i + 1 == n) break;
    for (int v = 0; v < dense.outputs; ++v) {
      double f, d;
      activate_one<double>(readout.kind, out[v], f, d);
      out[v] = readout.scale * f;
      slope[(i + 1) * widest + v] = readout.scale * d;
    }
  }
  const double energy = readout.scales[species] * value[n * widest] + readout.shifts[species];
  back[0] = readout.scales[species];
  for (int i = n - 1; i >= 0; --i) {
    const Dense& dense = readout.matrices[i];
    double* next = back + widest;
    for (int u = 0; u < dense.inputs; ++u) {
      double sum = 0;
      for (int v = 0; v < dense.outputs; ++v) sum += dense.matrix[u * dense.outputs + v] * back[v];
      next[u] = i ? sum * slope[i * widest + u] : sum;
    }
    for (int u = 0; u < dense.inputs; ++u) back[u] = next[u];
  }
  at = 0;
  for (int s = 0; s < readout.n_sources; ++s)
    for (int c = 0; c < readout.sources[s].channels; ++c)
      gradient[readout.sources[s].at + c] += R(back[at++]);
  return energy;
}
