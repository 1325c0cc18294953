// Periodic neighbours of any triclinic cell, any cutoff, wrapped or unwrapped positions.
//
// Atoms are wrapped along the periodic directions and sorted into a grid of bins in fractional
// coordinates. Bins of the periodic continuation are addressed by unwrapped integer indices,
// so that a cutoff beyond the cell simply reaches further bins: the same atom appears once per
// image, each with its own shift. Two points closer than the cutoff differ by at most
// cutoff / (bin width between faces) bins along each direction, whatever the angles of the cell.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <vector>

namespace zifglass {

using Vec3 = std::array<double, 3>;
using Shift = std::array<std::int64_t, 3>;

struct Lattice {
  std::array<Vec3, 3> rows;     // the vectors, Å
  std::array<Vec3, 3> inverse;  // s = r @ inverse
  Vec3 heights;                 // distances between opposite faces, Å
  std::array<bool, 3> periodic;
  double volume;

  Lattice(const double *cell, const bool *pbc) {
    for (int i = 0; i < 3; ++i) {
      periodic[i] = pbc[i];
      for (int k = 0; k < 3; ++k) rows[i][k] = cell[3 * i + k];
    }
    const double determinant = dot(rows[0], cross(rows[1], rows[2]));
    volume = std::abs(determinant);
    if (!(volume > 0)) throw std::invalid_argument("the cell has no volume");
    for (int i = 0; i < 3; ++i) {
      const Vec3 face = cross(rows[(i + 1) % 3], rows[(i + 2) % 3]);
      heights[i] = volume / std::sqrt(dot(face, face));
      for (int k = 0; k < 3; ++k) inverse[k][i] = face[k] / determinant;
    }
  }

  Vec3 to_fractional(const double *r) const {
    Vec3 s;
    for (int i = 0; i < 3; ++i)
      s[i] = r[0] * inverse[0][i] + r[1] * inverse[1][i] + r[2] * inverse[2][i];
    return s;
  }

  Vec3 to_cartesian(const Vec3 &s) const {
    Vec3 r;
    for (int k = 0; k < 3; ++k) r[k] = s[0] * rows[0][k] + s[1] * rows[1][k] + s[2] * rows[2][k];
    return r;
  }

  static double dot(const Vec3 &a, const Vec3 &b) {
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  }
  static Vec3 cross(const Vec3 &a, const Vec3 &b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
  }
};

// The grid. `visit_half` shows every unordered pair closer than the cutoff once.
class CellList {
 public:
  CellList(const double *positions, std::size_t atoms, const double *cell, const bool *pbc,
           double cutoff)
      : lattice_(cell, pbc), atoms_(atoms), cutoff_(cutoff) {
    if (!(cutoff > 0) || !std::isfinite(cutoff))
      throw std::invalid_argument("the cutoff must be positive and finite");
    wrap(positions);
    choose_bins();
    sort_atoms();
  }

  const Lattice &lattice() const { return lattice_; }

  // Calls pair(i, j, shift, x, y, z, d2) once for every unordered pair (an atom and its own
  // image included) with d2 < cutoff², where (x, y, z) = r_j + shift @ cell − r_i for the
  // positions as given. Order: by the bin of i, the same on every run.
  template <class Pair>
  void visit_half(Pair &&pair) const {
    for (std::size_t a = 0; a < atoms_; ++a) visit_half_of(a, pair);
  }

 private:
  // A run of consecutive bins of one row: their atoms lie next to each other in memory.
  template <class Pair>
  void visit_run(std::size_t a, std::size_t begin, std::size_t end, const Shift &image,
                 Pair &&pair) const {
    const Vec3 offset = lattice_.to_cartesian({static_cast<double>(image[0]),
                                               static_cast<double>(image[1]),
                                               static_cast<double>(image[2])});
    const double x0 = x_[a] - offset[0], y0 = y_[a] - offset[1], z0 = z_[a] - offset[2];
    const double limit = cutoff_ * cutoff_;
    constexpr std::size_t block = 64;
    double d2[block];
    for (std::size_t start = begin; start < end; start += block) {
      const std::size_t count = std::min(block, end - start);
      const double *x = x_.data() + start, *y = y_.data() + start, *z = z_.data() + start;
      for (std::size_t k = 0; k < count; ++k) {
        const double dx = x[k] - x0, dy = y[k] - y0, dz = z[k] - z0;
        d2[k] = dx * dx + dy * dy + dz * dz;
      }
      for (std::size_t k = 0; k < count; ++k) {
        if (d2[k] >= limit) continue;
        const std::size_t b = start + k;
        const std::size_t i = order_[a], j = order_[b];
        const Shift shift = {image[0] - wraps_[j][0] + wraps_[i][0],
                             image[1] - wraps_[j][1] + wraps_[i][1],
                             image[2] - wraps_[j][2] + wraps_[i][2]};
        pair(i, j, shift, x[k] - x0, y[k] - y0, z[k] - z0, d2[k]);
      }
    }
  }

  template <class Pair>
  void visit_half_of(std::size_t a, Pair &&pair) const {
    const auto &home = bin_of_[a];
    for (std::int64_t da = 0; da <= reach_[0]; ++da) {
      Shift image{};
      std::int64_t row_a, row_b;
      if (!place(0, home[0] + da, row_a, image[0])) continue;
      for (std::int64_t db = da == 0 ? 0 : -reach_[1]; db <= reach_[1]; ++db) {
        if (!place(1, home[1] + db, row_b, image[1])) continue;
        const bool own_row = da == 0 && db == 0;
        visit_row(a, row_a * bins_[1] + row_b, own_row, image, pair);
      }
    }
  }

  template <class Pair>
  void visit_row(std::size_t a, std::int64_t row, bool own_row, Shift image, Pair &&pair) const {
    const std::int64_t home = bin_of_[a][2], n = bins_[2];
    std::int64_t first = own_row ? home : home - reach_[2], last = home + reach_[2];
    if (!lattice_.periodic[2]) {
      first = std::max<std::int64_t>(first, 0);
      last = std::min<std::int64_t>(last, n - 1);
    }
    while (first <= last) {
      const std::int64_t turn = floor_div(first, n);
      const std::int64_t stop = std::min(last, turn * n + n - 1);
      std::size_t begin = starts_[row * n + (first - turn * n)];
      const std::size_t end = starts_[row * n + (stop - turn * n) + 1];
      // In its own bin an atom meets those after it; earlier ones have met it already.
      if (own_row && first == home) begin = a + 1;
      image[2] = turn;
      visit_run(a, begin, end, image, pair);
      first = stop + 1;
    }
  }

  bool place(int k, std::int64_t unwrapped, std::int64_t &bin, std::int64_t &image) const {
    if (!lattice_.periodic[k]) {
      image = 0;
      bin = unwrapped;
      return unwrapped >= 0 && unwrapped < bins_[k];
    }
    image = floor_div(unwrapped, bins_[k]);
    bin = unwrapped - image * bins_[k];
    return true;
  }

  static std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a >= 0 ? a / b : -((-a + b - 1) / b);
  }

  void wrap(const double *positions) {
    wraps_.assign(atoms_, Shift{0, 0, 0});
    fractional_.resize(atoms_);
    wrapped_.resize(atoms_);
    for (std::size_t i = 0; i < atoms_; ++i) {
      Vec3 s = lattice_.to_fractional(positions + 3 * i);
      Vec3 turns{};
      for (int k = 0; k < 3; ++k) {
        if (!lattice_.periodic[k]) continue;
        turns[k] = std::floor(s[k]);
        if (!(std::abs(turns[k]) < 1e9))
          throw std::invalid_argument("a position lies more than 1e9 cells away");
        s[k] -= turns[k];
        wraps_[i][k] = static_cast<std::int64_t>(turns[k]);
      }
      fractional_[i] = s;
      const Vec3 back = lattice_.to_cartesian(turns);
      for (int k = 0; k < 3; ++k) wrapped_[i][k] = positions[3 * i + k] - back[k];
    }
  }

  void choose_bins() {
    origin_ = {0, 0, 0};
    Vec3 extent = {1, 1, 1};
    for (int k = 0; k < 3; ++k) {
      if (lattice_.periodic[k] || atoms_ == 0) continue;
      double low = std::numeric_limits<double>::infinity(), high = -low;
      for (const Vec3 &s : fractional_) {
        low = std::min(low, s[k]);
        high = std::max(high, s[k]);
      }
      origin_[k] = low;
      extent[k] = std::max(high - low, 1e-12);
    }
    // Bins about a quarter of the cutoff wide waste little space outside the sphere, but there
    // is no use in many more bins than atoms.
    double space = 1;
    Vec3 lengths;
    for (int k = 0; k < 3; ++k) {
      lengths[k] = lattice_.heights[k] * extent[k];
      space *= std::max(lengths[k], cutoff_);
    }
    const double smallest = std::cbrt(space / std::max<double>(1.0, static_cast<double>(atoms_)));
    const double width = std::max(cutoff_ / 4, smallest);
    for (int k = 0; k < 3; ++k) {
      bins_[k] = static_cast<std::int64_t>(
          std::clamp(std::floor(lengths[k] / width), 1.0, 1024.0));
      scale_[k] = static_cast<double>(bins_[k]) / extent[k];
      // One more than the ratio rounded down, so that rounding of coordinates loses no pair.
      const double reach = std::floor(cutoff_ * scale_[k] / lattice_.heights[k] + 1e-6) + 1;
      // Without images there is nothing beyond the last bin.
      const double most = lattice_.periodic[k] ? 1e9 : static_cast<double>(bins_[k] - 1);
      reach_[k] = static_cast<std::int64_t>(std::min(reach, most));
    }
  }

  void sort_atoms() {
    const std::size_t total = static_cast<std::size_t>(bins_[0] * bins_[1] * bins_[2]);
    std::vector<std::array<std::int64_t, 3>> bins(atoms_);
    std::vector<std::size_t> flat(atoms_);
    starts_.assign(total + 1, 0);
    for (std::size_t i = 0; i < atoms_; ++i) {
      for (int k = 0; k < 3; ++k) {
        const double place = std::floor((fractional_[i][k] - origin_[k]) * scale_[k]);
        bins[i][k] = std::clamp<std::int64_t>(static_cast<std::int64_t>(place), 0, bins_[k] - 1);
      }
      flat[i] = static_cast<std::size_t>((bins[i][0] * bins_[1] + bins[i][1]) * bins_[2] +
                                         bins[i][2]);
      ++starts_[flat[i] + 1];
    }
    for (std::size_t b = 0; b < total; ++b) starts_[b + 1] += starts_[b];
    std::vector<std::size_t> next(starts_.begin(), starts_.end() - 1);
    x_.resize(atoms_);
    y_.resize(atoms_);
    z_.resize(atoms_);
    order_.resize(atoms_);
    bin_of_.resize(atoms_);
    for (std::size_t i = 0; i < atoms_; ++i) {
      const std::size_t slot = next[flat[i]]++;
      order_[slot] = i;
      bin_of_[slot] = bins[i];
      x_[slot] = wrapped_[i][0];
      y_[slot] = wrapped_[i][1];
      z_[slot] = wrapped_[i][2];
    }
  }

  Lattice lattice_;
  std::size_t atoms_;
  double cutoff_;
  std::array<std::int64_t, 3> bins_, reach_;
  Vec3 origin_, scale_;
  std::vector<Shift> wraps_;
  std::vector<Vec3> fractional_, wrapped_;
  std::vector<double> x_, y_, z_;                   // sorted by bin
  std::vector<std::size_t> order_, starts_;         // slot → atom; bin → first slot
  std::vector<std::array<std::int64_t, 3>> bin_of_; // of a slot
};

// The full directed list, sorted by (i, j, shift): arrays of one length.
struct PairList {
  std::vector<std::int64_t> i, j, shifts;  // shifts: three per pair
  std::vector<double> vectors, distances;  // vectors: three per pair, Å
};

PairList directed_pairs(const double *positions, std::size_t atoms, const double *cell,
                        const bool *pbc, double cutoff);

}  // namespace zifglass
