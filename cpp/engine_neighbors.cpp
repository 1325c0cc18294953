#include "engine_neighbors.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>

namespace zifglass {
namespace {

constexpr double kDensest = 1.0;         // atoms/Å³; diamond has 0.18
constexpr std::size_t kMostNeighbors = 4096;
constexpr double kFarthest = 1e6;        // cells from the origin
constexpr double kMostBins = 2e5;        // visited per atom
constexpr double kMargin = 1 + 1e-12;    // the search must not lose a pair to rounding

double determinant(const Cell& c) {
  return c[0] * (c[4] * c[8] - c[5] * c[7]) - c[1] * (c[3] * c[8] - c[5] * c[6]) +
         c[2] * (c[3] * c[7] - c[4] * c[6]);
}

Cell inverse(const Cell& c) {
  const double d = 1 / determinant(c);
  return {d * (c[4] * c[8] - c[5] * c[7]), d * (c[2] * c[7] - c[1] * c[8]),
          d * (c[1] * c[5] - c[2] * c[4]), d * (c[5] * c[6] - c[3] * c[8]),
          d * (c[0] * c[8] - c[2] * c[6]), d * (c[2] * c[3] - c[0] * c[5]),
          d * (c[3] * c[7] - c[4] * c[6]), d * (c[1] * c[6] - c[0] * c[7]),
          d * (c[0] * c[4] - c[1] * c[3])};
}

std::array<double, 3> row_times(const double* v, const Cell& m) {
  return {v[0] * m[0] + v[1] * m[3] + v[2] * m[6], v[0] * m[1] + v[1] * m[4] + v[2] * m[7],
          v[0] * m[2] + v[1] * m[5] + v[2] * m[8]};
}

// s·cell, to the bit the negative for -s; filter and search must agree on it.
std::array<double, 3> shift_vector(const std::array<std::int32_t, 3>& s, const Cell& cell) {
  const double v[3] = {double(s[0]), double(s[1]), double(s[2])};
  return row_times(v, cell);
}

std::uint64_t spread(std::uint64_t x) {  // two zero bits between the bits of x
  x &= 0x1fffff;
  x = (x | x << 32) & 0x1f00000000ffff;
  x = (x | x << 16) & 0x1f0000ff0000ff;
  x = (x | x << 8) & 0x100f00f00f00f00f;
  x = (x | x << 4) & 0x10c30c30c30c30c3;
  x = (x | x << 2) & 0x1249249249249249;
  return x;
}

std::string text(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.4g", x);
  return buffer;
}

}  // namespace

// Atoms in bins of fractional coordinates.
struct EngineNeighbors::Grid {
  double radius;
  std::array<bool, 3> pbc;
  std::array<int, 3> bins{1, 1, 1}, reach{0, 0, 0};
  std::vector<std::array<int, 3>> bin;          // of each atom
  std::vector<std::array<int, 3>> wrap;         // cells from the origin
  std::vector<std::array<double, 3>> fraction;  // 0 … 1 within the grid
  std::vector<std::int32_t> start, atoms;       // atoms sorted by bin

  Grid(int n, const double* positions, const Cell& cell, const std::array<bool, 3>& periodic,
       double r)
      : radius(r), pbc(periodic) {
    const Cell inverted = inverse(cell);
    std::array<double, 3> low{0, 0, 0}, high{1, 1, 1}, height{};
    bin.resize(n), wrap.resize(n), fraction.resize(n);
    for (int i = 0; i < n; ++i) {
      fraction[i] = row_times(positions + 3 * i, inverted);
      for (int k = 0; k < 3; ++k) {
        const double f = fraction[i][k];
        if (!(std::abs(f) < kFarthest))
          throw std::invalid_argument("atom " + std::to_string(i) + " is " + text(f) +
                                      " cells away from the origin: wrap the positions");
        wrap[i][k] = pbc[k] ? int(std::floor(f)) : 0;
        fraction[i][k] -= wrap[i][k];
        if (!pbc[k]) {
          low[k] = i ? std::min(low[k], f) : f;
          high[k] = i ? std::max(high[k], f) : f;
        }
      }
    }
    for (int k = 0; k < 3; ++k) {
      const double* m = inverted.data();
      const double face = std::sqrt(m[k] * m[k] + m[3 + k] * m[3 + k] + m[6 + k] * m[6 + k]);
      height[k] = std::max((high[k] - low[k]) / face, 1e-6);
      bins[k] = int(std::clamp(std::floor(2 * height[k] / radius), 1.0, 1e6));
    }
    while (double(bins[0]) * bins[1] * bins[2] > 4.0 * n + 64)
      --*std::max_element(bins.begin(), bins.end());
    double visited = 1;
    for (int k = 0; k < 3; ++k) {
      const double span = std::floor(radius * kMargin * bins[k] / height[k]) + 1;
      visited *= 2 * (pbc[k] ? span : std::min(span, double(bins[k]))) + 1;
      if (visited > kMostBins)
        throw std::invalid_argument(
            "the cell is too flat for a cutoff of this size: along one axis its faces are only " +
            text(height[k]) + " Å apart");
      reach[k] = int(std::min(span, 1e6));
    }
    sort_in(n, low, high);
  }

  int flat(const std::array<int, 3>& b) const { return (b[0] * bins[1] + b[1]) * bins[2] + b[2]; }

  void sort_in(int n, const std::array<double, 3>& low, const std::array<double, 3>& high) {
    start.assign(std::size_t(bins[0]) * bins[1] * bins[2] + 1, 0);
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < 3; ++k) {
        const double width = high[k] - low[k];
        fraction[i][k] = width > 0 ? (fraction[i][k] - low[k]) / width : 0;
        bin[i][k] = std::clamp(int(fraction[i][k] * bins[k]), 0, bins[k] - 1);
      }
      ++start[flat(bin[i]) + 1];
    }
    std::partial_sum(start.begin(), start.end(), start.begin());
    atoms.resize(n);
    std::vector<std::int32_t> next(start.begin(), start.end() - 1);
    for (int i = 0; i < n; ++i) atoms[next[flat(bin[i])]++] = i;
  }
};

void EngineNeighbors::search(const Grid& grid, int atom, const double* positions, const Cell& cell,
                             std::vector<Candidate>& found) const {
  const double limit = grid.radius * grid.radius * kMargin;
  const auto& home = grid.bin[atom];
  const double* own = positions + 3 * atom;
  std::array<int, 3> low, high;
  for (int k = 0; k < 3; ++k) {
    low[k] = home[k] - grid.reach[k], high[k] = home[k] + grid.reach[k];
    if (!grid.pbc[k]) low[k] = std::max(low[k], 0), high[k] = std::min(high[k], grid.bins[k] - 1);
  }
  std::array<int, 3> at;
  for (at[0] = low[0]; at[0] <= high[0]; ++at[0])
    for (at[1] = low[1]; at[1] <= high[1]; ++at[1])
      for (at[2] = low[2]; at[2] <= high[2]; ++at[2]) {
        std::array<int, 3> image, bin;
        for (int k = 0; k < 3; ++k) {
          image[k] = at[k] >= 0 ? at[k] / grid.bins[k] : -((grid.bins[k] - 1 - at[k]) / grid.bins[k]);
          bin[k] = at[k] - image[k] * grid.bins[k];
        }
        const int flat = grid.flat(bin);
        for (int s = grid.start[flat]; s < grid.start[flat + 1]; ++s) {
          const int other = grid.atoms[s];
          std::array<std::int32_t, 3> shift;
          for (int k = 0; k < 3; ++k)
            shift[k] = image[k] - grid.wrap[other][k] + grid.wrap[atom][k];
          if (other == atom && shift == std::array<std::int32_t, 3>{0, 0, 0}) continue;
          const auto v = shift_vector(shift, cell);
          const double x = positions[3 * other] - own[0] + v[0];
          const double y = positions[3 * other + 1] - own[1] + v[1];
          const double z = positions[3 * other + 2] - own[2] + v[2];
          if (x * x + y * y + z * z < limit) found.push_back({other, shift});
        }
        if (found.size() > kMostNeighbors) return;
      }
  std::sort(found.begin(), found.end());
}

bool EngineNeighbors::still_valid(int n_atoms, const double* positions, const Cell& cell,
                                  const std::array<bool, 3>& pbc) const {
  if (reference_.size() != 3 * std::size_t(n_atoms) || pbc != reference_pbc_) return false;
  // positions = reference·F + d. A pair at least cutoff + skin apart then is still at least
  // (1 − |F − 1|)(cutoff + skin) − 2 max|d| apart now.
  Cell f{1, 0, 0, 0, 1, 0, 0, 0, 1};
  double strain = 0;
  if (cell != reference_cell_) {
    const Cell inverted = inverse(reference_cell_);
    for (int i = 0; i < 3; ++i) {
      const auto row = row_times(&inverted[3 * i], cell);
      for (int k = 0; k < 3; ++k) {
        f[3 * i + k] = row[k];
        strain += (row[k] - (i == k)) * (row[k] - (i == k));
      }
    }
    strain = std::sqrt(strain);
  }
  const double slack = 0.5 * ((1 - strain) * (cutoff_ + skin_) - cutoff_) - 1e-9;
  if (!(slack > 0)) return false;
  for (int i = 0; i < n_atoms; ++i) {
    const auto moved = row_times(&reference_[3 * i], f);
    const double x = positions[3 * i] - moved[0], y = positions[3 * i + 1] - moved[1],
                 z = positions[3 * i + 2] - moved[2];
    if (!(x * x + y * y + z * z < slack * slack)) return false;
  }
  return true;
}

void EngineNeighbors::build(int n_atoms, const double* positions, const Cell& cell,
                            const std::array<bool, 3>& pbc, int threads) {
  reference_.clear();
  const double volume = std::abs(determinant(cell));
  if (pbc[0] && pbc[1] && pbc[2] && n_atoms > kDensest * volume)
    throw std::invalid_argument(std::to_string(n_atoms) + " atoms in " + text(volume) +
                                " Å³ are denser than any matter: check the cell and its unit (Å)");
  const Grid grid(n_atoms, positions, cell, pbc, cutoff_ + skin_);
  std::vector<std::vector<Candidate>> found(n_atoms);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 32)
  for (int i = 0; i < n_atoms; ++i) search(grid, i, positions, cell, found[i]);
  for (int i = 0; i < n_atoms; ++i)
    if (found[i].size() > kMostNeighbors)
      throw std::invalid_argument("atom " + std::to_string(i) + " has more than " +
                                  std::to_string(kMostNeighbors) + " neighbours within " +
                                  text(cutoff_ + skin_) + " Å: check positions and cell (Å)");

  std::vector<std::uint64_t> key(n_atoms);
  for (int i = 0; i < n_atoms; ++i) {
    key[i] = 0;
    for (int k = 0; k < 3; ++k) {
      const double along = grid.fraction[i][k] * grid.bins[k] * 2;
      key[i] |= spread(std::uint64_t(std::clamp(along, 0.0, 2e6))) << k;
    }
  }
  order_.resize(n_atoms);
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](int a, int b) {
    return key[a] != key[b] ? key[a] < key[b] : a < b;
  });
  lay_out(found);
  reference_.assign(positions, positions + 3 * std::size_t(n_atoms));
  reference_cell_ = cell;
  reference_pbc_ = pbc;
  ++builds_;
}

void EngineNeighbors::lay_out(const std::vector<std::vector<Candidate>>& found) {
  const int n = int(found.size());
  rank_.resize(n), candidates_.resize(n), first_.resize(n);
  std::int64_t slots = 0;
  for (int a = 0; a < n; ++a) {
    rank_[order_[a]] = a;
    first_[a] = slots;
    candidates_[a] = int(found[order_[a]].size());
    slots += (candidates_[a] + kEdgeAlign - 1) / kEdgeAlign * kEdgeAlign;
  }
  for (auto* v : {&candidate_, &candidate_shift_, &place_, &neighbor_, &kept_}) v->assign(slots, 0);
  candidate_reverse_.assign(slots, 0);
  reverse_.assign(slots, 0);
  for (auto* v : {&dx_, &dy_, &dz_}) v->assign(slots, 0.0);
  count_.assign(n, 0);
  species_.assign(n, 0);
  std::map<std::array<std::int32_t, 3>, std::int32_t> known;
  shifts_.clear();
  for (int a = 0; a < n; ++a) {
    const auto& list = found[order_[a]];
    for (std::size_t c = 0; c < list.size(); ++c) {
      const auto [at, fresh] = known.try_emplace(list[c].shift, std::int32_t(shifts_.size()));
      if (fresh) shifts_.push_back(list[c].shift);
      candidate_[first_[a] + c] = rank_[list[c].atom];
      candidate_shift_[first_[a] + c] = at->second;
      const auto& back = found[list[c].atom];
      const Candidate same{order_[a], {-list[c].shift[0], -list[c].shift[1], -list[c].shift[2]}};
      const auto it = std::lower_bound(back.begin(), back.end(), same);
      candidate_reverse_[first_[a] + c] = first_[rank_[list[c].atom]] + (it - back.begin());
    }
  }
}

void EngineNeighbors::refuse_clash() const {
  std::pair<int, int> pair{int(order_.size()), 0};  // the first by number, whatever the order
  double distance = 0;
  for (std::size_t a = 0; a < order_.size(); ++a)
    for (std::int64_t e = first_[a]; e < first_[a] + count_[a]; ++e) {
      const double r = std::sqrt(dx_[e] * dx_[e] + dy_[e] * dy_[e] + dz_[e] * dz_[e]);
      const std::pair<int, int> here{order_[a], order_[std::size_t(neighbor_[e])]};
      if (r < closest_ && here < pair) pair = here, distance = r;
    }
  throw std::invalid_argument("atoms " + std::to_string(pair.first) + " and " +
                              std::to_string(pair.second) + " are " + text(distance) +
                              " Å apart; nuclei closer than " + text(closest_) +
                              " Å have no meaningful energy");
}

void EngineNeighbors::filter(const double* positions, const Cell& cell, int threads) {
  const int n = int(order_.size());
  std::vector<std::array<double, 3>> vectors(shifts_.size());
  for (std::size_t s = 0; s < shifts_.size(); ++s) vectors[s] = shift_vector(shifts_[s], cell);
  sorted_.resize(3 * std::size_t(n));
  for (int a = 0; a < n; ++a)
    for (int k = 0; k < 3; ++k) sorted_[3 * a + k] = positions[3 * std::size_t(order_[a]) + k];
  const double limit = cutoff_ * cutoff_;
  std::int64_t edges = 0;
  int clash = 0;
#pragma omp parallel num_threads(threads) reduction(+ : edges) reduction(| : clash)
  {
#pragma omp for schedule(static)
    for (int a = 0; a < n; ++a) {
      const double* own = &sorted_[3 * std::size_t(a)];
      const std::int64_t first = first_[a];
      std::int32_t kept = 0;
      for (std::int64_t c = first; c < first + candidates_[a]; ++c) {
        const double* other = &sorted_[3 * std::size_t(candidate_[c])];
        const auto& shift = vectors[candidate_shift_[c]];
        const double x = other[0] - own[0] + shift[0], y = other[1] - own[1] + shift[1],
                     z = other[2] - own[2] + shift[2];
        const double square = x * x + y * y + z * z;
        const std::int64_t e = first + kept;
        dx_[e] = x, dy_[e] = y, dz_[e] = z;
        neighbor_[e] = candidate_[c];
        kept_[e] = std::int32_t(c - first);
        place_[c] = kept;
        kept += square < limit;
        clash |= square < closest_ * closest_;
      }
      count_[a] = kept;
      edges += kept;
    }
#pragma omp for schedule(static)
    for (int a = 0; a < n; ++a)
      for (std::int64_t e = first_[a]; e < first_[a] + count_[a]; ++e) {
        const std::int64_t back = candidate_reverse_[first_[a] + kept_[e]];
        reverse_[e] = first_[neighbor_[e]] + place_[back];
      }
  }
  if (clash) refuse_clash();
  edges_ = edges;
}

const Graph& EngineNeighbors::update(int n_atoms, const std::int32_t* species,
                                     const double* positions, const Cell& cell,
                                     const std::array<bool, 3>& pbc, int threads) {
  if (!still_valid(n_atoms, positions, cell, pbc)) build(n_atoms, positions, cell, pbc, threads);
  for (int a = 0; a < n_atoms; ++a) species_[a] = species[order_[a]];
  filter(positions, cell, threads);
  graph_ = {n_atoms,          std::int64_t(dx_.size()), first_.data(), count_.data(),
            neighbor_.data(), species_.data(),          reverse_.data(), dx_.data(),
            dy_.data(),       dz_.data()};
  return graph_;
}

}  // namespace zifglass
