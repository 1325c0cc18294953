// Histograms over neighbours: pair distances of every pair of kinds, angles, coordination.
// One frame per call; all results are whole-number counts, so that sums over frames are exact
// in any order.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>

#include "neighbors.hpp"

namespace nb = nanobind;

namespace {

using zifglass::CellList;
using zifglass::Shift;
using zifglass::Vec3;

using Positions = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Cell = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Periodic = nb::ndarray<const bool, nb::shape<3>, nb::c_contig, nb::device::cpu>;
using Kinds = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Row = nb::ndarray<std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

void need_equal(std::size_t a, std::size_t b, const char *what) {
  if (a != b) throw std::invalid_argument(what);
}

// Adds the unordered pairs of one frame to counts (kinds · (kinds + 1) / 2, bins); the row of
// kinds a ≤ b is a · kinds − a · (a − 1) / 2 + b − a, the order of numpy.triu_indices.
void pair_histogram(Positions positions, Cell cell, Periodic pbc, Kinds kinds,
                    std::int64_t n_kinds, double r_max, Counts counts) {
  const std::size_t atoms = positions.shape(0);
  need_equal(kinds.shape(0), atoms, "kinds must have one entry per atom");
  need_equal(counts.shape(0), static_cast<std::size_t>(n_kinds * (n_kinds + 1) / 2),
             "counts must have one row per pair of kinds");
  for (std::size_t i = 0; i < atoms; ++i)
    if (kinds.data()[i] < 0 || kinds.data()[i] >= n_kinds)
      throw std::invalid_argument("a kind lies outside 0 … n_kinds − 1");
  nb::gil_scoped_release release;
  const std::int64_t bins = static_cast<std::int64_t>(counts.shape(1));
  std::vector<std::int64_t> row_of(static_cast<std::size_t>(n_kinds * n_kinds));
  std::int64_t row = 0;
  for (std::int64_t a = 0; a < n_kinds; ++a)
    for (std::int64_t b = a; b < n_kinds; ++b, ++row)
      row_of[a * n_kinds + b] = row_of[b * n_kinds + a] = row * bins;
  const std::int64_t *kind = kinds.data();
  std::int64_t *out = counts.data();
  const double scale = static_cast<double>(bins) / r_max;
  const CellList grid(positions.data(), atoms, cell.data(), pbc.data(), r_max);
  grid.visit_half([&](std::size_t i, std::size_t j, const Shift &, double, double, double,
                      double d2) {
    const auto bin = std::min(static_cast<std::int64_t>(std::sqrt(d2) * scale), bins - 1);
    ++out[row_of[kind[i] * n_kinds + kind[j]] + bin];
  });
}

struct End {
  bool first, second;  // may be the first, the second end of the triplet
  Vec3 direction;      // unit vector from the centre
};

// The ends bonded to every centre. Roles are bits: 1 centre, 2 first end, 4 second end.
std::vector<std::vector<End>> bonded_ends(const CellList &grid, std::size_t atoms,
                                          const std::int64_t *roles, double first_cutoff,
                                          double second_cutoff) {
  std::vector<std::vector<End>> ends(atoms);
  const double first2 = first_cutoff * first_cutoff, second2 = second_cutoff * second_cutoff;
  const auto add = [&](std::size_t centre, std::size_t end, double x, double y, double z,
                       double d2) {
    if (!(roles[centre] & 1)) return;
    const bool first = (roles[end] & 2) && d2 < first2;
    const bool second = (roles[end] & 4) && d2 < second2;
    if (!first && !second) return;
    if (d2 == 0.0)
      throw std::invalid_argument("atoms " + std::to_string(centre) + " and " +
                                  std::to_string(end) + " lie on one place");
    const double d = std::sqrt(d2);
    ends[centre].push_back({first, second, {x / d, y / d, z / d}});
  };
  grid.visit_half([&](std::size_t i, std::size_t j, const Shift &, double x, double y, double z,
                      double d2) {
    add(i, j, x, y, z, d2);
    add(j, i, -x, -y, -z, d2);
  });
  return ends;
}

// Adds the angles of one frame, in degrees over equal bins of 0 … 180, to counts
// (most + 1, bins) in the row of the centre's number of ends; coordination (centres,) receives
// that number, centres in the order of the atoms.
void triplet_histogram(Positions positions, Cell cell, Periodic pbc, Kinds roles,
                       double first_cutoff, double second_cutoff, Counts counts,
                       Row coordination) {
  const std::size_t atoms = positions.shape(0);
  need_equal(roles.shape(0), atoms, "roles must have one entry per atom");
  std::size_t centres = 0;
  for (std::size_t i = 0; i < atoms; ++i) centres += (roles.data()[i] & 1);
  need_equal(coordination.shape(0), centres, "coordination must have one entry per centre");
  nb::gil_scoped_release release;
  const CellList grid(positions.data(), atoms, cell.data(), pbc.data(),
                      std::max(first_cutoff, second_cutoff));
  const auto ends = bonded_ends(grid, atoms, roles.data(), first_cutoff, second_cutoff);
  const auto bins = static_cast<std::int64_t>(counts.shape(1));
  const std::size_t most = counts.shape(0) - 1;
  const double scale = static_cast<double>(bins) / std::acos(-1.0);
  std::size_t centre = 0;
  for (std::size_t i = 0; i < atoms; ++i) {
    if (!(roles.data()[i] & 1)) continue;
    const auto &around = ends[i];
    coordination.data()[centre++] = static_cast<std::int64_t>(around.size());
    std::int64_t *row = counts.data() + std::min(around.size(), most) * counts.shape(1);
    for (std::size_t p = 0; p < around.size(); ++p) {
      for (std::size_t q = p + 1; q < around.size(); ++q) {
        const End &a = around[p], &b = around[q];
        if (!((a.first && b.second) || (a.second && b.first))) continue;
        const double cosine = zifglass::Lattice::dot(a.direction, b.direction);
        const double angle = std::acos(std::clamp(cosine, -1.0, 1.0));
        ++row[std::min(static_cast<std::int64_t>(angle * scale), bins - 1)];
      }
    }
  }
}

// How many neighbours (role 2) closer than the cutoff each centre (role 1) has.
void coordination_numbers(Positions positions, Cell cell, Periodic pbc, Kinds roles, double cutoff,
                          Row coordination) {
  const std::size_t atoms = positions.shape(0);
  need_equal(roles.shape(0), atoms, "roles must have one entry per atom");
  std::vector<std::int64_t> counts(atoms, 0);
  std::size_t centres = 0;
  const std::int64_t *role = roles.data();
  for (std::size_t i = 0; i < atoms; ++i) centres += (role[i] & 1);
  need_equal(coordination.shape(0), centres, "coordination must have one entry per centre");
  nb::gil_scoped_release release;
  const CellList grid(positions.data(), atoms, cell.data(), pbc.data(), cutoff);
  grid.visit_half(
      [&](std::size_t i, std::size_t j, const Shift &, double, double, double, double) {
        if ((role[i] & 1) && (role[j] & 2)) ++counts[i];
        if ((role[j] & 1) && (role[i] & 2)) ++counts[j];
      });
  std::size_t centre = 0;
  for (std::size_t i = 0; i < atoms; ++i)
    if (role[i] & 1) coordination.data()[centre++] = counts[i];
}

}  // namespace

void bind_distributions(nb::module_ &m) {
  m.def("pair_histogram", &pair_histogram, nb::arg("positions"), nb::arg("cell"), nb::arg("pbc"),
        nb::arg("kinds"), nb::arg("n_kinds"), nb::arg("r_max"), nb::arg("counts").noconvert(),
        "Add one frame's unordered pairs to counts (pairs of kinds, bins).");
  m.def("triplet_histogram", &triplet_histogram, nb::arg("positions"), nb::arg("cell"),
        nb::arg("pbc"), nb::arg("roles"), nb::arg("first_cutoff"), nb::arg("second_cutoff"),
        nb::arg("counts").noconvert(), nb::arg("coordination").noconvert(),
        "Add one frame's angles to counts (coordination, bins).");
  m.def("coordination_numbers", &coordination_numbers, nb::arg("positions"), nb::arg("cell"),
        nb::arg("pbc"), nb::arg("roles"), nb::arg("cutoff"), nb::arg("coordination").noconvert(),
        "Neighbours of each centre, written to coordination (centres,).");
}
