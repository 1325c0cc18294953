#include "neighbors.hpp"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <tuple>

namespace nb = nanobind;

namespace zifglass {

namespace {

struct Entry {
  std::int64_t j;
  Shift shift;
  Vec3 vector;
};

bool before(const Entry &a, const Entry &b) {
  return std::tie(a.j, a.shift) < std::tie(b.j, b.shift);
}

}  // namespace

PairList directed_pairs(const double *positions, std::size_t atoms, const double *cell,
                        const bool *pbc, double cutoff) {
  const CellList grid(positions, atoms, cell, pbc, cutoff);
  std::vector<std::vector<Entry>> rows(atoms);
  grid.visit_half([&](std::size_t i, std::size_t j, const Shift &s, double x, double y, double z,
                      double) {
    rows[i].push_back({static_cast<std::int64_t>(j), s, {x, y, z}});
    rows[j].push_back({static_cast<std::int64_t>(i), {-s[0], -s[1], -s[2]}, {-x, -y, -z}});
  });
  PairList pairs;
  std::size_t total = 0;
  for (const auto &row : rows) total += row.size();
  pairs.i.reserve(total);
  pairs.j.reserve(total);
  pairs.distances.reserve(total);
  pairs.shifts.reserve(3 * total);
  pairs.vectors.reserve(3 * total);
  for (std::size_t i = 0; i < atoms; ++i) {
    std::sort(rows[i].begin(), rows[i].end(), before);
    for (const Entry &entry : rows[i]) {
      pairs.i.push_back(static_cast<std::int64_t>(i));
      pairs.j.push_back(entry.j);
      pairs.shifts.insert(pairs.shifts.end(), entry.shift.begin(), entry.shift.end());
      pairs.vectors.insert(pairs.vectors.end(), entry.vector.begin(), entry.vector.end());
      pairs.distances.push_back(std::sqrt(Lattice::dot(entry.vector, entry.vector)));
    }
  }
  return pairs;
}

}  // namespace zifglass

namespace {

using Positions = nb::ndarray<const double, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Cell = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
using Periodic = nb::ndarray<const bool, nb::shape<3>, nb::c_contig, nb::device::cpu>;

// Hands a vector's memory to numpy without a copy.
template <class T>
nb::object to_numpy(std::vector<T> &&values, std::size_t columns) {
  auto *held = new std::vector<T>(std::move(values));
  nb::capsule owner(held, [](void *p) noexcept { delete static_cast<std::vector<T> *>(p); });
  const std::size_t rows = held->size() / columns;
  if (columns == 1)
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(held->data(), {rows}, owner));
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<2>>(held->data(), {rows, columns}, owner));
}

nb::tuple neighbor_list(Positions positions, Cell cell, Periodic pbc, double cutoff) {
  zifglass::PairList pairs;
  {
    nb::gil_scoped_release release;
    pairs = zifglass::directed_pairs(positions.data(), positions.shape(0), cell.data(), pbc.data(),
                                     cutoff);
  }
  return nb::make_tuple(to_numpy(std::move(pairs.i), 1), to_numpy(std::move(pairs.j), 1),
                        to_numpy(std::move(pairs.shifts), 3),
                        to_numpy(std::move(pairs.vectors), 3),
                        to_numpy(std::move(pairs.distances), 1));
}

}  // namespace

void bind_neighbors(nb::module_ &m) {
  m.def("neighbor_list", &neighbor_list, nb::arg("positions"), nb::arg("cell"), nb::arg("pbc"),
        nb::arg("cutoff"),
        "(i, j, shifts, vectors, distances) of all directed pairs closer than the cutoff.");
}
