// Neighbours within the cutoff for any cell, with a skin: the list of candidates is rebuilt
// only when a pair that is not in it could have come within the cutoff, and what is handed out
// does not depend on when that was.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine_program.hpp"

namespace zifglass {

using Cell = std::array<double, 9>;  // rows are the vectors

class EngineNeighbors {
 public:
  // closest: Å, atoms nearer than this to one another are refused.
  EngineNeighbors(double cutoff, double skin, double closest)
      : cutoff_(cutoff), skin_(skin), closest_(closest) {}

  // Brings the graph up to date; throws std::invalid_argument with one sentence.
  const Graph& update(int n_atoms, const std::int32_t* species, const double* positions,
                      const Cell& cell, const std::array<bool, 3>& pbc, int threads);

  // Internal order of the atoms (neighbours in space are neighbours in memory).
  const std::vector<std::int32_t>& order() const { return order_; }
  std::int64_t builds() const { return builds_; }
  std::int64_t edges() const { return edges_; }
  void forget() { reference_.clear(); }

 private:
  struct Candidate {
    std::int32_t atom;  // as given
    std::array<std::int32_t, 3> shift;
    friend bool operator<(const Candidate& a, const Candidate& b) {
      return a.atom != b.atom ? a.atom < b.atom : a.shift < b.shift;
    }
  };
  struct Grid;

  bool still_valid(int n_atoms, const double* positions, const Cell& cell,
                   const std::array<bool, 3>& pbc) const;
  void build(int n_atoms, const double* positions, const Cell& cell,
             const std::array<bool, 3>& pbc, int threads);
  void search(const Grid& grid, int atom, const double* positions, const Cell& cell,
              std::vector<Candidate>& found) const;
  void lay_out(const std::vector<std::vector<Candidate>>& found);
  [[noreturn]] void refuse_clash() const;
  void filter(const double* positions, const Cell& cell, int threads);

  double cutoff_, skin_, closest_;
  std::int64_t builds_ = 0, edges_ = 0;

  std::vector<double> reference_;  // positions at the last build
  Cell reference_cell_{};
  std::array<bool, 3> reference_pbc_{};

  // Candidates of internal atom a: first_[a] .. first_[a] + candidates_[a].
  std::vector<std::int32_t> order_, rank_, candidates_;
  std::vector<std::int64_t> first_, candidate_reverse_;
  std::vector<std::int32_t> candidate_, candidate_shift_, place_;
  std::vector<std::array<std::int32_t, 3>> shifts_;

  // The graph.
  std::vector<std::int32_t> count_, neighbor_, species_, kept_;
  std::vector<std::int64_t> reverse_;
  std::vector<double> dx_, dy_, dz_, sorted_;
  Graph graph_{};
};

}  // namespace zifglass
