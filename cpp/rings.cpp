#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_rings(nb::module_ &) {}
