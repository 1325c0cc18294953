// Tensor products with gradients as seen from Python: shapes and offsets checked, then the kernels.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "isa.hpp"
#include "product_program.hpp"

namespace nb = nanobind;

namespace zifglass {

namespace isa_baseline { extern const ProductKernels product_kernels; }
#ifdef ZIFGLASS_X86
namespace isa_avx2 { extern const ProductKernels product_kernels; }
namespace isa_avx512 { extern const ProductKernels product_kernels; }
#endif

namespace {

constexpr std::int64_t kWidest = 16;  // floats of the widest vector

const ProductKernels& product_kernels_of(Isa isa) {
#ifdef ZIFGLASS_X86
  if (isa == Isa::avx512) return isa_avx512::product_kernels;
  if (isa == Isa::avx2) return isa_avx2::product_kernels;
#endif
  (void)isa;
  return isa_baseline::product_kernels;
}

using Read = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using ReadRow = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Write = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using WriteRow = nb::ndarray<float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using EdgeList = nb::ndarray<const std::int32_t, nb::shape<2, -1>, nb::c_contig, nb::device::cpu>;
// l1, l2, l3, channels, x, x_stride, message, message_stride, weight
using PathNumbers = std::array<std::int64_t, 9>;

void need(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

struct Checked {
  Product product;
  ProductEdges edges;
  std::vector<ProductPath> paths;
};

Checked checked(const std::vector<PathNumbers>& numbers, double start, double step, const Read& x,
                const Read& harmonics, const ReadRow& lengths, const Read& table,
                const EdgeList& edges, std::int64_t message_rows, std::int64_t message_width) {
  Checked c{};
  const std::int64_t atoms = x.shape(0), count = lengths.shape(0), ny = harmonics.shape(1);
  const std::int64_t x_width = x.shape(1), weights = table.shape(1);
  need(std::int64_t(harmonics.shape(0)) == count && std::int64_t(edges.shape(1)) == count,
       "harmonics, lengths and edges must be of as many edges");
  need(message_rows == atoms, "messages must have a row per atom");
  need(step > 0 && table.shape(0) >= 4, "the table needs four knots and a positive step");
  const auto inside = [](std::int64_t first, std::int64_t stride, int l, std::int64_t channels,
                         std::int64_t width) {
    return first >= 0 && stride >= channels && first + 2 * l * stride + channels <= width;
  };
  for (const PathNumbers& n : numbers) {
    const bool orders = n[0] >= 0 && n[0] <= 2 && n[1] >= 0 && n[1] <= 2 && n[2] >= 0 && n[2] <= 2;
    need(orders && n[2] <= n[0] + n[1] && n[2] >= n[0] - n[1] && n[2] >= n[1] - n[0],
         "a path couples orders up to 2");
    const ProductPath path{int(n[0]), int(n[1]), int(n[2]), int(n[3]), n[4],
                           n[5],      n[6],      n[7],      n[8]};
    need(n[3] > 0 && n[3] < (1 << 20) && n[3] % kWidest == 0,
         "the channels of a path are a multiple of 16");
    need((path.l2 + 1) * (path.l2 + 1) <= ny, "too few harmonics for a path");
    need(inside(path.x, path.x_stride, path.l1, path.channels, x_width) &&
             inside(path.message, path.message_stride, path.l3, path.channels, message_width) &&
             inside(path.weight, path.channels, 0, path.channels, weights),
         "a path reaches beyond its arrays");
    c.paths.push_back(path);
  }
  for (std::int64_t e = 0; e < 2 * count; ++e)
    need(edges.data()[e] >= 0 && edges.data()[e] < atoms, "an edge names an atom that is not there");
  for (std::int64_t e = 0; e < count; ++e)
    need(lengths.data()[e] > 0 && lengths.data()[e] < 1e6f, "lengths are positive and finite");
  c.product = {std::int64_t(c.paths.size()), c.paths.data(), x_width, message_width, weights, ny,
               start, step, std::int64_t(table.shape(0))};
  c.edges = {count, edges.data(), edges.data() + count, harmonics.data(), lengths.data()};
  return c;
}

void forward(const std::string& isa, const std::vector<PathNumbers>& paths, double start,
             double step, Read x, Read harmonics, ReadRow lengths, Read table, EdgeList edges,
             Write message) {
  const ProductKernels& kernels = product_kernels_of(find_isa(isa));
  const nb::gil_scoped_release free_the_interpreter;
  const Checked c = checked(paths, start, step, x, harmonics, lengths, table, edges,
                            message.shape(0), message.shape(1));
  kernels.forward(c.product, c.edges, x.data(), table.data(), message.data());
}

template <class A, class B>
float* same_shape(const std::optional<A>& gradient, const B& of) {
  if (!gradient) return nullptr;
  bool same = true;
  for (std::size_t i = 0; i < of.ndim(); ++i) same = same && gradient->shape(i) == of.shape(i);
  need(same, "a gradient has the shape of what it is of");
  return gradient->data();
}

void backward(const std::string& isa, const std::vector<PathNumbers>& paths, double start,
              double step, Read x, Read harmonics, ReadRow lengths, Read table, EdgeList edges,
              Read message_gradient, std::optional<Write> dx, std::optional<Write> dharmonics,
              std::optional<WriteRow> dlengths, std::optional<Write> dtable) {
  const ProductKernels& kernels = product_kernels_of(find_isa(isa));
  const ProductGradients to{same_shape(dx, x), same_shape(dharmonics, harmonics),
                            same_shape(dlengths, lengths), same_shape(dtable, table)};
  const nb::gil_scoped_release free_the_interpreter;
  const Checked c = checked(paths, start, step, x, harmonics, lengths, table, edges,
                            message_gradient.shape(0), message_gradient.shape(1));
  kernels.backward(c.product, c.edges, x.data(), table.data(), message_gradient.data(), to);
}

}  // namespace
}  // namespace zifglass

void bind_product(nb::module_& m) {
  m.def("product_forward", &zifglass::forward, nb::arg("isa"), nb::arg("paths"), nb::arg("start"),
        nb::arg("step"), nb::arg("x").noconvert(), nb::arg("harmonics").noconvert(),
        nb::arg("lengths").noconvert(), nb::arg("table").noconvert(),
        nb::arg("edges").noconvert(), nb::arg("message").noconvert(),
        "Adds the messages of all edges to message (atoms, width).");
  m.def("product_backward", &zifglass::backward, nb::arg("isa"), nb::arg("paths"),
        nb::arg("start"), nb::arg("step"), nb::arg("x").noconvert(),
        nb::arg("harmonics").noconvert(), nb::arg("lengths").noconvert(),
        nb::arg("table").noconvert(), nb::arg("edges").noconvert(),
        nb::arg("message_gradient").noconvert(), nb::arg("dx").noconvert().none(),
        nb::arg("dharmonics").noconvert().none(), nb::arg("dlengths").noconvert().none(),
        nb::arg("dtable").noconvert().none(),
        "Adds the gradients with respect to x, harmonics, lengths and table where given.");
}
