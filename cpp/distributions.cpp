#include <nanobind/nanobind.h>

namespace nb = nanobind;

void bind_distributions(nb::module_ &) {}
