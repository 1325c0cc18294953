// The evaluation of a network, compiled once per instruction set (see CMakeLists.txt:
// ZIFGLASS_ISA names the namespace, ZIFGLASS_VECTOR_BYTES its vectors). Only plain data and C
// functions from outside may be used here: an inline function of the standard library compiled
// with wide instructions could be the copy the linker keeps for everybody.
#include <cmath>
#include <cstdint>

#include <time.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "engine_program.hpp"
#include "engine_wigner.hpp"

namespace zifglass::ZIFGLASS_ISA {

#include "engine_simd.hpp"

#include "engine_conv.hpp"

#include "engine_conv_loop.hpp"

#include "engine_paths.hpp"
#include "engine_edges.hpp"
#include "engine_node.hpp"

inline double now() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

template <class R>
constexpr std::int64_t lane_sums(const Program<R>& p) {
  return std::int64_t(p.l_max + 1) * (p.l_max + 1) * kChunk * Simd<R>::lanes;
}

// Scratch of a thread: lane sums | messages or their like of a unit of work | a second such
// array | the readout's doubles.
template <class R>
std::int64_t scratch_size(const Program<R>& p) {
  const std::int64_t widest = p.width_message > p.width_pre ? p.width_message : p.width_pre;
  const std::int64_t readout = 2 * (p.readout.n_matrices + 2) * p.readout.widest;
  return lane_sums(p) + kBlock * (widest + p.width + p.width_x) +
         readout * std::int64_t(sizeof(double) / sizeof(R)) + 64;
}

template <class R>
struct Evaluation {
  const Program<R>& p;
  const Graph& g;
  const Workspace<R>& w;
  const Result& result;

  struct Work {
    int first, n;
    Group group;
    R *sums, *message, *temporary, *x_gradient;
    double* readout;
  };

  Work work_of(int block, R* scratch) const {
    Work k;
    k.first = block * kBlock;
    k.n = g.n_atoms - k.first < kBlock ? g.n_atoms - k.first : kBlock;
    const std::int64_t widest = p.width_message > p.width_pre ? p.width_message : p.width_pre;
    k.sums = scratch;
    k.message = k.sums + lane_sums(p);
    k.temporary = k.message + kBlock * widest;
    k.x_gradient = k.temporary + kBlock * p.width;
    k.readout = reinterpret_cast<double*>(k.x_gradient + kBlock * p.width_x);
    k.group.n = k.n;
    int at = 0;
    for (int s = 0; s < p.n_species; ++s)
      for (int i = 0; i < k.n; ++i)
        if (g.species[k.first + i] == s) k.group.order[at++] = i;
    for (int i = 0; i < k.n; ++i) k.group.species[i] = g.species[k.first + i];
    return k;
  }

  EdgeChunk<R> chunk(std::int64_t first, int count) const {
    EdgeChunk<R> c;
    c.count = count;
    c.components = (p.l_max + 1) * (p.l_max + 1);
    c.neighbor = g.neighbor + first;
    c.row = w.row + first;
    for (int i = 0; i < 4; ++i) c.value[i] = w.value[i] + first, c.slope[i] = w.slope[i] + first;
    c.harmonics = w.harmonics + first;
    c.stride = g.n_slots;
    return c;
  }

  static void clear(R* p, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) p[i] = 0;
  }

  void scale_rows(const Layer<R>& layer, const Work& k, R* rows) const {
    for (int i = 0; i < k.n; ++i) {
      const R scale = layer.source_scale[k.group.species[i]];
      R* row = rows + std::int64_t(i) * layer.width_x;
      for (int c = 0; c < layer.width_x; ++c) row[c] *= scale;
    }
  }

  // x of layer `l` from the features h.
  void sources(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    R* x = w.x[l] + std::int64_t(k.first) * layer.width_x;
    linear(layer.up, k.group, w.h + std::int64_t(k.first) * p.width, p.width, x, layer.width_x,
           false);
    scale_rows(layer, k, x);
  }

  void start(const Work& k) const {
    for (int a = k.first; a < k.first + k.n; ++a) {
      R* h = w.h + std::int64_t(a) * p.width;
      const int width = p.layers[0].width_in;
      for (int i = 0; i < width; ++i) h[i] = p.embedding[g.species[a] * width + i];
      switch (p.l_max) {
        case 0: edge_geometry<R, 0>(p, g, w, a); break;
        case 1: edge_geometry<R, 1>(p, g, w, a); break;
        case 2: edge_geometry<R, 2>(p, g, w, a); break;
        default: edge_geometry<R, 3>(p, g, w, a);
      }
    }
    sources(0, k);
  }

  void messages(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    clear(k.message, std::int64_t(k.n) * layer.width_message);
    for (int i = 0; i < k.n; ++i) {
      const std::int64_t first = g.first[k.first + i];
      R* message = k.message + std::int64_t(i) * layer.width_message;
      for (int at = 0; at < g.count[k.first + i]; at += kChunk) {
        const int left = g.count[k.first + i] - at;
        const EdgeChunk<R> c = chunk(first + at, left < kChunk ? left : kChunk);
        for (int q = 0; q < layer.n_paths; ++q) {
          const Path<R>& path = layer.paths[q];
          path_kernels<R>.forward[PathKernels<R>::at(path.l1, path.l2, path.l3)](
              c, path, w.x[l], layer.width_x, message);
        }
      }
    }
  }

  void features(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    R* h = w.h + std::int64_t(k.first) * p.width;
    R* pre = w.pre[l] + std::int64_t(k.first) * layer.width_pre;
    linear(layer.down, k.group, k.message, layer.width_message, pre, layer.width_pre, false);
    linear(layer.self, k.group, h, p.width, pre, layer.width_pre, true);
    for (int i = 0; i < k.n; ++i) {
      R* out = k.temporary;
      R* own = h + std::int64_t(i) * p.width;
      gate_forward(layer, pre + std::int64_t(i) * layer.width_pre, out);
      for (int r = 0; r < layer.n_residuals; ++r) {
        const ResidualItem& item = layer.residuals[r];
        for (int c = 0; c < item.size; ++c) out[item.out + c] += own[item.in + c];
      }
      for (int c = 0; c < layer.width_out; ++c) own[c] = out[c];
    }
    if (l + 1 < p.n_layers) sources(l + 1, k);
  }

  void energies(const Work& k) const {
    for (int a = k.first; a < k.first + k.n; ++a) {
      R* gradient = w.gradient + std::int64_t(a) * p.width;
      clear(gradient, p.width);
      result.energies[a] = read_out(p.readout, g.species[a], w.h + std::int64_t(a) * p.width,
                                    gradient, k.readout);
    }
  }

  // dE/dmessage of layer l, and of its input all but what comes through the sources.
  void message_gradients(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    R* gradient = w.gradient + std::int64_t(k.first) * p.width;
    const R* pre = w.pre[l] + std::int64_t(k.first) * layer.width_pre;
    R* pre_gradient = k.message;
    for (int i = 0; i < k.n; ++i)
      gate_backward(layer, pre + std::int64_t(i) * layer.width_pre,
                    gradient + std::int64_t(i) * p.width,
                    pre_gradient + std::int64_t(i) * layer.width_pre);
    linear(layer.down_t, k.group, pre_gradient, layer.width_pre,
           w.message_gradient + std::int64_t(k.first) * layer.width_message, layer.width_message,
           false);
    if (l == 0) return;
    clear(k.temporary, std::int64_t(k.n) * p.width);
    linear(layer.self_t, k.group, pre_gradient, layer.width_pre, k.temporary, p.width, true);
    for (int i = 0; i < k.n; ++i) {
      R* own = gradient + std::int64_t(i) * p.width;
      R* in = k.temporary + std::int64_t(i) * p.width;
      for (int r = 0; r < layer.n_residuals; ++r) {
        const ResidualItem& item = layer.residuals[r];
        for (int c = 0; c < item.size; ++c) in[item.in + c] += own[item.out + c];
      }
      for (int c = 0; c < layer.width_in; ++c) own[c] = in[c];
    }
  }

  // Each atom as the source of messages to its neighbours.
  void source_gradients(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    constexpr int lanes = Simd<R>::lanes;
    const int components = (p.l_max + 1) * (p.l_max + 1);
    clear(k.x_gradient, std::int64_t(k.n) * layer.width_x);
    for (int i = 0; i < k.n; ++i) {
      const int atom = k.first + i;
      const R* x = w.x[l] + std::int64_t(atom) * layer.width_x;
      R* x_gradient = k.x_gradient + std::int64_t(i) * layer.width_x;
      for (int at = 0; at < g.count[atom]; at += kChunk) {
        const int left = g.count[atom] - at;
        const EdgeChunk<R> c = chunk(g.first[atom] + at, left < kChunk ? left : kChunk);
        clear(k.sums, lane_sums(p));
        for (int q = 0; q < layer.n_paths; ++q) {
          const Path<R>& path = layer.paths[q];
          path_kernels<R>.backward[PathKernels<R>::at(path.l1, path.l2, path.l3)](
              c, path, x, w.message_gradient, layer.width_message, x_gradient, k.sums);
        }
        for (int m = 0; m < components; ++m)
          for (int e = 0; e < c.count; e += lanes) {
            Vec<R> v[lanes];
            for (int j = 0; j < lanes; ++j) v[j] = load(k.sums + ((e + j) * components + m) * lanes);
            R* to = w.edge_gradient + m * g.n_slots + g.first[atom] + at + e;
            store(to, load(to) + sum_lanes<R>(v));
          }
      }
    }
  }

  // What the sources' gradients add to dE/d(input of layer l).
  void feature_gradients(int l, const Work& k) const {
    const Layer<R>& layer = p.layers[l];
    scale_rows(layer, k, k.x_gradient);
    linear(layer.up_t, k.group, k.x_gradient, layer.width_x,
           w.gradient + std::int64_t(k.first) * p.width, p.width, true);
  }

  void vector_gradients(const Work& k) const {
    for (int a = k.first; a < k.first + k.n; ++a) {
      double* virial = result.virials + std::int64_t(a) * 6;
      switch (p.l_max) {
        case 0: edge_vector_gradient<R, 0>(g, w, a, virial); break;
        case 1: edge_vector_gradient<R, 1>(g, w, a, virial); break;
        case 2: edge_vector_gradient<R, 2>(g, w, a, virial); break;
        default: edge_vector_gradient<R, 3>(g, w, a, virial);
      }
    }
  }

  void forces(const Work& k) const {
    for (int a = k.first; a < k.first + k.n; ++a)
      gather_force(g, w, a, result.forces + std::int64_t(a) * 3);
  }

  // Every phase is a loop over units of work, dealt out as threads become free: each unit
  // writes its own atoms' and edges' results alone, so the deal leaves no trace in them.
  void run(Times& times, int threads) const {
    const int n_blocks = (g.n_atoms + kBlock - 1) / kBlock;
    double geometry = 0, forward_edges = 0, forward_nodes = 0;
    double backward_edges = 0, backward_nodes = 0, force = 0;
#pragma omp parallel num_threads(threads) \
    reduction(+ : geometry, forward_edges, forward_nodes, backward_edges, backward_nodes, force)
    {
      int thread = 0;
#ifdef _OPENMP
      thread = omp_get_thread_num();
#endif
      R* scratch = w.scratch[thread];
#pragma omp for schedule(dynamic, 1)
      for (int b = 0; b < n_blocks; ++b) {
        const double t = now();
        start(work_of(b, scratch));
        geometry += now() - t;
      }
      for (int l = 0; l < p.n_layers; ++l) {
#pragma omp for schedule(dynamic, 1)
        for (int b = 0; b < n_blocks; ++b) {
          const double t0 = now();
          const Work k = work_of(b, scratch);
          messages(l, k);
          const double t1 = now();
          features(l, k);
          if (l + 1 == p.n_layers) {
            energies(k);
            message_gradients(l, k);
          }
          forward_edges += t1 - t0;
          forward_nodes += now() - t1;
        }
      }
      for (int l = p.n_layers - 1; l >= 0; --l) {
#pragma omp for schedule(dynamic, 1)
        for (int b = 0; b < n_blocks; ++b) {
          const double t0 = now();
          const Work k = work_of(b, scratch);
          source_gradients(l, k);
          const double t1 = now();
          if (l > 0) feature_gradients(l, k);
          backward_edges += t1 - t0;
          backward_nodes += now() - t1;
        }
        if (l == 0) break;
#pragma omp for schedule(dynamic, 1)
        for (int b = 0; b < n_blocks; ++b) {
          const double t = now();
          message_gradients(l - 1, work_of(b, scratch));
          backward_nodes += now() - t;
        }
      }
#pragma omp for schedule(dynamic, 1)
      for (int b = 0; b < n_blocks; ++b) {
        const double t = now();
        vector_gradients(work_of(b, scratch));
        force += now() - t;
      }
#pragma omp for schedule(dynamic, 1)
      for (int b = 0; b < n_blocks; ++b) {
        const double t = now();
        forces(work_of(b, scratch));
        force += now() - t;
      }
    }
    times.geometry += geometry;
    times.forward_edges += forward_edges;
    times.forward_nodes += forward_nodes;
    times.backward_edges += backward_edges;
    times.backward_nodes += backward_nodes;
    times.forces += force;
  }
};

template <class R>
void evaluate(const Program<R>& p, const Graph& g, const Workspace<R>& w, const Result& result,
              Times& times, int threads) {
  Evaluation<R>{p, g, w, result}.run(times, threads);
}

// Independent multiply-adds in registers alone: what the cores could do at best. The best of
// many short windows, for other processes take the cores away now and then.
double peak_gflops(int threads, double seconds) {
  double flops = 0;
#pragma omp parallel num_threads(threads) reduction(+ : flops)
  {
    constexpr int n = ZIFGLASS_VECTOR_BYTES == 64 ? 20 : 10, rounds = 4000;
    Vec<float> sum[n] = {};
    const Vec<float> a = Vec<float>{} + 0.999f, b = Vec<float>{} + 0.001f;
    const double start = now();
    double best = 0;
    for (double t = start; t < start + seconds;) {
      for (int i = 0; i < rounds; ++i) {
        unroll<n>(ZIFGLASS_EACH(k) {
          sum[k.value] = sum[k.value] * a + b;
          ZIFGLASS_OPAQUE(sum[k.value]);
        });
      }
      const double end = now(), rate = 2.0 * rounds * n * Simd<float>::lanes / (end - t);
      best = rate > best ? rate : best;
      t = end;
    }
    flops += best;
  }
  return flops * 1e-9;
}

extern const Kernels kernels;
const Kernels kernels{ZIFGLASS_ISA_NAME,  ZIFGLASS_VECTOR_BYTES, scratch_size<float>,
                      scratch_size<double>, evaluate<float>,      evaluate<double>,
                      peak_gflops};

}  // namespace zifglass::ZIFGLASS_ISA
