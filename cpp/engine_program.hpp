// What the engine runs: a network lowered to flat arrays, and the edges of one structure.
// Plain data only. These types cross from the code compiled for the base instruction set to the
// kernels compiled for a particular one, so nothing here may have code of its own.
//
// Features of an atom lie one block (irreducible representation) after another; a block is
// [component m][channel], its channels padded with zeros to whole vectors ("pad").
#pragma once

#include <cstdint>

namespace zifglass {

inline constexpr int kChunk = 32;      // edges whose harmonics and sums are held at a time
inline constexpr int kBlock = 8;      // atoms per unit of work; no result depends on it
inline constexpr int kEdgeAlign = 16;  // an atom's edges start at a multiple of this

enum class Activation : int {
  identity, silu, tanh, abs, ssp, sigmoid, softplus, mish, gelu
};

template <class R>
struct LinearTerm {
  int in, in_pad, depth;          // first element, stride between components, input channels
  const R* weight;                // [depth][out_pad]
  std::int64_t species_stride;    // between the matrices of two species; 0: one for all
};

template <class R>
struct LinearBlock {
  int components, out, out_pad, n_terms;
  const LinearTerm<R>* terms;
};

template <class R>
struct LinearMap {
  int n_blocks;
  bool by_species;
  const LinearBlock<R>* blocks;
};

template <class R>
struct Path {
  int l1, l2, l3, pad;
  int x, message;   // first element of the block in the source features and in the messages
  const R* table;   // [rows][pad] cubic B-spline coefficients of the radial weights
};

// out = scale f(pre) for a scalar block; out = scale f(pre[gate]) pre[feature] for a gated one.
struct GateItem {
  int gate, feature, out, components, pad;  // components 0: a scalar block
  Activation kind;
  double scale;
};

struct ResidualItem {
  int in, out, size;
};

template <class R>
struct Layer {
  LinearMap<R> up, up_t, down, down_t, self, self_t;
  const R* source_scale;  // (species,)
  int n_paths, n_gates, n_residuals;
  const Path<R>* paths;
  const GateItem* gates;
  const ResidualItem* residuals;
  int width_in, width_x, width_message, width_pre, width_out;  // padded elements per atom
};

struct Dense {
  int inputs, outputs;
  const double* matrix;  // [inputs][outputs]
};

struct ReadoutSource {
  int at, channels;  // in the features of the last layer
};

struct Readout {
  int n_sources, n_matrices, widest;
  const ReadoutSource* sources;
  const Dense* matrices;
  Activation kind;
  double scale;
  const double *scales, *shifts;  // (species,)
};

template <class R>
struct Program {
  int n_species, n_layers, l_max, width, width_message, width_x, width_pre;  // the widest
  double cutoff, grid_start, grid_step;
  int grid_intervals;
  const R* embedding;  // [species][width_in of layer 0]
  const Layer<R>* layers;
  Readout readout;
};

// Edges of atom a: first[a] .. first[a] + count[a]; dx, dy, dz point from a to its neighbour.
struct Graph {
  int n_atoms;
  std::int64_t n_slots;  // padded edges
  const std::int64_t* first;
  const std::int32_t *count, *neighbor, *species;
  const std::int64_t* reverse;  // the same pair seen from the neighbour
  const double *dx, *dy, *dz;
};

template <class R>
struct Workspace {
  R *harmonics;                     // [(l_max+1)^2][slots]
  R *value[4], *slope[4];           // spline weights [slots]
  std::int32_t* row;                // first spline row [slots]
  R *edge_gradient;                 // [(l_max+1)^2][slots]: dE/dr, then dE/dY
  double *gx, *gy, *gz;             // dE/d(vector) per edge [slots]
  R *h, *gradient;                  // [atoms][width]
  R **x, **pre;                     // per layer [atoms][...]
  R *message_gradient;              // [atoms][width_message]
  R **scratch;                      // per thread
};

struct Result {
  double *energies;  // [atoms]
  double *forces;    // [atoms][3]
  double *virials;   // [atoms][6]: xx yy zz yz xz xy of dE/dstrain
};

// Seconds, summed over threads.
struct Times {
  double geometry, forward_edges, forward_nodes, backward_edges, backward_nodes, forces;
};

struct Kernels {
  const char* name;
  int vector_bytes;
  std::int64_t (*scratch32)(const Program<float>&);  // elements of scratch per thread
  std::int64_t (*scratch64)(const Program<double>&);
  void (*evaluate32)(const Program<float>&, const Graph&, const Workspace<float>&, const Result&,
                     Times&, int threads);
  void (*evaluate64)(const Program<double>&, const Graph&, const Workspace<double>&,
                     const Result&, Times&, int threads);
  double (*peak_gflops)(int threads, double seconds);  // single precision multiply-adds
};

}  // namespace zifglass
