// From the logical description of a lowered network (blocks, matrices, tables in double) to the
// padded arrays of a Program<R> for vectors of a given number of lanes.
#pragma once

#include <cstdlib>
#include <deque>
#include <new>
#include <vector>

#include "engine_program.hpp"

namespace zifglass {

// An array that starts at a cache line; grows, never shrinks, forgets its contents on growing.
template <class T>
class Aligned {
 public:
  Aligned() = default;
  explicit Aligned(std::size_t n) { need(n); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  Aligned(Aligned&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr, other.size_ = 0;
  }
  ~Aligned() { std::free(data_); }
  T* need(std::size_t n) {
    if (n > size_) {
      std::free(data_);
      data_ = nullptr, size_ = 0;
      const std::size_t bytes = (n * sizeof(T) + 63) / 64 * 64;
      data_ = static_cast<T*>(std::aligned_alloc(64, bytes));
      if (!data_) throw std::bad_alloc();
      size_ = n;
      for (std::size_t i = 0; i < n; ++i) data_[i] = T(0);
    }
    return data_;
  }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

struct Matrix {
  std::vector<double> values;  // row after row
  std::vector<std::size_t> shape;
};

struct BlockSpec {
  int mul, l;
};
struct LinearSpec {
  int source, target;
  Matrix weight;  // (mul_in, mul_out) or (species, mul_in, mul_out)
};
struct PathSpec {
  int source, edge, target;
  Matrix table;  // (rows, mul)
};
struct GateSpec {
  int gate, feature, target, kind;  // feature -1: a scalar block
  double scale;
};
struct ResidualSpec {
  int source, target;
};
struct LayerSpec {
  std::vector<BlockSpec> in, mid, message, pre, out;
  std::vector<LinearSpec> up, down, self;
  std::vector<double> source_scale;
  std::vector<PathSpec> paths;
  std::vector<GateSpec> gates;
  std::vector<ResidualSpec> residuals;
};
struct NetworkSpec {
  int n_species = 0;
  double cutoff = 0, grid_start = 0, grid_step = 0;
  Matrix embedding;
  std::vector<LayerSpec> layers;
  std::vector<int> readout_sources;
  std::vector<Matrix> readout;
  int readout_kind = 0;
  double readout_scale = 1;
  std::vector<double> scales, shifts;
};

// Checks a description; throws std::invalid_argument with one sentence.
void check(const NetworkSpec& spec);

template <class R>
class Packed {
 public:
  Packed(const NetworkSpec& spec, int lanes);
  Packed(const Packed&) = delete;
  const Program<R>& program() const { return program_; }

 private:
  struct Layout {
    std::vector<int> at, pad;
    int width = 0;
  };
  Layout layout(const std::vector<BlockSpec>& blocks) const;
  LinearMap<R> linear(const std::vector<LinearSpec>& maps, const std::vector<BlockSpec>& before,
                      const std::vector<BlockSpec>& after, bool transposed);
  const R* weights(const Matrix& m, int out_pad, bool transposed);
  const R* column(const std::vector<double>& values);
  const R* table(const Matrix& m, int pad, double factor);
  void pack_layer(const LayerSpec& spec);
  void pack_readout(const NetworkSpec& spec);

  int lanes_;
  Program<R> program_{};
  std::vector<Layer<R>> layers_;
  std::deque<Aligned<R>> arrays_;
  std::deque<std::vector<double>> doubles_;
  std::deque<std::vector<LinearTerm<R>>> terms_;
  std::deque<std::vector<LinearBlock<R>>> blocks_;
  std::deque<std::vector<Path<R>>> paths_;
  std::deque<std::vector<GateItem>> gates_;
  std::deque<std::vector<ResidualItem>> residuals_;
  std::vector<ReadoutSource> sources_;
  std::vector<Dense> dense_;
};

}  // namespace zifglass
