// Rings of a periodic graph, counted on the infinite graph from one cell.
//
// Primitive (shortest-path) rings, Franzblau, Phys. Rev. B 44, 4925 (1991): a cycle is primitive
// when the graph offers no shortcut between any two of its vertices. For a cycle of n vertices it
// is enough that the vertices floor(n/2) apart along it are that far apart in the graph, because
// every other pair lies on a part of such a half, and parts of shortest paths are shortest.
//
// Each ring is found from its first vertex (in an order that lattice translations keep) and from
// the vertex or edge opposite to it: two paths descend from there, level by level, through
// vertices ever closer to the root. Every translate of a ring has one first vertex, so each class
// of translates is met exactly once.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "periodic_graph.hpp"

namespace nb = nanobind;

namespace zifglass {
namespace {

struct OutOfBudget {};  // more steps or memory than allowed
struct BallTooLarge {};

class Balls {
 public:
  Balls(const PeriodicGraph &graph, std::size_t node_limit)
      : graph_(graph), node_limit_(node_limit), balls_(graph.vertices()) {}

  void set_radius(int radius) {
    radius_ = radius;
    forget();
  }
  int radius() const { return radius_; }

  const Ball &of(std::int32_t vertex) {
    auto &ball = balls_[vertex];
    if (!ball) {
      ball = std::make_unique<Ball>();
      if (!ball->grow(graph_, vertex, radius_, node_limit_)) {
        ball.reset();
        throw BallTooLarge{};
      }
      held_ += ball->size();
      if (held_ > 2 * node_limit_) throw OutOfBudget{};
    }
    return *ball;
  }

  // Between two roots: keep memory bounded however large the cell.
  void trim() {
    if (held_ > node_limit_) forget();
  }

 private:
  void forget() {
    for (auto &ball : balls_) ball.reset();
    held_ = 0;
  }

  const PeriodicGraph &graph_;
  std::size_t node_limit_, held_ = 0;
  int radius_ = 0;
  std::vector<std::unique_ptr<Ball>> balls_;
};

class PrimitiveRings {
 public:
  PrimitiveRings(const PeriodicGraph &graph, int largest, std::uint64_t step_limit,
                 std::size_t node_limit, std::int64_t *through)
      : graph_(graph),
        balls_(graph, node_limit),
        largest_(largest),
        step_limit_(step_limit),
        through_(through),
        upper_(largest / 2 + 1),
        lower_(largest / 2 + 1) {}

  // The largest size up to which the count is whole.
  int run() {
    balls_.set_radius(largest_ / 2);
    for (int size = 3; size <= largest_; ++size) {
      while (true) {
        if (size / 2 > balls_.radius()) return size - 1;
        std::vector<std::int64_t> found(graph_.vertices(), 0);
        found_ = &found;
        try {
          count(size);
          std::copy(found.begin(), found.end(), through_ + size * graph_.vertices());
          break;
        } catch (const BallTooLarge &) {
          balls_.set_radius(balls_.radius() - 1);
        } catch (const OutOfBudget &) {
          return size - 1;
        }
      }
    }
    return largest_;
  }

 private:
  void count(int size) {
    size_ = size;
    half_ = size / 2;
    for (std::size_t u = 0; u < graph_.vertices(); ++u) {
      balls_.trim();
      root_ = {0, static_cast<std::int32_t>(u)};
      root_ball_ = &balls_.of(root_.vertex);
      const Node *end = root_ball_->shell_end(half_);
      for (const Node *far = root_ball_->shell_begin(half_); far != end; ++far) {
        if (!after(*far, root_)) continue;
        size % 2 ? start_from_edges(*far) : start_from_vertex(*far);
      }
    }
  }

  void start_from_vertex(const Node &far) {
    std::vector<Node> above = predecessors(far, half_);
    upper_[half_] = lower_[half_] = far;
    for (std::size_t p = 0; p < above.size(); ++p) {
      for (std::size_t q = p + 1; q < above.size(); ++q) {
        if (distance(above[p], above[q]) == 2) enter(above[p], above[q], half_ - 1);
      }
    }
  }

  void start_from_edges(const Node &far) {
    for (const Node *to = graph_.begin(far.vertex); to != graph_.end(far.vertex); ++to) {
      Node other{far.shift + to->shift, to->vertex};
      if (after(other, far) && root_ball_->distance(other) == half_) enter(far, other, half_);
    }
  }

  void enter(const Node &a, const Node &b, int level) {
    upper_[level] = a;
    lower_[level] = b;
    descend(level);
  }

  void descend(int level) {
    if (level == 1) return record();
    int next = level - 1;
    std::vector<Node> as = predecessors(upper_[level], level);
    std::vector<Node> bs = predecessors(lower_[level], level);
    auto blocked = [&](const std::vector<Node> &path) {
      return [&, this](const Node &node) { return !fits(node, next, path); };
    };
    std::erase_if(as, blocked(lower_));
    if (as.empty()) return;
    std::erase_if(bs, blocked(upper_));
    int apart = std::min(2 * next, size_ - 2 * next);
    for (const Node &a : as) {
      for (const Node &b : bs) {
        if (distance(a, b) == apart) enter(a, b, next);
      }
    }
  }

  // A vertex at `level` of one path against what is already laid of the other.
  bool fits(const Node &node, int level, const std::vector<Node> &other) {
    int above = level + 1;
    if (distance(node, other[above]) != std::min(level + above, size_ - level - above)) return false;
    int opposite = half_ - level;
    if (opposite > above && distance(node, other[opposite]) != half_) return false;
    if (size_ % 2 && opposite + 1 > above) return distance(node, other[opposite + 1]) == half_;
    return true;
  }

  std::vector<Node> predecessors(const Node &node, int level) const {
    std::vector<Node> result;
    for (const Node *to = graph_.begin(node.vertex); to != graph_.end(node.vertex); ++to) {
      Node next{node.shift + to->shift, to->vertex};
      if (after(next, root_) && root_ball_->distance(next) == level - 1) result.push_back(next);
    }
    return result;
  }

  int distance(const Node &a, const Node &b) {
    if (++steps_ > step_limit_) throw OutOfBudget{};
    return balls_.of(a.vertex).distance({b.shift - a.shift, b.vertex});
  }

  void record() {
    auto &found = *found_;
    ++found[root_.vertex];
    int last = size_ % 2 ? half_ : half_ - 1;
    for (int level = 1; level <= half_; ++level) ++found[upper_[level].vertex];
    for (int level = 1; level <= last; ++level) ++found[lower_[level].vertex];
  }

  const PeriodicGraph &graph_;
  Balls balls_;
  int largest_, size_ = 0, half_ = 0;
  std::uint64_t steps_ = 0, step_limit_;
  std::int64_t *through_;
  std::vector<std::int64_t> *found_ = nullptr;
  Node root_{};
  const Ball *root_ball_ = nullptr;
  std::vector<Node> upper_, lower_;
};

// King's rings (Nature 213, 1112, 1967): for a vertex and two of its neighbours, the shortest ways
// round from one neighbour to the other that avoid the vertex, closed through it.
class KingRings {
 public:
  KingRings(const PeriodicGraph &graph, int largest, std::uint64_t step_limit,
            std::int64_t *through)
      : graph_(graph), largest_(largest), step_limit_(step_limit), through_(through) {}

  bool run() {
    try {
      for (std::size_t v = 0; v < graph_.vertices(); ++v) around(static_cast<std::int32_t>(v));
    } catch (const OutOfBudget &) {
      return false;
    }
    for (const auto &ring : rings_) {
      for (const auto &[vertex, shift] : ring) ++through_[ring.size() * graph_.vertices() + vertex];
    }
    return true;
  }

 private:
  using Key = std::pair<std::int32_t, std::int64_t>;

  void around(std::int32_t vertex) {
    apex_ = {0, vertex};
    for (const Node *p = graph_.begin(vertex); p != graph_.end(vertex); ++p) {
      for (const Node *q = p + 1; q != graph_.end(vertex); ++q) between(*p, *q);
    }
  }

  void between(const Node &from, const Node &to) {
    levels_.clear();
    levels_[{from.vertex, from.shift}] = 0;
    std::vector<Node> shell{from};
    Key goal{to.vertex, to.shift};
    for (int level = 1; level <= largest_ - 2 && !shell.empty() && !levels_.count(goal); ++level) {
      std::vector<Node> next;
      for (const Node &node : shell) {
        for (const Node *n = graph_.begin(node.vertex); n != graph_.end(node.vertex); ++n) {
          if (++steps_ > step_limit_) throw OutOfBudget{};
          Node other{node.shift + n->shift, n->vertex};
          if (other == apex_) continue;
          if (levels_.emplace(Key{other.vertex, other.shift}, level).second) next.push_back(other);
        }
      }
      shell.swap(next);
    }
    auto reached = levels_.find(goal);
    if (reached == levels_.end()) return;
    path_.assign(1, to);
    walk_back(reached->second);
  }

  void walk_back(int level) {
    if (level == 0) return keep();
    Node last = path_.back();
    for (const Node *n = graph_.begin(last.vertex); n != graph_.end(last.vertex); ++n) {
      if (++steps_ > step_limit_) throw OutOfBudget{};
      Node other{last.shift + n->shift, n->vertex};
      auto found = levels_.find({other.vertex, other.shift});
      if (found == levels_.end() || found->second != level - 1) continue;
      path_.push_back(other);
      walk_back(level - 1);
      path_.pop_back();
    }
  }

  // One form for all translates, starting points and directions of a ring.
  void keep() {
    std::vector<Node> ring = path_;
    ring.push_back(apex_);
    auto first = std::min_element(ring.begin(), ring.end(),
                                  [](const Node &a, const Node &b) { return after(b, a); });
    std::rotate(ring.begin(), first, ring.end());
    if (after(ring[1], ring.back())) std::reverse(ring.begin() + 1, ring.end());
    std::int64_t origin = ring.front().shift;
    std::vector<Key> key;
    for (const Node &node : ring) key.emplace_back(node.vertex, node.shift - origin);
    rings_.insert(std::move(key));
  }

  struct HashKey {
    std::size_t operator()(const Key &key) const {
      return (static_cast<std::uint64_t>(key.first) << 36 ^ static_cast<std::uint64_t>(key.second)) *
                 0x9E3779B97F4A7C15ull >>
             16;
    }
  };

  const PeriodicGraph &graph_;
  int largest_;
  std::uint64_t steps_ = 0, step_limit_;
  std::int64_t *through_;
  Node apex_{};
  std::unordered_map<Key, int, HashKey> levels_;
  std::vector<Node> path_;
  std::set<std::vector<Key>> rings_;
};

using Edges = nb::ndarray<const std::int64_t, nb::shape<-1, 5>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<std::int64_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;

}  // namespace
}  // namespace zifglass

void bind_rings(nb::module_ &m) {
  using namespace zifglass;
  m.def(
      "primitive_rings",
      [](std::size_t vertices, Edges edges, int largest, std::uint64_t steps, std::size_t nodes,
         Counts through) {
        nb::gil_scoped_release release;
        PeriodicGraph graph(vertices, edges.data(), edges.shape(0));
        return PrimitiveRings(graph, largest, steps, nodes, through.data()).run();
      },
      "Fill through[size, vertex]; return the largest size counted whole.");
  m.def(
      "king_rings",
      [](std::size_t vertices, Edges edges, int largest, std::uint64_t steps, Counts through) {
        nb::gil_scoped_release release;
        PeriodicGraph graph(vertices, edges.data(), edges.shape(0));
        return KingRings(graph, largest, steps, through.data()).run();
      },
      "Fill through[size, vertex]; return whether the steps sufficed.");
}
