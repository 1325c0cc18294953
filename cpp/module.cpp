// The one extension module, zifglass._native. Each file binds what it defines.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_neighbors(nb::module_ &m);
void bind_distributions(nb::module_ &m);
void bind_linkers(nb::module_ &m);
void bind_rings(nb::module_ &m);
void bind_engine(nb::module_ &m);
void bind_product(nb::module_ &m);
void bind_text(nb::module_ &m);

NB_MODULE(_native, m) {
  m.doc() = "Compiled kernels of zifglass: neighbours, distributions, rings, the network engine.";
  bind_neighbors(m);
  bind_distributions(m);
  bind_linkers(m);
  bind_rings(m);
  bind_engine(m);
  bind_product(m);
  bind_text(m);
}
