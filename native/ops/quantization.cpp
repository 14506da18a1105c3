// Quantized weights, and products with them. Modes: affine, mxfp4, mxfp8, nvfp4.
#include "ops/guards.h"

namespace davit {

namespace {

// The attributes that all of them share.
struct Scheme {
  std::optional<int> group_size, bits;
  std::string mode;
  explicit Scheme(const OpCall& call)
      : group_size(call.optional_integer("group_size")),
        bits(call.optional_integer("bits")),
        mode(call.text("mode")) {}
};

Arrays quantize(const OpCall& call) {
  Scheme scheme(call);
  return mx::quantize(call[0], scheme.group_size, scheme.bits, scheme.mode, call.optional(1),
                      call.stream());
}

mx::array dequantize(const OpCall& call) {
  Scheme scheme(call);
  auto s = call.stream();
  std::optional<mx::Dtype> dtype;
  if (call.has("dtype")) dtype = call.dtype("dtype");
  // MLX writes the elements of floating-point modes as float32, also where they are twice as wide.
  bool wide = dtype == mx::float64 && scheme.mode != "affine";
  auto out = mx::dequantize(call[0], call[1], call.optional(2), scheme.group_size, scheme.bits,
                            scheme.mode, call.optional(3), wide ? mx::float32 : dtype, s);
  return wide ? mx::astype(out, mx::float64, s) : out;
}

mx::array quantized_matmul(const OpCall& call) {
  Scheme scheme(call);
  auto s = call.stream();
  auto x = call[0], scales = call[2];
  auto biases = call.optional(3);
  if (biases) {
    // MLX would cast on the default stream.
    auto dtype = mx::result_type({x, scales, *biases});
    x = mx::astype(x, dtype, s);
    scales = mx::astype(scales, dtype, s);
    biases = mx::astype(*biases, dtype, s);
  }
  auto out = mx::quantized_matmul(x, call[1], scales, biases, call.flag("transpose"),
                                  scheme.group_size, scheme.bits, scheme.mode, s);
  return x.size() == 0 ? zeros_for(out, s) : unless_empty(out, s);
}

mx::array gather_qmm(const OpCall& call) {
  Scheme scheme(call);
  auto s = call.stream();
  auto out =
      mx::gather_qmm(call[0], call[1], call[2], call.optional(3), matrix_indices(call, 4, call[0]),
                     matrix_indices(call, 5, call[1]), call.flag("transpose"), scheme.group_size,
                     scheme.bits, scheme.mode, std::nullopt, sorted_indices(call), s);
  return call[0].size() == 0 ? zeros_for(out, s) : unless_empty(out, s);
}

// MLX converts float64 bytes as if they were float32.
mx::array to_fp8(const OpCall& call) {
  auto s = call.stream();
  return mx::to_fp8(call[0].dtype() == mx::float64 ? mx::astype(call[0], mx::float32, s) : call[0],
                    s);
}

mx::array from_fp8(const OpCall& call) {
  auto s = call.stream();
  auto dtype = call.dtype("dtype");
  if (dtype != mx::float64) return mx::from_fp8(call[0], dtype, s);
  return mx::astype(mx::from_fp8(call[0], mx::float32, s), dtype, s);
}

}  // namespace

void add_quantization_ops(OpTable& table) {
  table.add("quantize", quantize);
  table.add1("dequantize", dequantize);
  table.add1("quantized_matmul", quantized_matmul);
  table.add1("gather_qmm", gather_qmm);
  table.add1("to_fp8", to_fp8);
  table.add1("from_fp8", from_fp8);
}

}  // namespace davit
