#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_neighbors(nb::module_ &) {}
