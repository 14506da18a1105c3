// Products with packed matrices.
#include <mlx/allocator.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "kernels/instructions.h"
#include "kernels/products/matrices.h"
#include "kernels/products/primitives.h"
#include "kernels/results.h"
#include "traversal.h"

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
    // A vector is a matrix of one row.
    if (inputs[0].ndim() == 1) return false;
    Products products;
    Operands operands(inputs, packing_.kind == Packing::Kind::integer);
    std::vector<uint32_t> of_a;
    std::vector<uint32_t> of_b;
    if (gathers_) {
      of_a = indices_of(inputs[inputs.size() - 2]);
      of_b = indices_of(inputs[inputs.size() - 1]);
    }
    collect(operands, of_a, of_b, 0, output, products);
    multiply(products.all(), {real_, operands.a.column_stride()});
    return true;
  }

  // What is multiplied, as it lies in memory.
  struct Operands {
    Operands(const std::vector<mx::array>& inputs, bool has_biases)
        : a(inputs[0]),
          packed(inputs[1]),
          scales(inputs[2]),
          biases(has_biases ? inputs[3] : inputs[2]) {
      for (auto* matrices : {&packed, &scales, &biases}) matrices->lie_row_by_row();
    }

    Matrices a;
    Matrices packed;
    Matrices scales;
    Matrices biases;
  };

  // Adds the rows of the result to products, whose matrices are numbered from `first` on. What
  // indices send to what may be empty.
  void collect(const Operands& operands, const std::vector<uint32_t>& of_a,
               const std::vector<uint32_t>& of_b, size_t first, mx::array& output,
               Products& products) const {
    const auto& [a, packed, scales, biases] = operands;
    bool affine = packing_.kind == Packing::Kind::integer;
    output.set_data(mx::allocator::malloc(output.nbytes()));
    size_t width = static_cast<size_t>(output.shape(-1));
    auto* to = output.data<std::byte>();
    size_t count = gathers_ ? of_a.size() : a.count();
    for (size_t i = 0; i < count; ++i) {
      size_t from = gathers_ ? of_a[i] : i;
      size_t matrix = gathers_ ? of_b[i] : packed.count() == 1 ? 0 : i;
      auto& rows = products.with(first + matrix, [&] {
        PackedMatrix memory{reinterpret_cast<const uint8_t*>(packed.at(matrix)), scales.at(matrix),
                            affine ? biases.at(matrix) : nullptr, scale_real_, scale_of_byte()};
        return std::make_unique<PackedColumns>(memory, packing_, transposed_, a.columns(), width);
      });
      for (size_t r = 0; r < a.rows(); ++r, to += width * bytes_of(real_)) {
        rows.push_back({a.row(from, r), to, nullptr});
      }
    }
  }

  // Whether it may be computed together with others of the same first operand.
  bool joins() const { return !gathers_ && transposed_ && packing_.kind == Packing::Kind::integer; }
  Real real() const { return real_; }

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

// Products of the same rows with several matrices, which are given with their scales and biases one
// after the other.
class JoinedProducts : public mx::Primitive {
 public:
  explicit JoinedProducts(std::vector<std::shared_ptr<PackedProduct>> parts)
      : Primitive(parts[0]->stream()), parts_(std::move(parts)) {}

  void eval_cpu(const std::vector<mx::array>& inputs, std::vector<mx::array>& outputs) override {
    std::vector<PackedProduct::Operands> operands;
    Products products;
    for (size_t i = 0; i < parts_.size(); ++i) {
      operands.emplace_back(operands_of(inputs, i), true);
      size_t first = products.all().size();
      parts_[i]->collect(operands.back(), {}, {}, first, outputs[i], products);
    }
    multiply(products.all(), {parts_[0]->real(), operands[0].a.column_stride()});
  }
  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("a kernel for the CPU is evaluated on a CPU stream");
  }
  const char* name() const override { return "DavitProducts"; }

 private:
  static std::vector<mx::array> operands_of(const std::vector<mx::array>& inputs, size_t part) {
    auto first = inputs.begin() + 1 + 3 * static_cast<std::ptrdiff_t>(part);
    std::vector<mx::array> operands{inputs[0]};
    operands.insert(operands.end(), first, first + 3);
    return operands;
  }

  std::vector<std::shared_ptr<PackedProduct>> parts_;
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

void join_packed_products(const std::vector<mx::array>& outputs, const Replaced& replaced) {
  // By their first operand.
  std::map<std::uintptr_t, std::vector<mx::array>> with_operand;
  visit_primitives(outputs, [&](const mx::array& array) {
    auto part = std::dynamic_pointer_cast<PackedProduct>(array.primitive_ptr());
    const auto& inputs = array.inputs();
    // Matrices that are computed may depend on another product.
    bool joins = part && part->joins() && inputs[0].ndim() > 1 && inputs.size() == 4 &&
                 std::none_of(inputs.begin() + 1, inputs.end(),
                              [](const mx::array& input) { return input.has_primitive(); });
    if (joins) with_operand[inputs[0].id()].push_back(array);
    return true;
  });
  for (auto& [_, arrays] : with_operand) {
    if (arrays.size() < 2) continue;
    std::vector<std::shared_ptr<PackedProduct>> parts;
    std::vector<mx::array> inputs{arrays[0].inputs()[0]};
    for (const auto& array : arrays) {
      parts.push_back(std::dynamic_pointer_cast<PackedProduct>(array.primitive_ptr()));
      inputs.insert(inputs.end(), array.inputs().begin() + 1, array.inputs().end());
    }
    auto joined = std::make_shared<JoinedProducts>(parts);
    for (const auto& part : parts) replaced(part.get(), joined.get());
    make_results(arrays, joined, inputs);
  }
}

}  // namespace davit::kernels
