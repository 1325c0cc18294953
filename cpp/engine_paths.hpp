// Which kernel runs a path.
#pragma once

template <class R, int L1, int L2, int L3>
void forward_path_loop(const EdgeChunk<R>& c, const Path<R>& p, const R* x, std::int64_t x_stride,
                       R* message) {
  forward_loop<R, L3>(c, p, couplings<L1, L2, L3>, x, x_stride, message);
}

template <class R, int L1, int L2, int L3>
void backward_path_loop(const EdgeChunk<R>& c, const Path<R>& p, const R* x, const R* g,
                        std::int64_t g_stride, R* x_gradient, R* sums) {
  backward_loop<R, L3>(c, p, couplings<L1, L2, L3>, x, g, g_stride, x_gradient, sums);
}

template <class R>
using ForwardPath = void (*)(const EdgeChunk<R>&, const Path<R>&, const R*, std::int64_t, R*);
template <class R>
using BackwardPath = void (*)(const EdgeChunk<R>&, const Path<R>&, const R*, const R*,
                              std::int64_t, R*, R*);

// The kernels by (l1, l2, l3); null where the orders do not couple.
template <class R>
struct PathKernels {
  static constexpr int n = wigner::kMaxOrder + 1;
  ForwardPath<R> forward[n * n * n] = {};
  BackwardPath<R> backward[n * n * n] = {};
  static constexpr int at(int l1, int l2, int l3) { return (l1 * n + l2) * n + l3; }
  constexpr PathKernels() {
    unroll<n>([&](auto l1) {
      unroll<n>([&](auto l2) {
        unroll<n>([&](auto l3) {
          constexpr int a = l1.value, b = l2.value, c = l3.value;
          if constexpr (wigner::couples(a, b, c) && (a == 3 || b == 3 || c == 3)) {
            forward[at(a, b, c)] = forward_path_loop<R, a, b, c>;
            backward[at(a, b, c)] = backward_path_loop<R, a, b, c>;
          } else if constexpr (wigner::couples(a, b, c)) {
            forward[at(a, b, c)] = forward_path<R, a, b, c>;
            backward[at(a, b, c)] = backward_path<R, a, b, c>;
          }
        });
      });
    });
  }
};

template <class R>
inline constexpr PathKernels<R> path_kernels{};
