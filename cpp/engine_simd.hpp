// Vectors of the instruction set this unit is compiled for (GCC/Clang vector extensions).
// Included by engine_kernels.cpp alone, inside its own namespace: no symbol of it may be
// shared with code compiled for another instruction set.
#pragma once

#define ZIFGLASS_INLINE inline __attribute__((always_inline))
#define ZIFGLASS_CONSTEXPR constexpr __attribute__((always_inline))

typedef float FloatVector __attribute__((vector_size(ZIFGLASS_VECTOR_BYTES), may_alias));
typedef double DoubleVector __attribute__((vector_size(ZIFGLASS_VECTOR_BYTES), may_alias));
typedef std::int32_t FloatBits __attribute__((vector_size(ZIFGLASS_VECTOR_BYTES)));
typedef std::int64_t DoubleBits __attribute__((vector_size(ZIFGLASS_VECTOR_BYTES)));

template <class R>
struct Simd;
template <>
struct Simd<float> {
  using V = FloatVector;
  using Bits = FloatBits;
  static constexpr int lanes = ZIFGLASS_VECTOR_BYTES / 4;
  static constexpr int mantissa = 23, bias = 127, exp_degree = 7;
  static constexpr float round_magic = 12582912.0f, exp_limit = 87.0f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
};
template <>
struct Simd<double> {
  using V = DoubleVector;
  using Bits = DoubleBits;
  static constexpr int lanes = ZIFGLASS_VECTOR_BYTES / 8;
  static constexpr int mantissa = 52, bias = 1023, exp_degree = 13;
  static constexpr double round_magic = 6755399441055744.0, exp_limit = 708.0;
  static constexpr double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
};

template <class R>
using Vec = typename Simd<R>::V;

template <class R>
ZIFGLASS_INLINE Vec<R> load(const R* p) {
  return *reinterpret_cast<const Vec<R>*>(p);
}
template <class R>
ZIFGLASS_INLINE void store(R* p, Vec<R> v) {
  *reinterpret_cast<Vec<R>*>(p) = v;
}

template <int N>
struct Int {
  static constexpr int value = N;
};

template <int... I>
struct Indices {};
template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
  using type = Indices<I...>;
};
template <class F, int... I>
ZIFGLASS_CONSTEXPR inline void unroll_over(Indices<I...>, F&& f) {
  (f(Int<I>{}), ...);
}
// f(Int<0>{}), f(Int<1>{}), ... in sequence.
template <int N, class F>
ZIFGLASS_CONSTEXPR inline void unroll(F&& f) {
  unroll_over(typename MakeIndices<N>::type{}, f);
}
// Hides a vector's value from the optimiser.
#if defined(__x86_64__)
#define ZIFGLASS_OPAQUE(v) asm volatile("" : "+v"(v))
#elif defined(__aarch64__)
#define ZIFGLASS_OPAQUE(v) asm volatile("" : "+w"(v))
#else
#define ZIFGLASS_OPAQUE(v) asm volatile("" : "+m"(v))
#endif

#define ZIFGLASS_EACH(i) [&](auto i) __attribute__((always_inline))

// e^x, relative error of a few units in the last place, for |x| < exp_limit (clamped beyond).
template <class R>
ZIFGLASS_INLINE Vec<R> exponential(Vec<R> x) {
  using S = Simd<R>;
  const Vec<R> zero = {};
  const Vec<R> high = zero + S::exp_limit, low = zero - S::exp_limit;
  x = x > high ? high : x;
  x = x < low ? low : x;
  const Vec<R> shifted = x * R(1.4426950408889634) + S::round_magic;
  const Vec<R> n = shifted - S::round_magic;
  Vec<R> r = x - n * S::ln2_high;
  r = r - n * S::ln2_low;
  R inverse_factorial[S::exp_degree + 1] = {};
  double f = 1;
  inverse_factorial[0] = 1;
  for (int k = 1; k <= S::exp_degree; ++k) inverse_factorial[k] = R(1.0 / (f *= k));
  Vec<R> p = zero + inverse_factorial[S::exp_degree];
#pragma GCC unroll 16
  for (int k = S::exp_degree - 1; k >= 0; --k) p = p * r + inverse_factorial[k];
  const typename S::Bits exponent =
      (__builtin_convertvector(n, typename S::Bits) + S::bias) << S::mantissa;
  return p * reinterpret_cast<const Vec<R>&>(exponent);
}

// The sums over the lanes of `lanes` vectors, as one vector: a transposing tree of additions,
// always in the same order.
template <int Half, class R, int... I>
ZIFGLASS_INLINE Vec<R> add_halves_of(Vec<R> a, Vec<R> b, Indices<I...>) {
  // Lanes in groups of 2 Half: a's lower (upper) half of each, then b's.
  constexpr int shift = Simd<R>::lanes - Half;
  return __builtin_shufflevector(a, b, (I % (2 * Half) < Half ? I : I + shift)...) +
         __builtin_shufflevector(a, b, (I % (2 * Half) < Half ? I + Half : I + shift + Half)...);
}

template <int Half, class R>
ZIFGLASS_INLINE Vec<R> add_halves(Vec<R> a, Vec<R> b) {
  return add_halves_of<Half, R>(a, b, typename MakeIndices<Simd<R>::lanes>::type{});
}

template <class R, int Count = Simd<R>::lanes>
ZIFGLASS_INLINE Vec<R> sum_lanes(Vec<R>* v) {
  if constexpr (Count == 1) {
    return v[0];
  } else {
    unroll<Count / 2>(ZIFGLASS_EACH(i) {
      v[i.value] = add_halves<Count / 2, R>(v[i.value], v[i.value + Count / 2]);
    });
    return sum_lanes<R, Count / 2>(v);
  }
}
