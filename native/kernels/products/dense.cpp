// Products of dense matrices.
#include <mlx/allocator.h>

#include <string_view>

#include "kernels/products/matrices.h"
#include "kernels/products/primitives.h"
#include "kernels/thresholds.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

class DenseProduct : public Substitute {
 public:
  enum class Kind { matmul, addmm, gather };

  DenseProduct(std::shared_ptr<mx::Primitive> of, Kind kind, Real real)
      : Substitute(std::move(of)), kind_(kind), real_(real) {}

  bool compute(const std::vector<mx::array>& inputs, mx::array& output) override {
    Matrices a(inputs[0]);
    Matrices b(inputs[1]);
    if (a.columns() == 0 || !is_faster(a, b)) return false;
    output.set_data(mx::allocator::malloc(output.nbytes()));
    Format format{real_, a.column_stride()};
    if (kind_ == Kind::addmm) {
      auto [alpha, beta] = static_cast<mx::AddMM&>(original()).state();
      format.scale = alpha;
      format.addend_scale = beta;
      Matrices c(inputs[2]);
      format.addend_step = c.column_stride();
      collect(a, b, &c, {}, {}, output);
    } else if (kind_ == Kind::gather) {
      collect(a, b, nullptr, indices_of(inputs[2]), indices_of(inputs[3]), output);
    } else {
      collect(a, b, nullptr, {}, {}, output);
    }
    multiply(products_.all(), format);
    products_ = {};
    return true;
  }

 private:
  bool is_faster(const Matrices& a, const Matrices& b) const {
    if (real_ != Real::f32) return true;
    if (kind_ == Kind::gather) return true;
    size_t size = a.rows() * b.columns() * a.columns();
    if (a.count() > 1) return size <= kSmallProduct;
    bool columns_follow = b.row_stride() == 1 || b.rows() == 1;
    return a.rows() <= (columns_follow ? kFewRows : kFewRowsInPlace);
  }

  void collect(const Matrices& a, const Matrices& b, const Matrices* c,
               const std::vector<uint32_t>& of_a, const std::vector<uint32_t>& of_b,
               mx::array& output) {
    size_t item = bytes_of(real_);
    size_t count = kind_ == Kind::gather ? of_a.size() : a.count();
    size_t width = b.columns();
    auto* to = output.data<std::byte>();
    for (size_t i = 0; i < count; ++i) {
      size_t from = kind_ == Kind::gather ? of_a[i] : i;
      size_t matrix = kind_ == Kind::gather ? of_b[i] : i;
      // One matrix may stand for all of a batch.
      while (kind_ != Kind::gather && matrix > 0 && b.at(matrix) == b.at(matrix - 1)) --matrix;
      auto& rows = products_.with(matrix, [&] {
        return std::make_unique<DenseColumns>(b.at(matrix), real_, b.rows(), width, b.row_stride(),
                                              b.column_stride());
      });
      for (size_t r = 0; r < a.rows(); ++r, to += width * item) {
        rows.push_back({a.row(from, r), to, c == nullptr ? nullptr : c->row(i, r)});
      }
    }
  }

  Kind kind_;
  Real real_;
  Products products_;
};

}  // namespace

std::optional<Real> real_of(mx::Dtype dtype) {
  if (dtype == mx::float32) return Real::f32;
  if (dtype == mx::float16) return Real::f16;
  if (dtype == mx::bfloat16) return Real::bf16;
  return std::nullopt;
}

std::shared_ptr<Substitute> dense_product_for(const mx::array& array) {
  auto real = real_of(array.dtype());
  if (!real) return nullptr;
  const auto& primitive = array.primitive_ptr();
  std::string_view name = primitive->name();
  using Kind = DenseProduct::Kind;
  if (name == "Matmul") return std::make_shared<DenseProduct>(primitive, Kind::matmul, *real);
  if (name == "AddMM") return std::make_shared<DenseProduct>(primitive, Kind::addmm, *real);
  if (name == "GatherMM") return std::make_shared<DenseProduct>(primitive, Kind::gather, *real);
  return nullptr;
}

std::shared_ptr<Substitute> product_for(const mx::array& array) {
  if (auto dense = dense_product_for(array)) return dense;
  return packed_product_for(array);
}

}  // namespace davit::kernels
