import type { TensorType } from "../../../src/tensor/dtype.js";
import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

function scheme(types: Types) {
  const { random } = types;
  const mode = random.pick(["affine", "affine", "affine", "mxfp4", "mxfp8", "nvfp4"]);
  if (mode !== "affine") {
    return { mode, group_size: mode === "nvfp4" ? 16 : 32, bits: mode === "mxfp8" ? 8 : 4 };
  }
  return { mode, group_size: random.pick([32, 64, 128]), bits: random.pick([1, 2, 3, 4, 5, 6, 8]) };
}

function quantized(types: Types) {
  const { random } = types;
  const attributes = scheme(types);
  const { mode, group_size, bits } = attributes;
  const dtype = types.float();
  const batch = random.chance(0.3) ? [random.between(1, 3)] : [];
  const rows = random.pick([0, 1, 2, 3, 8, 16, 32]);
  const columns = group_size * random.below(4);
  const affine = mode === "affine";
  const groups = [...batch, rows, columns / group_size];
  const scales = types.type(affine ? dtype : "uint8", groups);
  const biases: TensorType | null = affine ? types.type(dtype, groups) : null;
  const words = types.type("uint32", [...batch, rows, (columns * bits) / 32]);
  const globalScale =
    mode === "nvfp4" && random.chance(0.5) ? ({ dtype: "float32", shape: [] } as const) : null;
  return { attributes, dtype, batch, rows, columns, words, scales, biases, globalScale };
}

function quantize(types: Types): Suggestion {
  const { attributes, dtype, batch, rows, columns, globalScale } = quantized(types);
  return { types: [types.type(dtype, [...batch, rows, columns]), globalScale], attributes };
}

function dequantize(types: Types): Suggestion {
  const { attributes, words, scales, biases, globalScale } = quantized(types);
  return { types: [words, scales, biases, globalScale], attributes };
}

function quantizedMatmul(types: Types, op: string): Suggestion {
  const { random } = types;
  const { attributes, dtype, batch, rows, columns, words, scales, biases } = quantized(types);
  const transpose = random.chance(0.5);
  const matrix = [random.pick([0, 1, 2, 3, 8]), transpose ? columns : rows];
  const all = { ...attributes, transpose };
  if (op === "quantized_matmul") {
    const x = types.type(dtype, [...(random.chance(0.5) ? batch : []), ...matrix]);
    return { types: [x, words, scales, biases], attributes: all };
  }
  const shape = types.shape(random.below(3));
  const indices = () => types.maybe(0.7, () => types.type(types.integer(), shape));
  const x = types.type(dtype, [random.between(1, 3), ...matrix]);
  return { types: [x, words, scales, biases, indices(), indices()], attributes: all };
}

/** Quantized weights. */
export const QUANTIZATION_SUGGESTIONS: Suggestions = {
  quantize,
  dequantize,
  quantized_matmul: quantizedMatmul,
  gather_qmm: quantizedMatmul,
  to_fp8: (types) => ({ types: [types.type(types.float(), types.shape())] }),
  from_fp8: (types) => ({ types: [types.type("uint8", types.shape())] }),
};
