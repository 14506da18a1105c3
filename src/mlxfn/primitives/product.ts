import { type Call, type Lowering, type Lowerings, to } from "./call.js";

const MODES = ["affine", "mxfp4", "mxfp8", "nvfp4"];
/** An operand that is absent. */
const ABSENT = -1;

/** How a matrix is quantized; undefined for a mode that there is not. */
function quantization({ state }: Call) {
  const mode = MODES[state.mode as number];
  if (mode === undefined) return undefined;
  return { group_size: state.groupSize as number, bits: state.bits as number, mode };
}

/** The operands of a quantized product, with a place for the biases that only the affine mode has. */
function quantizedOperands({ inputs }: Call, mode: string): number[] {
  const [x, w, scales, ...rest] = inputs as [number, number, number, ...number[]];
  return mode === "affine" ? [...inputs] : [x, w, scales, ABSENT, ...rest];
}

function quantizedProduct(op: string): Lowering {
  return (call) => {
    const how = quantization(call);
    if (how === undefined) return undefined;
    const attributes = { ...how, transpose: call.state.transpose as boolean };
    return call.add(op, quantizedOperands(call, how.mode), attributes);
  };
}

/** Quantizes a matrix, or makes floats of a quantized one. */
const quantize: Lowering = (call) => {
  const how = quantization(call);
  const { inputs, outputTypes, state, add } = call;
  const wanted = state.dequantize !== true ? 1 : how?.mode === "affine" ? 3 : 2;
  if (how === undefined || inputs.length !== wanted) return undefined;
  if (state.dequantize !== true) return add("quantize", inputs, how, outputTypes.length);
  return add("dequantize", inputs, { ...how, dtype: outputTypes[0]?.dtype as string });
};

/** Operands: two matrices, then a mask of the result, one of each matrix, or all three. */
const masked: Lowering = (call) => {
  const [a, b, ...masks] = call.inputs as [number, number, ...number[]];
  const all = masks.length === 2 ? [ABSENT, ...masks] : masks;
  return call.add("block_masked_mm", [a, b, ...all], {
    block_size: call.state.blockSize as number,
  });
};

const attention: Lowering = (call) => {
  const { causal, sinks, logsumexp, scale } = call.state;
  if (logsumexp === true) return undefined;
  const [q, k, v, ...rest] = call.inputs as [number, number, number, ...number[]];
  const sink = sinks === true ? rest.pop() : undefined;
  const operands = [q, k, v, ...rest];
  if (sink !== undefined) operands.push(...(rest.length === 0 ? [ABSENT] : []), sink);
  return call.add("fast.scaled_dot_product_attention", operands, {
    scale: scale as number,
    ...(causal === true ? { mask_mode: "causal" } : {}),
  });
};

const rope: Lowering = (call) => {
  const { dims, traditional, base, scale, forward } = call.state;
  if (forward !== true) return undefined;
  return call.add("fast.rope", call.inputs, {
    dims: dims as number,
    traditional: traditional as boolean,
    scale: scale as number,
    // Frequencies that are given take its place.
    ...(call.inputs.length > 2 ? {} : { base: base as number }),
  });
};

/** A norm whose weights MLX writes as numbers where there are none. */
function norm(op: string): Lowering {
  return (call) => {
    const [x, ...weights] = call.inputs as [number, ...number[]];
    const given = weights.map((weight, index) =>
      call.inputTypes[index + 1]?.shape.length === 1 ? weight : ABSENT,
    );
    return call.add(op, [x, ...given], { eps: call.state.eps as number });
  };
}

/** Primitives that multiply matrices, and what models are made of. */
export const PRODUCT: Lowerings = {
  AddMM: ({ inputs, state, add }) => {
    const [a, b, c] = inputs as [number, number, number];
    return add("addmm", [c, a, b], { alpha: state.alpha as number, beta: state.beta as number });
  },
  BlockMaskedMM: masked,
  Convolution: to("conv_general", ({ state }) => ({
    stride: state.strides as number[],
    padding_lo: state.paddingLow as number[],
    padding_hi: state.paddingHigh as number[],
    kernel_dilation: state.kernelDilation as number[],
    input_dilation: state.inputDilation as number[],
    groups: state.groups as number,
    flip: state.flip as boolean,
  })),
  GatherMM: to("gather_mm"),
  GatherQMM: quantizedProduct("gather_qmm"),
  Hadamard: to("hadamard_transform", ({ state }) => ({ scale: state.scale as number })),
  LayerNorm: norm("fast.layer_norm"),
  Matmul: to("matmul"),
  Quantize: quantize,
  QuantizedMatmul: quantizedProduct("quantized_matmul"),
  RMSNorm: norm("fast.rms_norm"),
  RoPE: rope,
  ScaledDotProductAttention: attention,
};
