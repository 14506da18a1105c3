// Linear algebra. What LAPACK computes runs on the CPU stream: a GPU has no kernel for it.
#include <cmath>
#include <limits>

#include "ops/guards.h"

namespace davit {

namespace {

namespace la = mx::linalg;

using Unary = mx::array (*)(const mx::array&, mx::StreamOrDevice);
using Triangular = mx::array (*)(const mx::array&, bool, mx::StreamOrDevice);
using Pair = std::pair<mx::array, mx::array> (*)(const mx::array&, mx::StreamOrDevice);

struct UnaryRow {
  const char* name;
  Unary op;
};

struct TriangularRow {
  const char* name;
  Triangular op;
};

struct PairRow {
  const char* name;
  Pair op;
};

const UnaryRow kUnaries[] = {
    {"linalg.inv", la::inv},
    {"linalg.pinv", la::pinv},
    {"linalg.eigvals", la::eigvals},
    {"linalg.det", la::det},
};

const TriangularRow kTriangulars[] = {
    {"linalg.tri_inv", la::tri_inv},
    {"linalg.cholesky", la::cholesky},
    {"linalg.cholesky_inv", la::cholesky_inv},
};

const PairRow kPairs[] = {
    {"linalg.qr", la::qr},
    {"linalg.slogdet", la::slogdet},
};

// Where there is nothing to pivot the rows stay where they are.
mx::array no_pivots(const mx::array& rows, mx::Stream s) {
  auto order = mx::arange(0, rows.shape(-1), 1, s);
  return mx::broadcast_to(mx::astype(order, mx::uint32, s), rows.shape(), s);
}

Arrays lu(const OpCall& call) {
  auto s = call.cpu_stream();
  auto out = la::lu(call[0], s);
  if (call[0].size() > 0) return out;
  return {no_pivots(out[0], s), zeros_for(out[1], s), zeros_for(out[2], s)};
}

Arrays lu_factor(const OpCall& call) {
  auto s = call.cpu_stream();
  auto [lu, pivots] = la::lu_factor(call[0], s);
  if (call[0].size() > 0) return {lu, pivots};
  return {zeros_for(lu, s), zeros_for(pivots, s)};
}

// Of a complex matrix MLX 0.32.4 returns the conjugates of the eigenvectors.
Arrays eig(const OpCall& call) {
  auto s = call.cpu_stream();
  auto [values, vectors] = la::eig(call[0], s);
  return {values, call[0].dtype() == mx::complex64 ? mx::conjugate(vectors, s) : vectors};
}

mx::array norm_of_any(const OpCall& call) {
  std::optional<std::vector<int>> axes;
  if (call.has("axes")) axes = call.integers("axes");
  bool keepdims = call.flag("keepdims");
  bool matrix = axes ? axes->size() == 2 : call[0].ndim() == 2;
  if (call.has("ord_name")) {
    auto name = call.text("ord_name");
    // The nuclear norm takes singular values.
    auto s = name == "nuc" ? call.cpu_stream() : call.stream();
    return la::norm(call[0], name, axes, keepdims, s);
  }
  if (!call.has("ord")) return la::norm(call[0], axes, keepdims, call.stream());
  double ord = call.number("ord");
  auto s = matrix && std::abs(ord) == 2 ? call.cpu_stream() : call.stream();
  return la::norm(call[0], ord, axes, keepdims, s);
}

// Of nothing it is 0, or what 0 to a negative power is.
mx::array norm(const OpCall& call) {
  auto out = norm_of_any(call);
  if (call[0].size() > 0) return out;
  bool matrix = call.has("axes") ? call.integers("axes").size() == 2 : call[0].ndim() == 2;
  bool inverse = !matrix && call.has("ord") && call.number("ord") < 0;
  auto value = mx::array(inverse ? std::numeric_limits<double>::infinity() : 0.0, out.dtype());
  return mx::full(out.shape(), value, call.stream());
}

// Batches are broadcast here: MLX does it for the triangular product, but not for the permutation.
mx::array solve(const OpCall& call) {
  auto s = call.cpu_stream();
  auto a = call[0], b = call[1];
  bool vector = b.ndim() == 1;
  if (vector) b = mx::expand_dims(b, 1, s);
  mx::Shape of_a(a.shape().begin(), a.shape().end() - 2);
  mx::Shape of_b(b.shape().begin(), b.shape().end() - 2);
  auto batch = mx::broadcast_shapes(of_a, of_b);
  auto spread = [&](const mx::array& x) {
    auto shape = batch;
    shape.push_back(x.shape(-2));
    shape.push_back(x.shape(-1));
    return mx::broadcast_to(x, shape, s);
  };
  auto x = unless_empty(la::solve(spread(a), spread(b), s), s);
  return vector ? mx::squeeze(x, -1, s) : x;
}

}  // namespace

void add_linalg_ops(OpTable& table) {
  for (const auto& row : kUnaries) {
    table.add1(row.name, [op = row.op](const OpCall& call) {
      return unless_empty(op(call[0], call.cpu_stream()), call.cpu_stream());
    });
  }
  for (const auto& row : kTriangulars) {
    table.add1(row.name, [op = row.op](const OpCall& call) {
      auto s = call.cpu_stream();
      return unless_empty(op(call[0], call.flag("upper"), s), s);
    });
  }
  for (const auto& row : kPairs) {
    table.add(row.name, [op = row.op](const OpCall& call) -> Arrays {
      auto [first, second] = op(call[0], call.cpu_stream());
      return {first, second};
    });
  }
  table.add("linalg.eig", eig);
  table.add1("linalg.norm", norm);
  table.add("linalg.svd", [](const OpCall& call) {
    return la::svd(call[0], call.flag("compute_uv"), call.cpu_stream());
  });
  table.add("linalg.eigh", [](const OpCall& call) -> Arrays {
    auto [values, vectors] = la::eigh(call[0], call.text("UPLO"), call.cpu_stream());
    return {values, vectors};
  });
  table.add1("linalg.eigvalsh", [](const OpCall& call) {
    return la::eigvalsh(call[0], call.text("UPLO"), call.cpu_stream());
  });
  table.add("linalg.lu", lu);
  table.add("linalg.lu_factor", lu_factor);
  table.add1("linalg.solve", solve);
  table.add1("linalg.solve_triangular", [](const OpCall& call) {
    auto s = call.cpu_stream();
    return unless_empty(la::solve_triangular(call[0], call[1], call.flag("upper"), s), s);
  });
  table.add1("linalg.cross", [](const OpCall& call) {
    return la::cross(call[0], call[1], call.integer("axis"), call.stream());
  });
}

}  // namespace davit
