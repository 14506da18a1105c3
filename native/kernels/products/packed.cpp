// Products with packed matrices.
#include <mlx/allocator.h>

#include <optional>
#include <string_view>

#include "kernels/instructions.h"
#include "kernels/products/matrices.h"
#include "kernels/products/primitives.h"

namespace davit::kernels {

namespace mx = mlx::core;

namespace {

class PackedProduct : public Substitute {
 public:
  // `scale_real`: what scales and biases are.
  PackedProduct(std::shared_ptr<mx::Primitive> of, bool gathers, Real real, Real scale_real,
                Packing packing, bool transposed)
      : Substitute(std::move(of)),
        gathers_(gathers),
        real_(real),
        scale_real_(scale_real),
        packing_(packing),
        transposed_(transposed) {}

  bool compute(const std::vector<mx::array>& inputs, mx::array& output) override {
    bool affine = packing_.kind == Packing::Kind::integer;
    // A vector is a matrix of one row.
    auto x = inputs[0];
    if (x.ndim() == 1) return false;
    Matrices a(x);
    Matrices packed(inputs[1]);
    Matrices scales(inputs[2]);
    Matrices biases(affine ? inputs[3] : inputs[2]);
    for (auto* matrices : {&packed, &scales, &biases}) matrices->lie_row_by_row();
    std::vector<uint32_t> of_a;
    std::vector<uint32_t> of_b;
    if (gathers_) {
      of_a = indices_of(inputs[inputs.size() - 2]);
      of_b = indices_of(inputs[inputs.size() - 1]);
    }
    output.set_data(mx::allocator::malloc(output.nbytes()));
    size_t width = static_cast<size_t>(output.shape(-1));
    auto* to = output.data<std::byte>();
    Products products;
    size_t count = gathers_ ? of_a.size() : a.count();
    for (size_t i = 0; i < count; ++i) {
      size_t from = gathers_ ? of_a[i] : i;
      size_t matrix = gathers_ ? of_b[i] : packed.count() == 1 ? 0 : i;
      auto& rows = products.with(matrix, [&] {
        PackedMatrix memory{reinterpret_cast<const uint8_t*>(packed.at(matrix)), scales.at(matrix),
                            affine ? biases.at(matrix) : nullptr, scale_real_, scale_of_byte()};
        return std::make_unique<PackedColumns>(memory, packing_, transposed_, a.columns(), width);
      });
      for (size_t r = 0; r < a.rows(); ++r, to += width * bytes_of(real_)) {
        rows.push_back({a.row(from, r), to, nullptr});
      }
    }
    multiply(products.all(), {real_, a.column_stride()});
    return true;
  }

 private:
  const float* scale_of_byte() const {
    if (packing_.kind == Packing::Kind::integer) return nullptr;
    return packing_.group == 16 ? float8_scales() : power_of_two_scales();
  }

  bool gathers_;
  Real real_;
  Real scale_real_;
  Packing packing_;
  bool transposed_;
};

// Scales and biases in half precision that are cast for a product of float32 are read as they are:
// of a product of few rows, to cast them takes as long as to multiply. Returns what they are.
Real without_casts(const mx::array& product, Real real) {
  auto& inputs = mx::array(product).inputs();
  // MLX computes a product with a vector, and needs them cast.
  if (real != Real::f32 || inputs.size() < 4 || inputs[0].ndim() == 1) return real;
  auto half_of = [](const mx::array& part) -> std::optional<mx::array> {
    if (!part.has_primitive() || part.dtype() != mx::float32) return std::nullopt;
    if (std::string_view(part.primitive().name()) != "AsType") return std::nullopt;
    auto source = part.inputs()[0].dtype();
    if (source != mx::float16 && source != mx::bfloat16) return std::nullopt;
    return part.inputs()[0];
  };
  auto scales = half_of(inputs[2]);
  auto biases = half_of(inputs[3]);
  if (!scales || !biases || scales->dtype() != biases->dtype()) return real;
  auto half = *real_of(scales->dtype());
  inputs[2] = *scales;
  inputs[3] = *biases;
  return half;
}

Packing packing_of(int group, int bits, mx::QuantizationMode mode) {
  using Mode = mx::QuantizationMode;
  auto kind = mode == Mode::Affine  ? Packing::Kind::integer
              : mode == Mode::Mxfp8 ? Packing::Kind::float8
                                    : Packing::Kind::float4;
  return {kind, static_cast<uint8_t>(bits), static_cast<uint16_t>(group)};
}

}  // namespace

std::shared_ptr<Substitute> packed_product_for(const mx::array& array) {
  auto real = real_of(array.dtype());
  const auto& primitive = array.primitive_ptr();
  std::string_view name = primitive->name();
  bool gathers = name == "GatherQMM";
  if (!real || (!gathers && name != "QuantizedMatmul")) return nullptr;
  Packing packing;
  bool transposed;
  if (gathers) {
    auto [group, bits, mode, t, left, right] = static_cast<mx::GatherQMM&>(*primitive).state();
    packing = packing_of(group, bits, mode);
    transposed = t;
  } else {
    auto [group, bits, mode, t] = static_cast<mx::QuantizedMatmul&>(*primitive).state();
    packing = packing_of(group, bits, mode);
    transposed = t;
  }
  if (instructions()->products->unpack(packing) == nullptr) return nullptr;
  bool affine = packing.kind == Packing::Kind::integer;
  auto scale_real = affine ? without_casts(array, *real) : *real;
  return std::make_shared<PackedProduct>(primitive, gathers, *real, scale_real, packing,
                                         transposed);
}

}  // namespace davit::kernels
