#include "periodic_graph.hpp"

#include <algorithm>

namespace zifglass {

PeriodicGraph::PeriodicGraph(std::size_t vertices, const std::int64_t *edges, std::size_t count)
    : start_(vertices + 1, 0) {
  std::vector<std::vector<Node>> lists(vertices);
  for (std::size_t e = 0; e < count; ++e) {
    const std::int64_t *edge = edges + 5 * e;
    auto i = static_cast<std::int32_t>(edge[0]);
    auto j = static_cast<std::int32_t>(edge[1]);
    std::int64_t shift = pack(edge[2], edge[3], edge[4]);
    lists[i].push_back({shift, j});
    lists[j].push_back({-shift, i});
  }
  auto before = [](const Node &a, const Node &b) { return after(b, a); };
  for (std::size_t v = 0; v < vertices; ++v) {
    auto &list = lists[v];
    std::sort(list.begin(), list.end(), before);
    list.erase(std::unique(list.begin(), list.end()), list.end());
    start_[v + 1] = start_[v] + list.size();
    neighbours_.insert(neighbours_.end(), list.begin(), list.end());
  }
}

void Ball::rehash(std::size_t slots) {
  std::vector<std::uint64_t> keys(slots, empty);
  std::vector<std::uint8_t> distances(slots);
  mask_ = slots - 1;
  for (std::size_t old = 0; old < keys_.size(); ++old) {
    if (keys_[old] == empty) continue;
    std::size_t slot = hash(keys_[old]) & mask_;
    while (keys[slot] != empty) slot = (slot + 1) & mask_;
    keys[slot] = keys_[old];
    distances[slot] = distances_[old];
  }
  keys_.swap(keys);
  distances_.swap(distances);
}

bool Ball::insert(const Node &node, int distance) {
  if (2 * (nodes_.size() + 1) > keys_.size()) rehash(2 * keys_.size());
  std::uint64_t key = key_of(node);
  std::size_t slot = hash(key) & mask_;
  while (keys_[slot] != empty) {
    if (keys_[slot] == key) return false;
    slot = (slot + 1) & mask_;
  }
  keys_[slot] = key;
  distances_[slot] = static_cast<std::uint8_t>(distance);
  nodes_.push_back(node);
  return true;
}

bool Ball::grow(const PeriodicGraph &graph, std::int32_t centre, int radius, std::size_t limit) {
  radius_ = radius;
  rehash(64);
  insert({0, centre}, 0);
  shells_ = {0, 1};
  for (int distance = 1; distance <= radius; ++distance) {
    for (std::size_t n = shells_[distance - 1]; n < shells_[distance]; ++n) {
      Node from = nodes_[n];
      for (const Node *to = graph.begin(from.vertex); to != graph.end(from.vertex); ++to) {
        insert({from.shift + to->shift, to->vertex}, distance);
      }
      if (nodes_.size() > limit) return false;
    }
    shells_.push_back(nodes_.size());
  }
  return true;
}

}  // namespace zifglass
