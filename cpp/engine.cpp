// The network engine as seen from Python: choice of instruction set, memory, results.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "engine_neighbors.hpp"
#include "engine_pack.hpp"
#include "engine_program.hpp"
#include "engine_wigner.hpp"
#include "isa.hpp"

namespace nb = nanobind;

namespace zifglass {

namespace isa_baseline { extern const Kernels kernels; }
#ifdef ZIFGLASS_X86
namespace isa_avx2 { extern const Kernels kernels; }
namespace isa_avx512 { extern const Kernels kernels; }
#endif

namespace {

const Kernels& kernels_of(Isa isa) {
#ifdef ZIFGLASS_X86
  if (isa == Isa::avx512) return isa_avx512::kernels;
  if (isa == Isa::avx2) return isa_avx2::kernels;
#endif
  (void)isa;
  return isa_baseline::kernels;
}

const Kernels& find_kernels(const std::string& isa) { return kernels_of(find_isa(isa)); }

using NumpyDouble = nb::ndarray<const double, nb::c_contig, nb::device::cpu>;

Matrix matrix_of(nb::handle h) {
  const auto array = nb::cast<NumpyDouble>(h);
  Matrix m;
  for (std::size_t i = 0; i < array.ndim(); ++i) m.shape.push_back(array.shape(i));
  m.values.assign(array.data(), array.data() + array.size());
  return m;
}

std::vector<BlockSpec> blocks_of(nb::handle h) {
  std::vector<BlockSpec> blocks;
  for (const auto& [mul, l] : nb::cast<std::vector<std::pair<int, int>>>(h))
    blocks.push_back({mul, l});
  return blocks;
}

std::vector<LinearSpec> linear_of(nb::handle h) {
  std::vector<LinearSpec> maps;
  for (nb::handle item : h) {
    const auto t = nb::cast<nb::tuple>(item);
    maps.push_back({nb::cast<int>(t[0]), nb::cast<int>(t[1]), matrix_of(t[2])});
  }
  return maps;
}

LayerSpec layer_of(const nb::dict& d) {
  LayerSpec layer;
  layer.in = blocks_of(d["in"]), layer.mid = blocks_of(d["mid"]);
  layer.message = blocks_of(d["message"]), layer.pre = blocks_of(d["pre"]);
  layer.out = blocks_of(d["out"]);
  layer.up = linear_of(d["up"]), layer.down = linear_of(d["down"]);
  layer.self = linear_of(d["self"]);
  layer.source_scale = matrix_of(d["source_scale"]).values;
  for (nb::handle item : d["paths"]) {
    const auto t = nb::cast<nb::tuple>(item);
    layer.paths.push_back({nb::cast<int>(t[0]), nb::cast<int>(t[1]), nb::cast<int>(t[2]),
                           matrix_of(t[3])});
  }
  for (const auto& [gate, feature, target, kind, scale] :
       nb::cast<std::vector<std::tuple<int, int, int, int, double>>>(d["gates"]))
    layer.gates.push_back({gate, feature, target, kind, scale});
  for (const auto& [source, target] :
       nb::cast<std::vector<std::pair<int, int>>>(d["residuals"]))
    layer.residuals.push_back({source, target});
  return layer;
}

NetworkSpec network_of(const nb::dict& d) {
  NetworkSpec spec;
  spec.n_species = nb::cast<int>(d["n_species"]);
  spec.cutoff = nb::cast<double>(d["cutoff"]);
  spec.grid_start = nb::cast<double>(d["grid_start"]);
  spec.grid_step = nb::cast<double>(d["grid_step"]);
  spec.embedding = matrix_of(d["embedding"]);
  for (nb::handle layer : d["layers"]) spec.layers.push_back(layer_of(nb::cast<nb::dict>(layer)));
  spec.readout_sources = nb::cast<std::vector<int>>(d["readout_sources"]);
  for (nb::handle m : d["readout"]) spec.readout.push_back(matrix_of(m));
  spec.readout_kind = nb::cast<int>(d["readout_kind"]);
  spec.readout_scale = nb::cast<double>(d["readout_scale"]);
  spec.scales = matrix_of(d["scales"]).values;
  spec.shifts = matrix_of(d["shifts"]).values;
  return spec;
}

// The memory of one evaluation, kept between calls.
template <class R>
class Memory {
 public:
  const Workspace<R>& fit(const Program<R>& p, const Graph& g, std::int64_t scratch,
                          int threads) {
    const std::size_t n = std::size_t(g.n_atoms), slots = std::size_t(g.n_slots);
    const std::size_t components = std::size_t(p.l_max + 1) * std::size_t(p.l_max + 1);
    w_.harmonics = harmonics_.need(components * slots);
    w_.edge_gradient = edge_gradient_.need(components * slots);
    for (std::size_t i = 0; i < 4; ++i) {
      w_.value[i] = splines_[i].need(slots);
      w_.slope[i] = splines_[4 + i].need(slots);
    }
    w_.row = row_.need(slots);
    w_.gx = vectors_[0].need(slots), w_.gy = vectors_[1].need(slots);
    w_.gz = vectors_[2].need(slots);
    w_.h = h_.need(n * std::size_t(p.width));
    w_.gradient = gradient_.need(n * std::size_t(p.width));
    w_.message_gradient = message_gradient_.need(n * std::size_t(p.width_message));
    const std::size_t layers = std::size_t(p.n_layers);
    x_.resize(layers), pre_.resize(layers), x_at_.resize(layers), pre_at_.resize(layers);
    for (std::size_t l = 0; l < layers; ++l) {
      x_at_[l] = x_[l].need(n * std::size_t(p.layers[l].width_x));
      pre_at_[l] = pre_[l].need(n * std::size_t(p.layers[l].width_pre));
    }
    w_.x = x_at_.data(), w_.pre = pre_at_.data();
    scratch_.resize(std::max(scratch_.size(), std::size_t(threads)));
    scratch_at_.resize(scratch_.size());
    for (std::size_t t = 0; t < scratch_.size(); ++t)
      scratch_at_[t] = scratch_[t].need(std::size_t(scratch));
    w_.scratch = scratch_at_.data();
    return w_;
  }

 private:
  Workspace<R> w_{};
  Aligned<R> harmonics_, edge_gradient_, splines_[8], h_, gradient_, message_gradient_;
  Aligned<std::int32_t> row_;
  Aligned<double> vectors_[3];
  std::vector<Aligned<R>> x_, pre_, scratch_;
  std::vector<R*> x_at_, pre_at_, scratch_at_;
};

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

class Engine {
 public:
  Engine(const nb::dict& description, const std::string& dtype, const std::string& isa,
         double skin, double closest)
      : kernels_(find_kernels(isa)) {
    const NetworkSpec spec = network_of(description);
    if (dtype == "float32")
      single_ = std::make_unique<Packed<float>>(spec, kernels_.vector_bytes / 4);
    else if (dtype == "float64")
      double_ = std::make_unique<Packed<double>>(spec, kernels_.vector_bytes / 8);
    else
      throw std::invalid_argument("dtype is 'float32' or 'float64', not '" + dtype + "'");
    if (!(std::isfinite(skin) && skin >= 0 && skin <= 10))
      throw std::invalid_argument("the skin lies between 0 and 10 Å");
    if (!(closest >= spec.grid_start && closest < spec.cutoff))
      throw std::invalid_argument("the shortest distance allowed lies within the radial grid");
    n_species_ = spec.n_species;
    neighbors_ = std::make_unique<EngineNeighbors>(spec.cutoff, skin, closest);
  }

  using Species = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
  using Vectors = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;

  nb::tuple compute(const Species& species, const Vectors& positions, const Cell& cell,
                    const std::array<bool, 3>& pbc, int threads) {
    const int n = check_input(species, positions, cell, threads);
    std::vector<double> energies(n), virial(6, 0.0), forces(3 * std::size_t(n));
    double energy = 0;
    {
      const nb::gil_scoped_release free_the_interpreter;
      const std::lock_guard<std::mutex> one_at_a_time(mutex_);
      evaluate(n, species.data(), positions.data(), cell, pbc, threads, energies, forces, virial);
      for (double e : energies) energy += e;
    }
    return nb::make_tuple(energy, numpy(energies, {std::size_t(n)}),
                          numpy(forces, {std::size_t(n), 3}), numpy(virial, {6}));
  }

  nb::dict times() {
    const std::lock_guard<std::mutex> one_at_a_time(mutex_);
    nb::dict d;
    d["calls"] = calls_;
    d["list_builds"] = neighbors_->builds();
    d["neighbors"] = neighbor_time_;
    d["geometry"] = times_.geometry;
    d["forward_edges"] = times_.forward_edges;
    d["forward_nodes"] = times_.forward_nodes;
    d["backward_edges"] = times_.backward_edges;
    d["backward_nodes"] = times_.backward_nodes;
    d["forces"] = times_.forces;
    return d;
  }
  void reset() {
    const std::lock_guard<std::mutex> one_at_a_time(mutex_);
    times_ = {}, calls_ = 0, neighbor_time_ = 0;
    neighbors_->forget();
  }
  std::string isa() const { return kernels_.name; }
  std::int64_t edges() const { return neighbors_->edges(); }

 private:
  int check_input(const Species& species, const Vectors& positions, const Cell& cell,
                  int threads) const {
    if (species.shape(0) != positions.shape(0))
      throw std::invalid_argument("one species per atom is expected");
    if (species.shape(0) > 50'000'000) throw std::invalid_argument("at most 5e7 atoms");
    if (threads < 1 || threads > 4096)
      throw std::invalid_argument("the number of threads lies between 1 and 4096");
    const int n = int(species.shape(0));
    for (int i = 0; i < n; ++i)
      if (species.data()[i] < 0 || species.data()[i] >= n_species_)
        throw std::invalid_argument("atom " + std::to_string(i) +
                                    " is of a species the network does not know");
    for (int i = 0; i < 3 * n; ++i)
      if (!std::isfinite(positions.data()[i]))
        throw std::invalid_argument("the position of atom " + std::to_string(i / 3) +
                                    " is not finite");
    double size = 1;
    for (int i = 0; i < 3; ++i)
      size *= std::sqrt(cell[3 * i] * cell[3 * i] + cell[3 * i + 1] * cell[3 * i + 1] +
                        cell[3 * i + 2] * cell[3 * i + 2]);
    const double volume = cell[0] * (cell[4] * cell[8] - cell[5] * cell[7]) -
                          cell[1] * (cell[3] * cell[8] - cell[5] * cell[6]) +
                          cell[2] * (cell[3] * cell[7] - cell[4] * cell[6]);
    if (!(std::isfinite(size) && std::abs(volume) > 1e-8 * size))
      throw std::invalid_argument("the cell has no volume");
    return n;
  }

  void evaluate(int n, const std::int32_t* species, const double* positions, const Cell& cell,
                const std::array<bool, 3>& pbc, int threads, std::vector<double>& energies,
                std::vector<double>& forces, std::vector<double>& virial) {
    const double start = seconds();
    const Graph& graph = neighbors_->update(n, species, positions, cell, pbc, threads);
    neighbor_time_ += seconds() - start;
    std::vector<double> e(n), f(3 * std::size_t(n)), v(6 * std::size_t(n));
    const Result result{e.data(), f.data(), v.data()};
    if (single_) {
      const Program<float>& p = single_->program();
      kernels_.evaluate32(p, graph, memory32_.fit(p, graph, kernels_.scratch32(p), threads),
                          result, times_, threads);
    } else {
      const Program<double>& p = double_->program();
      kernels_.evaluate64(p, graph, memory64_.fit(p, graph, kernels_.scratch64(p), threads),
                          result, times_, threads);
    }
    ++calls_;
    const auto& order = neighbors_->order();
    std::vector<double> given(6 * std::size_t(n));
    for (int a = 0; a < n; ++a) {
      const std::size_t i = std::size_t(order[a]);
      energies[i] = e[a];
      for (std::size_t k = 0; k < 3; ++k) forces[3 * i + k] = f[3 * std::size_t(a) + k];
      for (std::size_t k = 0; k < 6; ++k) given[6 * i + k] = v[6 * std::size_t(a) + k];
    }
    for (int i = 0; i < n; ++i)  // in the order of the atoms as given
      for (std::size_t k = 0; k < 6; ++k) virial[k] += given[6 * std::size_t(i) + k];
  }

  static nb::object numpy(const std::vector<double>& values, std::vector<std::size_t> shape) {
    double* data = new double[values.size() + 1];
    std::copy(values.begin(), values.end(), data);
    const nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<double*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, double>(data, shape.size(), shape.data(), owner));
  }

  const Kernels& kernels_;
  std::unique_ptr<Packed<float>> single_;
  std::unique_ptr<Packed<double>> double_;
  std::unique_ptr<EngineNeighbors> neighbors_;
  Memory<float> memory32_;
  Memory<double> memory64_;
  int n_species_ = 0;
  Times times_{};
  double neighbor_time_ = 0;
  std::int64_t calls_ = 0;
  std::mutex mutex_;
};

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (const Isa isa : available_isas()) names.push_back(name_of(isa));
  return names;
}

double peak_gflops(const std::string& isa, int threads, double time) {
  const nb::gil_scoped_release free_the_interpreter;
  return find_kernels(isa).peak_gflops(threads, time);
}

std::vector<double> three_j(int l1, int l2, int l3) {
  if (l1 < 0 || l2 < 0 || l3 < 0 || l1 > 3 || l2 > 3 || l3 > 3)
    throw std::invalid_argument("orders are 0 to 3");
  const wigner::Tensor t = wigner::three_j(l1, l2, l3);
  std::vector<double> values;
  for (int a = 0; a <= 2 * l1; ++a)
    for (int b = 0; b <= 2 * l2; ++b)
      for (int c = 0; c <= 2 * l3; ++c) values.push_back(t.value[a][b][c]);
  return values;
}

}  // namespace
}  // namespace zifglass

void bind_engine(nb::module_& m) {
  using zifglass::Engine;
  nb::class_<Engine>(m, "Engine", "A lowered network; see zifglass/potentials/engine.py.")
      .def(nb::init<const nb::dict&, const std::string&, const std::string&, double,
                    double>(),
           nb::arg("description"), nb::arg("dtype"), nb::arg("isa"), nb::arg("skin"),
           nb::arg("closest"))
      .def("compute", &Engine::compute, nb::arg("species").noconvert(),
           nb::arg("positions").noconvert(), nb::arg("cell"), nb::arg("pbc"), nb::arg("threads"),
           "(energy, energies, forces, virial xx yy zz yz xz xy), eV and Å.")
      .def("times", &Engine::times, "Seconds since `reset`, per phase, summed over threads.")
      .def("reset", &Engine::reset, "Clears the timers and forgets the neighbour list.")
      .def_prop_ro("isa", &Engine::isa)
      .def_prop_ro("edges", &Engine::edges);
  m.def("engine_isas", &zifglass::isas, "Instruction sets this machine can use, the best first.");
  m.def("engine_peak_gflops", &zifglass::peak_gflops, nb::arg("isa"), nb::arg("threads"),
        nb::arg("seconds"), "Measured single-precision multiply-add rate, GFLOP/s.");
  m.def("engine_wigner_3j", &zifglass::three_j, nb::arg("l1"), nb::arg("l2"), nb::arg("l3"));
}
