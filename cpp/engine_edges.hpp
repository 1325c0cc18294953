// Per-edge geometry: harmonics and spline weights on the way in, vectors' gradients on the way
// out. In double from the vectors on, then rounded to R.
#pragma once

struct Harmonics {
  double value[16], slope[3][16];  // Y_k and its gradient as a polynomial in (x, y, z)
};

// Real harmonics of a unit vector up to l_max, 'component' normalised (harmonics.py), and their
// gradients as polynomials; only the part of a gradient across the vector has a meaning.
ZIFGLASS_INLINE void harmonics(double x, double y, double z, int l_max, Harmonics& h) {
  double* v = h.value;
  double *gx = h.slope[0], *gy = h.slope[1], *gz = h.slope[2];
  v[0] = 1, gx[0] = gy[0] = gz[0] = 0;
  if (l_max < 1) return;
  constexpr double s3 = 1.7320508075688772;
  v[1] = s3 * x, v[2] = s3 * y, v[3] = s3 * z;
  gx[1] = gy[2] = gz[3] = s3;
  gy[1] = gz[1] = gx[2] = gz[2] = gx[3] = gy[3] = 0;
  if (l_max < 2) return;
  constexpr double s15 = 3.8729833462074170, s5 = 2.2360679774997898;
  v[4] = s15 * x * z, gx[4] = s15 * z, gy[4] = 0, gz[4] = s15 * x;
  v[5] = s15 * x * y, gx[5] = s15 * y, gy[5] = s15 * x, gz[5] = 0;
  v[6] = s5 * (y * y - 0.5 * (x * x + z * z)), gx[6] = -s5 * x, gy[6] = 2 * s5 * y, gz[6] = -s5 * z;
  v[7] = s15 * y * z, gx[7] = 0, gy[7] = s15 * z, gz[7] = s15 * y;
  v[8] = 0.5 * s15 * (z * z - x * x), gx[8] = -s15 * x, gy[8] = 0, gz[8] = s15 * z;
  if (l_max < 3) return;
  const double ring = x * x + z * z;
  constexpr double a = 2.0916500663351889;   // sqrt(70)/4
  constexpr double b = 10.246950765959598;   // sqrt(105)
  constexpr double c = 1.6201851746019651;   // sqrt(42)/4
  constexpr double d = 1.3228756555322954;   // sqrt(7)/2
  v[9] = a * x * (3 * z * z - x * x);
  gx[9] = 3 * a * (z * z - x * x), gy[9] = 0, gz[9] = 6 * a * x * z;
  v[10] = b * x * y * z;
  gx[10] = b * y * z, gy[10] = b * x * z, gz[10] = b * x * y;
  v[11] = c * x * (4 * y * y - ring);
  gx[11] = c * (4 * y * y - 3 * x * x - z * z), gy[11] = 8 * c * x * y, gz[11] = -2 * c * x * z;
  v[12] = d * y * (2 * y * y - 3 * ring);
  gx[12] = -6 * d * x * y, gy[12] = 3 * d * (2 * y * y - ring), gz[12] = -6 * d * y * z;
  v[13] = c * z * (4 * y * y - ring);
  gx[13] = -2 * c * x * z, gy[13] = 8 * c * y * z, gz[13] = c * (4 * y * y - 3 * z * z - x * x);
  v[14] = 0.5 * b * y * (z * z - x * x);
  gx[14] = -b * x * y, gy[14] = 0.5 * b * (z * z - x * x), gz[14] = b * y * z;
  v[15] = a * z * (z * z - 3 * x * x);
  gx[15] = -6 * a * x * z, gy[15] = 0, gz[15] = 3 * a * (z * z - x * x);
}

template <class R, int L>
void edge_geometry(const Program<R>& p, const Graph& g, const Workspace<R>& w, int atom) {
  constexpr int n = (L + 1) * (L + 1);
  const std::int64_t first = g.first[atom], end = first + g.count[atom];
  const std::int64_t padded = first + (g.count[atom] + kEdgeAlign - 1) / kEdgeAlign * kEdgeAlign;
  for (std::int64_t e = first; e < end; ++e) {
    const double x = g.dx[e], y = g.dy[e], z = g.dz[e];
    const double r = __builtin_sqrt(x * x + y * y + z * z), inverse = 1 / r;
    Harmonics h;
    harmonics(x * inverse, y * inverse, z * inverse, L, h);
    for (int k = 0; k < n; ++k) w.harmonics[k * g.n_slots + e] = R(h.value[k]);
    const double u = (r - p.grid_start) / p.grid_step;
    int row = int(u);
    row = row < 0 ? 0 : row >= p.grid_intervals ? p.grid_intervals - 1 : row;
    const double t = u - row, s = 1 - t, sixth = 1.0 / 6, scale = 1 / p.grid_step;
    w.row[e] = row;
    w.value[0][e] = R(sixth * s * s * s);
    w.value[1][e] = R(sixth * ((3 * t - 6) * t * t + 4));
    w.value[2][e] = R(sixth * (((-3 * t + 3) * t + 3) * t + 1));
    w.value[3][e] = R(sixth * t * t * t);
    w.slope[0][e] = R(-0.5 * s * s * scale);
    w.slope[1][e] = R((1.5 * t - 2) * t * scale);
    w.slope[2][e] = R(((-1.5 * t + 1) * t + 0.5) * scale);
    w.slope[3][e] = R(0.5 * t * t * scale);
  }
  for (int k = 0; k < n; ++k)
    for (std::int64_t e = end; e < padded; ++e) w.harmonics[k * g.n_slots + e] = 0;
  for (int k = 0; k < n; ++k)
    for (std::int64_t e = first; e < padded; ++e) w.edge_gradient[k * g.n_slots + e] = 0;
}

// dE/dvector of the edges in which `atom` is the source, from dE/dr and dE/dY:
// along u: dE/dr; across u: (1 - u u^T) sum_k dE/dY_k grad Y_k / r.
template <class R, int L>
void edge_vector_gradient(const Graph& g, const Workspace<R>& w, int atom, double* virial) {
  constexpr int n = (L + 1) * (L + 1);
  for (int i = 0; i < 6; ++i) virial[i] = 0;
  for (std::int64_t e = g.first[atom]; e < g.first[atom] + g.count[atom]; ++e) {
    const double x = -g.dx[e], y = -g.dy[e], z = -g.dz[e];
    const double inverse = 1 / __builtin_sqrt(x * x + y * y + z * z);
    const double ux = x * inverse, uy = y * inverse, uz = z * inverse;
    Harmonics h;
    harmonics(ux, uy, uz, L, h);
    double sx = 0, sy = 0, sz = 0;
    for (int k = 1; k < n; ++k) {
      const double d = double(w.edge_gradient[k * g.n_slots + e]);
      sx += d * h.slope[0][k], sy += d * h.slope[1][k], sz += d * h.slope[2][k];
    }
    const double along = sx * ux + sy * uy + sz * uz;
    const double radial = double(w.edge_gradient[e]) - along * inverse;
    const double fx = sx * inverse + radial * ux, fy = sy * inverse + radial * uy,
                 fz = sz * inverse + radial * uz;
    w.gx[e] = fx, w.gy[e] = fy, w.gz[e] = fz;
    virial[0] += x * fx, virial[1] += y * fy, virial[2] += z * fz;
    virial[3] += 0.5 * (y * fz + z * fy), virial[4] += 0.5 * (x * fz + z * fx);
    virial[5] += 0.5 * (x * fy + y * fx);
  }
}

template <class R>
void gather_force(const Graph& g, const Workspace<R>& w, int atom, double* force) {
  double fx = 0, fy = 0, fz = 0;
  for (std::int64_t e = g.first[atom]; e < g.first[atom] + g.count[atom]; ++e) {
    const std::int64_t back = g.reverse[e];
    fx += w.gx[back] - w.gx[e], fy += w.gy[back] - w.gy[e], fz += w.gz[back] - w.gz[e];
  }
  force[0] = fx, force[1] = fy, force[2] = fz;
}
