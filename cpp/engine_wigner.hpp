// Real Wigner 3j tensors (basis and signs of e3nn, Frobenius norm 1) known at compile time, so
// that kernels unroll over their non-zero entries alone. Same definition as
// zifglass/potentials/network/wigner.py; a test compares the two.
// Sources: Racah, Phys. Rev. 62, 438 (1942); e3nn, DOI 10.48550/arXiv.2207.09453.
#pragma once

namespace zifglass::wigner {

inline constexpr int kMaxOrder = 3;

struct Tensor {
  double value[7][7][7] = {};  // [m1][m2][m3]
};

constexpr double square_root(double x) {
  if (x <= 0) return 0;
  double y = x > 1 ? x : 1;
  for (int i = 0; i < 200; ++i) {
    const double next = 0.5 * (y + x / y);
    if (next == y) break;
    y = next;
  }
  return y;
}

constexpr double factorial(int n) {
  double f = 1;
  for (int i = 2; i <= n; ++i) f *= i;
  return f;
}

// <j1 m1 j2 m2 | j m1+m2>, Racah's formula.
constexpr double clebsch_gordan(int j1, int m1, int j2, int m2, int j) {
  const int m = m1 + m2;
  if (m < -j || m > j) return 0;
  double squared = (2 * j + 1) * factorial(j + j1 - j2) * factorial(j - j1 + j2) *
                   factorial(j1 + j2 - j) / factorial(j1 + j2 + j + 1);
  squared *= factorial(j + m) * factorial(j - m) * factorial(j1 + m1) * factorial(j1 - m1) *
             factorial(j2 + m2) * factorial(j2 - m2);
  double total = 0;
  for (int k = 0; k <= j1 + j2 - j; ++k) {
    const int terms[6] = {k,           j1 + j2 - j - k, j1 - m1 - k,
                          j2 + m2 - k, j - j2 + m1 + k, j - j1 - m2 + k};
    double denominator = 1;
    bool allowed = true;
    for (int term : terms) {
      if (term < 0) allowed = false;
      if (allowed) denominator *= factorial(term);
    }
    if (allowed) total += (k % 2 ? -1.0 : 1.0) / denominator;
  }
  return square_root(squared) * total;
}

struct Complex {
  double re = 0, im = 0;
};
constexpr Complex operator*(Complex a, Complex b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
constexpr Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }

struct Basis {
  Complex value[7][7] = {};  // [complex m][real m]
};

constexpr Basis real_to_complex(int l) {
  Basis q;
  const double h = square_root(0.5);
  q.value[l][l] = {1, 0};
  for (int m = 1; m <= l; ++m) {
    const double sign = m % 2 ? -1 : 1;
    q.value[l - m][l + m] = {h, 0};
    q.value[l - m][l - m] = {0, -h};
    q.value[l + m][l + m] = {sign * h, 0};
    q.value[l + m][l - m] = {0, sign * h};
  }
  Complex phase{1, 0};
  for (int i = 0; i < l; ++i) phase = phase * Complex{0, -1};
  for (auto& row : q.value)
    for (auto& entry : row) entry = entry * phase;
  return q;
}

constexpr Tensor three_j(int l1, int l2, int l3) {
  const Basis q1 = real_to_complex(l1), q2 = real_to_complex(l2), q3 = real_to_complex(l3);
  Tensor t;
  double norm = 0;
  for (int a = 0; a <= 2 * l1; ++a)
    for (int b = 0; b <= 2 * l2; ++b)
      for (int c = 0; c <= 2 * l3; ++c) {
        // A column of the change of basis couples m and -m alone.
        Complex sum;
        const int ia[2] = {a, 2 * l1 - a}, ib[2] = {b, 2 * l2 - b};
        for (int x = 0; x < (a == l1 ? 1 : 2); ++x)
          for (int y = 0; y < (b == l2 ? 1 : 2); ++y) {
            const int i = ia[x], j = ib[y], m = (i - l1) + (j - l2);
            if (m < -l3 || m > l3 || (m != c - l3 && m != l3 - c)) continue;
            const Complex q = q3.value[l3 + m][c];
            const double coupling = clebsch_gordan(l1, i - l1, l2, j - l2, l3);
            sum = sum + q1.value[i][a] * q2.value[j][b] * Complex{q.re, -q.im} *
                            Complex{coupling, 0};
          }
        const double v = sum.re;
        t.value[a][b][c] = (v < 1e-12 && v > -1e-12) ? 0 : v;
        norm += t.value[a][b][c] * t.value[a][b][c];
      }
  for (auto& plane : t.value)
    for (auto& row : plane)
      for (auto& v : row) v /= square_root(norm);
  return t;
}

constexpr bool couples(int l1, int l2, int l3) {
  return l3 <= l1 + l2 && l3 >= l1 - l2 && l3 >= l2 - l1;
}

// The two sparse forms the kernels use. `matrix`: pairs (m1, m3) where
// M[m3][m1] = sum_m2 C Y_m2 is not identically zero. `term`: the non-zero C.
template <int L1, int L2, int L3>
struct Sparse {
  static_assert(couples(L1, L2, L3));
  static constexpr Tensor tensor = three_j(L1, L2, L3);
  static constexpr int d1 = 2 * L1 + 1, d2 = 2 * L2 + 1, d3 = 2 * L3 + 1;

  static constexpr int count_terms() {
    int n = 0;
    for (int a = 0; a < d1; ++a)
      for (int b = 0; b < d2; ++b)
        for (int c = 0; c < d3; ++c) n += tensor.value[a][b][c] != 0;
    return n;
  }
  static constexpr int n_terms = count_terms();

  struct Index {
    int entry[7][7] = {};  // [m1][m3] -> slot or -1
    int count = 0;
  };
  static constexpr Index make_index() {
    Index index;
    for (int a = 0; a < d1; ++a)
      for (int c = 0; c < d3; ++c) {
        bool used = false;
        for (int b = 0; b < d2; ++b) used = used || tensor.value[a][b][c] != 0;
        index.entry[a][c] = used ? index.count++ : -1;
      }
    return index;
  }
  static constexpr Index index = make_index();

  // The commonest |C|: terms of this size need no multiplication of their own.
  static constexpr double common() {
    double best = 1;
    int most = 0;
    for (int a = 0; a < d1; ++a)
      for (int b = 0; b < d2; ++b)
        for (int c = 0; c < d3; ++c) {
          const double v = size(tensor.value[a][b][c]);
          if (v == 0) continue;
          int n = 0;
          for (int e = 0; e < d1; ++e)
            for (int f = 0; f < d2; ++f)
              for (int g = 0; g < d3; ++g) n += same(size(tensor.value[e][f][g]), v);
          if (n > most) most = n, best = v;
        }
    return best;
  }
  static constexpr double size(double x) { return x < 0 ? -x : x; }
  static constexpr bool same(double a, double b) { return size(a - b) < 1e-9; }
  static constexpr double unit = common();
  // C / unit, snapped to +-1 where it is that.
  static constexpr double ratio(int a, int b, int c) {
    const double v = tensor.value[a][b][c] / unit;
    return same(v, 1) ? 1 : same(v, -1) ? -1 : v;
  }
};

}  // namespace zifglass::wigner
