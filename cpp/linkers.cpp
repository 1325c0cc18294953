// Finds every copy of a small molecular graph in the bond graph of a periodic structure.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace nb = nanobind;

namespace zifglass {
namespace {

using Ints = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Triples = nb::ndarray<const std::int64_t, nb::shape<-1, 3>, nb::c_contig, nb::device::cpu>;
using Pairs = nb::ndarray<const std::int64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

struct Site {
  std::int64_t atom, shift[3];
};

// The bond graph as sorted directed pairs: first[a] .. first[a + 1] are the bonds of atom a.
struct Bonds {
  const std::int64_t *labels, *first, *to, *shifts;
  std::size_t atoms;
};

// The pattern, ordered so that every vertex but the first is bonded to an earlier one (parent);
// closures are its other bonds, each with the later vertex second.
struct Pattern {
  const std::int64_t *labels, *parent, *closures;
  std::size_t size, closure_count;
};

class Matcher {
 public:
  Matcher(const Bonds &bonds, const Pattern &pattern)
      : bonds_(bonds), pattern_(pattern), sites_(pattern.size) {}

  void run() {
    for (std::size_t atom = 0; atom < bonds_.atoms; ++atom) {
      if (bonds_.labels[atom] != pattern_.labels[0]) continue;
      sites_[0] = {static_cast<std::int64_t>(atom), {0, 0, 0}};
      extend(1);
    }
  }

  std::vector<std::int64_t> found;  // per match and vertex: atom, then its three cell offsets

 private:
  void extend(std::size_t vertex) {
    if (vertex == pattern_.size) return keep();
    const Site &from = sites_[pattern_.parent[vertex]];
    for (std::int64_t b = bonds_.first[from.atom]; b < bonds_.first[from.atom + 1]; ++b) {
      Site next{bonds_.to[b], {}};
      if (bonds_.labels[next.atom] != pattern_.labels[vertex] || taken(next.atom, vertex)) continue;
      for (int x = 0; x < 3; ++x) next.shift[x] = from.shift[x] + bonds_.shifts[3 * b + x];
      sites_[vertex] = next;
      if (closes(vertex)) extend(vertex + 1);
    }
  }

  bool taken(std::int64_t atom, std::size_t before) const {
    return std::any_of(sites_.begin(), sites_.begin() + before,
                       [&](const Site &site) { return site.atom == atom; });
  }

  bool closes(std::size_t vertex) const {
    for (std::size_t c = 0; c < pattern_.closure_count; ++c) {
      if (pattern_.closures[2 * c + 1] != static_cast<std::int64_t>(vertex)) continue;
      if (!bonded(sites_[pattern_.closures[2 * c]], sites_[vertex])) return false;
    }
    return true;
  }

  bool bonded(const Site &a, const Site &b) const {
    for (std::int64_t e = bonds_.first[a.atom]; e < bonds_.first[a.atom + 1]; ++e) {
      if (bonds_.to[e] != b.atom) continue;
      bool same = true;
      for (int x = 0; x < 3; ++x) same &= bonds_.shifts[3 * e + x] == b.shift[x] - a.shift[x];
      if (same) return true;
    }
    return false;
  }

  void keep() {
    for (const Site &site : sites_) {
      found.push_back(site.atom);
      found.insert(found.end(), site.shift, site.shift + 3);
    }
  }

  const Bonds &bonds_;
  const Pattern &pattern_;
  std::vector<Site> sites_;
};

}  // namespace
}  // namespace zifglass

void bind_linkers(nb::module_ &m) {
  using namespace zifglass;
  m.def(
      "match_pattern",
      [](Ints labels, Ints first, Ints to, Triples shifts, Ints pattern_labels, Ints parent,
         Pairs closures) {
        Bonds bonds{labels.data(), first.data(), to.data(), shifts.data(), labels.shape(0)};
        Pattern pattern{pattern_labels.data(), parent.data(), closures.data(),
                        pattern_labels.shape(0), closures.shape(0)};
        Matcher matcher(bonds, pattern);
        matcher.run();
        auto *held = new std::vector<std::int64_t>(std::move(matcher.found));
        nb::capsule owner(held, [](void *p) noexcept {
          delete static_cast<std::vector<std::int64_t> *>(p);
        });
        std::size_t matches = held->size() / (4 * pattern.size);
        return nb::ndarray<nb::numpy, std::int64_t>(held->data(), {matches, pattern.size, 4},
                                                    owner);
      },
      "Every embedding of the pattern: (matches, vertices, 4), atom and cell offset of each.");
}
