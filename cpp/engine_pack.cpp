#include "engine_pack.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "engine_wigner.hpp"

namespace zifglass {
namespace {

constexpr int kOrders = wigner::kMaxOrder + 1;
constexpr int kMostChannels = 4096;

template <int L1, int L2, int L3>
constexpr double unit_of() {
  if constexpr (wigner::couples(L1, L2, L3)) return wigner::Sparse<L1, L2, L3>::unit;
  return 0;
}

struct Units {
  double value[kOrders][kOrders][kOrders] = {};
  template <int... I>
  constexpr explicit Units(std::integer_sequence<int, I...>) {
    ((value[I / 16][I / 4 % 4][I % 4] = unit_of<I / 16, I / 4 % 4, I % 4>()), ...);
  }
};
constexpr Units kUnits{std::make_integer_sequence<int, 64>{}};

void require(bool condition, const char* what) {
  if (!condition)
    throw std::invalid_argument(std::string("not a network the engine can run: ") + what);
}

bool finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

void check_matrix(const Matrix& m, const std::vector<std::size_t>& shape, const char* what) {
  require(m.shape == shape && finite(m.values), what);
}

bool inside(int i, std::size_t n) { return i >= 0 && std::size_t(i) < n; }

void check_blocks(const std::vector<BlockSpec>& blocks) {
  require(blocks.size() <= 1024, "a layer has at most 1024 blocks of features");
  for (const BlockSpec& b : blocks)
    require(b.mul >= 1 && b.mul <= kMostChannels && b.l >= 0 && b.l < kOrders,
            "a block has 1 to 4096 channels and an order of 0 to 3");
}

void check_linear(const std::vector<LinearSpec>& maps, const std::vector<BlockSpec>& before,
                  const std::vector<BlockSpec>& after, int species) {
  for (const LinearSpec& m : maps) {
    require(inside(m.source, before.size()) && inside(m.target, after.size()),
            "a linear map leads from a block to a block");
    const BlockSpec &a = before[m.source], &b = after[m.target];
    require(a.l == b.l, "a linear map keeps the order");
    std::vector<std::size_t> shape{std::size_t(a.mul), std::size_t(b.mul)};
    if (species) shape.insert(shape.begin(), std::size_t(species));
    check_matrix(m.weight, shape, "a linear map has the shape of its blocks and finite numbers");
  }
}

void check_layer(const LayerSpec& layer, int species, std::size_t rows) {
  for (const auto* blocks : {&layer.in, &layer.mid, &layer.message, &layer.pre, &layer.out})
    check_blocks(*blocks);
  check_linear(layer.up, layer.in, layer.mid, 0);
  check_linear(layer.down, layer.message, layer.pre, 0);
  check_linear(layer.self, layer.in, layer.pre, species);
  require(layer.source_scale.size() == std::size_t(species) && finite(layer.source_scale),
          "source_scale has one finite number per species");
  for (const PathSpec& p : layer.paths) {
    require(inside(p.source, layer.mid.size()) && inside(p.target, layer.message.size()) &&
                p.edge >= 0 && p.edge < kOrders,
            "a path leads from a block to a block");
    const BlockSpec &a = layer.mid[p.source], &b = layer.message[p.target];
    require(a.mul == b.mul && wigner::couples(a.l, p.edge, b.l),
            "a path keeps the channels and couples its orders");
    check_matrix(p.table, {rows, std::size_t(a.mul)}, "every path has a table of all its channels");
  }
  for (const GateSpec& g : layer.gates) {
    require(inside(g.gate, layer.pre.size()) && inside(g.target, layer.out.size()) &&
                (g.feature == -1 || inside(g.feature, layer.pre.size())) && g.kind >= 0 &&
                g.kind <= int(Activation::gelu) && std::isfinite(g.scale),
            "a gate names its blocks and a known activation");
    const BlockSpec &gate = layer.pre[g.gate], &out = layer.out[g.target];
    const BlockSpec& feature = g.feature < 0 ? gate : layer.pre[g.feature];
    require(gate.l == 0 && gate.mul == out.mul && feature.mul == out.mul && feature.l == out.l,
            "a gate and what it gates have equal channels");
  }
  for (const ResidualSpec& r : layer.residuals)
    require(inside(r.source, layer.in.size()) && inside(r.target, layer.out.size()) &&
                layer.in[r.source].l == layer.out[r.target].l &&
                layer.in[r.source].mul == layer.out[r.target].mul,
            "a residual joins equal blocks");
}

void check_readout(const NetworkSpec& spec) {
  const auto& last = spec.layers.back().out;
  std::size_t width = 0;
  for (int s : spec.readout_sources) {
    require(inside(s, last.size()) && last[s].l == 0, "the readout takes scalars");
    width += std::size_t(last[s].mul);
  }
  require(!spec.readout.empty(), "the readout has a matrix");
  for (const Matrix& m : spec.readout) {
    require(m.shape.size() == 2 && m.shape[1] >= 1 && m.shape[1] <= kMostChannels,
            "a readout matrix has two axes");
    check_matrix(m, {width, m.shape[1]}, "the readout's matrices follow one another");
    width = m.shape[1];
  }
  require(width == 1, "the readout ends in one number");
  require(spec.readout_kind >= 0 && spec.readout_kind <= int(Activation::gelu) &&
              std::isfinite(spec.readout_scale),
          "the readout has a known activation");
}

}  // namespace

void check(const NetworkSpec& spec) {
  const int n = spec.n_species;
  require(n >= 1 && n <= 118, "it has 1 to 118 species");
  require(!spec.layers.empty() && spec.layers.size() <= 64, "it has 1 to 64 layers");
  require(std::isfinite(spec.cutoff) && spec.cutoff > 0 && spec.cutoff <= 50 &&
              std::isfinite(spec.grid_start) && spec.grid_start >= 0 &&
              spec.grid_start < spec.cutoff && std::isfinite(spec.grid_step) && spec.grid_step > 0,
          "its cutoff is at most 50 Å and its grid lies within it");
  const double intervals = (spec.cutoff - spec.grid_start) / spec.grid_step;
  require(intervals < 1e6 && std::abs(intervals - std::round(intervals)) < 1e-6,
          "a whole number of grid steps leads to the cutoff");
  for (const LayerSpec& layer : spec.layers)
    check_layer(layer, n, std::size_t(std::lround(intervals)) + 3);
  for (std::size_t i = 1; i < spec.layers.size(); ++i) {
    const auto &before = spec.layers[i - 1].out, &after = spec.layers[i].in;
    require(std::equal(before.begin(), before.end(), after.begin(), after.end(),
                       [](const BlockSpec& a, const BlockSpec& b) {
                         return a.mul == b.mul && a.l == b.l;
                       }),
            "each layer takes what the one before gives");
  }
  std::size_t width = 0;
  for (const BlockSpec& b : spec.layers[0].in) {
    require(b.l == 0, "the first layer starts from scalars");
    width += std::size_t(b.mul);
  }
  check_matrix(spec.embedding, {std::size_t(n), width}, "the embedding has a row per species");
  require(spec.scales.size() == std::size_t(n) && spec.shifts.size() == std::size_t(n) &&
              finite(spec.scales) && finite(spec.shifts),
          "scales and shifts have one finite number per species");
  check_readout(spec);
}

template <class R>
Packed<R>::Packed(const NetworkSpec& spec, int lanes) : lanes_(lanes) {
  check(spec);
  program_.n_species = spec.n_species;
  program_.n_layers = int(spec.layers.size());
  program_.cutoff = spec.cutoff;
  program_.grid_start = spec.grid_start;
  program_.grid_step = spec.grid_step;
  program_.grid_intervals = int(std::lround((spec.cutoff - spec.grid_start) / spec.grid_step));
  for (const LayerSpec& layer : spec.layers) pack_layer(layer);
  for (const Layer<R>& layer : layers_) {
    program_.width = std::max({program_.width, layer.width_in, layer.width_out});
    program_.width_message = std::max(program_.width_message, layer.width_message);
    program_.width_x = std::max(program_.width_x, layer.width_x);
    program_.width_pre = std::max(program_.width_pre, layer.width_pre);
    for (int i = 0; i < layer.n_paths; ++i)
      program_.l_max = std::max(program_.l_max, layer.paths[i].l2);
  }
  program_.layers = layers_.data();
  const Layout first = layout(spec.layers[0].in);
  R* embedding = arrays_.emplace_back(std::size_t(spec.n_species) * first.width + 1).data();
  const double* value = spec.embedding.values.data();
  for (int s = 0; s < spec.n_species; ++s)
    for (std::size_t b = 0; b < spec.layers[0].in.size(); ++b)
      for (int c = 0; c < spec.layers[0].in[b].mul; ++c)
        embedding[s * first.width + first.at[b] + c] = R(*value++);
  program_.embedding = embedding;
  pack_readout(spec);
}

template <class R>
typename Packed<R>::Layout Packed<R>::layout(const std::vector<BlockSpec>& blocks) const {
  Layout result;
  for (const BlockSpec& b : blocks) {
    const int pad = (b.mul + lanes_ - 1) / lanes_ * lanes_;
    result.at.push_back(result.width);
    result.pad.push_back(pad);
    result.width += pad * (2 * b.l + 1);
  }
  return result;
}

template <class R>
const R* Packed<R>::weights(const Matrix& m, int out_pad, bool transposed) {
  const std::size_t axes = m.shape.size();
  const std::size_t species = axes == 3 ? m.shape[0] : 1;
  const std::size_t in = m.shape[axes - 2], out = m.shape[axes - 1];
  const std::size_t rows = transposed ? out : in;
  R* packed = arrays_.emplace_back(species * rows * std::size_t(out_pad)).data();
  for (std::size_t s = 0; s < species; ++s)
    for (std::size_t u = 0; u < in; ++u)
      for (std::size_t v = 0; v < out; ++v) {
        const std::size_t row = transposed ? v : u, col = transposed ? u : v;
        packed[(s * rows + row) * std::size_t(out_pad) + col] =
            R(m.values[(s * in + u) * out + v]);
      }
  return packed;
}

template <class R>
LinearMap<R> Packed<R>::linear(const std::vector<LinearSpec>& maps,
                               const std::vector<BlockSpec>& before,
                               const std::vector<BlockSpec>& after, bool transposed) {
  const auto& from = transposed ? after : before;
  const auto& to = transposed ? before : after;
  const Layout in = layout(from), out = layout(to);
  auto& blocks = blocks_.emplace_back();
  bool by_species = false;
  for (std::size_t t = 0; t < to.size(); ++t) {
    auto& terms = terms_.emplace_back();
    for (const LinearSpec& m : maps) {
      const int source = transposed ? m.target : m.source;
      if (std::size_t(transposed ? m.source : m.target) != t) continue;
      const bool species = m.weight.shape.size() == 3;
      by_species = by_species || species;
      const int depth = from[source].mul;
      terms.push_back({in.at[source], in.pad[source], depth,
                       weights(m.weight, out.pad[t], transposed),
                       species ? std::int64_t(depth) * out.pad[t] : 0});
    }
    blocks.push_back({2 * to[t].l + 1, out.at[t], out.pad[t], int(terms.size()), terms.data()});
  }
  return {int(blocks.size()), by_species, blocks.data()};
}

template <class R>
const R* Packed<R>::column(const std::vector<double>& values) {
  R* packed = arrays_.emplace_back(values.size()).data();
  for (std::size_t i = 0; i < values.size(); ++i) packed[i] = R(values[i]);
  return packed;
}

template <class R>
const R* Packed<R>::table(const Matrix& m, int pad, double factor) {
  const std::size_t rows = m.shape[0], mul = m.shape[1];
  R* packed = arrays_.emplace_back(rows * std::size_t(pad)).data();
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < mul; ++c)
      packed[i * std::size_t(pad) + c] = R(factor * m.values[i * mul + c]);
  return packed;
}

template <class R>
void Packed<R>::pack_layer(const LayerSpec& spec) {
  const Layout in = layout(spec.in), mid = layout(spec.mid), message = layout(spec.message),
               pre = layout(spec.pre), out = layout(spec.out);
  Layer<R> layer{};
  layer.up = linear(spec.up, spec.in, spec.mid, false);
  layer.up_t = linear(spec.up, spec.in, spec.mid, true);
  layer.down = linear(spec.down, spec.message, spec.pre, false);
  layer.down_t = linear(spec.down, spec.message, spec.pre, true);
  layer.self = linear(spec.self, spec.in, spec.pre, false);
  layer.self_t = linear(spec.self, spec.in, spec.pre, true);
  layer.source_scale = column(spec.source_scale);
  auto& paths = paths_.emplace_back();
  for (const PathSpec& p : spec.paths) {
    const int l1 = spec.mid[p.source].l, l3 = spec.message[p.target].l;
    paths.push_back({l1, p.edge, l3, mid.pad[p.source], mid.at[p.source], message.at[p.target],
                     table(p.table, mid.pad[p.source], kUnits.value[l1][p.edge][l3])});
  }
  auto& gates = gates_.emplace_back();
  for (const GateSpec& g : spec.gates) {
    const bool gated = g.feature >= 0;
    gates.push_back({pre.at[g.gate], gated ? pre.at[g.feature] : 0, out.at[g.target],
                     gated ? 2 * spec.out[g.target].l + 1 : 0, out.pad[g.target],
                     Activation(g.kind), g.scale});
  }
  auto& residuals = residuals_.emplace_back();
  for (const ResidualSpec& r : spec.residuals)
    residuals.push_back({in.at[r.source], out.at[r.target],
                         (2 * spec.in[r.source].l + 1) * in.pad[r.source]});
  layer.n_paths = int(paths.size()), layer.paths = paths.data();
  layer.n_gates = int(gates.size()), layer.gates = gates.data();
  layer.n_residuals = int(residuals.size()), layer.residuals = residuals.data();
  layer.width_in = in.width, layer.width_x = mid.width, layer.width_message = message.width;
  layer.width_pre = pre.width, layer.width_out = out.width;
  layers_.push_back(layer);
}

template <class R>
void Packed<R>::pack_readout(const NetworkSpec& spec) {
  const Layout last = layout(spec.layers.back().out);
  for (int s : spec.readout_sources)
    sources_.push_back({last.at[s], spec.layers.back().out[s].mul});
  Readout& readout = program_.readout;
  readout.widest = 1;
  for (const Matrix& m : spec.readout) {
    dense_.push_back({int(m.shape[0]), int(m.shape[1]), doubles_.emplace_back(m.values).data()});
    readout.widest = std::max({readout.widest, int(m.shape[0]), int(m.shape[1])});
  }
  readout.n_sources = int(sources_.size());
  readout.n_matrices = int(dense_.size());
  readout.sources = sources_.data();
  readout.matrices = dense_.data();
  readout.kind = Activation(spec.readout_kind);
  readout.scale = spec.readout_scale;
  readout.scales = doubles_.emplace_back(spec.scales).data();
  readout.shifts = doubles_.emplace_back(spec.shifts).data();
}

template class Packed<float>;
template class Packed<double>;

}  // namespace zifglass
