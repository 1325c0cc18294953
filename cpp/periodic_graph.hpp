// A periodic graph: one cell's vertices, and edges that say into which neighbouring cell they lead.
// A vertex of the infinite graph is (vertex, offset); the offset is packed into one integer whose
// arithmetic is that of the vectors, so that moving a vertex by a lattice vector is one addition.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace zifglass {

struct Node {
  std::int64_t shift;  // packed offset
  std::int32_t vertex;
  bool operator==(const Node &other) const {
    return vertex == other.vertex && shift == other.shift;
  }
};

inline constexpr std::int64_t offset_limit = 2047;  // per component, set by 12 bits each

inline std::int64_t pack(std::int64_t x, std::int64_t y, std::int64_t z) {
  return (x * 4096 + y) * 4096 + z;
}

// The same order for any choice of home cell: vertex first, then offset.
inline bool after(const Node &a, const Node &b) {
  return a.vertex != b.vertex ? a.vertex > b.vertex : a.shift > b.shift;
}

class PeriodicGraph {
 public:
  // edges (count, 5): i, j and the offset of j's cell seen from i's. Each edge is given once;
  // repeats are dropped.
  PeriodicGraph(std::size_t vertices, const std::int64_t *edges, std::size_t count);

  std::size_t vertices() const { return start_.size() - 1; }
  const Node *begin(std::int32_t vertex) const { return neighbours_.data() + start_[vertex]; }
  const Node *end(std::int32_t vertex) const { return neighbours_.data() + start_[vertex + 1]; }

 private:
  std::vector<std::size_t> start_;
  std::vector<Node> neighbours_;
};

// Distances from one vertex of the home cell to every node within a radius.
class Ball {
 public:
  // False where more than `limit` nodes lie within the radius; the ball is then unusable.
  bool grow(const PeriodicGraph &graph, std::int32_t centre, int radius, std::size_t limit);

  // Edges between the centre and `node`; radius + 1 stands for "further than the radius".
  int distance(const Node &node) const {
    std::uint64_t key = key_of(node);
    for (std::size_t slot = hash(key) & mask_;; slot = (slot + 1) & mask_) {
      if (keys_[slot] == key) return distances_[slot];
      if (keys_[slot] == empty) return radius_ + 1;
    }
  }

  std::size_t size() const { return nodes_.size(); }
  // Nodes at exactly this distance: [shell_begin, shell_end).
  const Node *shell_begin(int distance) const { return nodes_.data() + shells_[distance]; }
  const Node *shell_end(int distance) const { return nodes_.data() + shells_[distance + 1]; }

 private:
  static constexpr std::uint64_t empty = ~std::uint64_t{0};
  static std::uint64_t key_of(const Node &node) {
    return (static_cast<std::uint64_t>(node.vertex) << 36) +
           static_cast<std::uint64_t>(node.shift + (std::int64_t{1} << 35));
  }
  static std::size_t hash(std::uint64_t key) {
    key *= 0x9E3779B97F4A7C15ull;  // Fibonacci hashing; the high bits are the mixed ones
    return static_cast<std::size_t>(key >> 32);
  }
  bool insert(const Node &node, int distance);
  void rehash(std::size_t slots);

  std::vector<std::uint64_t> keys_;
  std::vector<std::uint8_t> distances_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> shells_;
  std::size_t mask_ = 0;
  int radius_ = 0;
};

}  // namespace zifglass
