import { ABSENT, type Call, type Lowering, type Lowerings, to } from "./call.js";

const MODES = ["affine", "mxfp4", "mxfp8", "nvfp4"];

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

/** Quantizes a matrix, or makes floats of a quantized one. A scale of the whole matrix may come last. */
const quantize: Lowering = (call) => {
  const how = quantization(call);
  const { inputs, outputTypes, state, add } = call;
  if (how === undefined) return undefined;
  if (state.dequantize !== true) return add("quantize", inputs, how, outputTypes.length);
  const [w, scales, ...rest] = inputs as [number, number, ...number[]];
  const operands = how.mode === "affine" || rest.length === 0 ? rest : [ABSENT, ...rest];
  const dtype = outputTypes[0]?.dtype as string;
  return add("dequantize", [w, scales, ...operands], { ...how, dtype });
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

/** Rotary positions; backwards, which is the gradient of the way forward. */
const rope: Lowering = (call) => {
  const { inputs, state } = call;
  const attributes = {
    dims: state.dims as number,
    traditional: state.traditional as boolean,
    scale: state.scale as number,
    // Frequencies that are given take its place.
    ...(inputs.length > 2 ? {} : { base: state.base as number }),
  };
  if (state.forward === true) return call.add("fast.rope", inputs, attributes);
  // The gradient of a rotation does not depend on what is rotated.
  return call.gradients("fast.rope", inputs, attributes, 1, inputs[0] as number);
};

/** The operands of a norm, whose weights MLX writes as numbers where there are none. */
function normOperands({ inputs, inputTypes }: Call, count: number): number[] {
  return inputs
    .slice(0, count)
    .map((input, index) => (index === 0 || inputTypes[index]?.shape.length === 1 ? input : ABSENT));
}

function norm(op: string): Lowering {
  return (call) =>
    call.add(op, normOperands(call, call.inputs.length), { eps: call.state.eps as number });
}

/** The gradients of a norm by all its operands. Those by weights that there are not are zeros. */
function normGradients(op: string): Lowering {
  return (call) => {
    const { inputs, state, add } = call;
    const operands = normOperands(call, inputs.length - 1);
    const count = operands.filter((operand) => operand !== ABSENT).length;
    const cotangent = inputs.at(-1) as number;
    const gradients = call.gradients(op, operands, { eps: state.eps as number }, count, cotangent);
    return operands.map((operand, index) => {
      const made = operand === ABSENT ? add("zeros_like", [inputs[index] as number]) : gradients;
      return made.shift() as number;
    });
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
  LayerNormVJP: normGradients("fast.layer_norm"),
  Matmul: to("matmul"),
  Quantize: quantize,
  QuantizedMatmul: quantizedProduct("quantized_matmul"),
  RMSNorm: norm("fast.rms_norm"),
  RMSNormVJP: normGradients("fast.rms_norm"),
  RoPE: rope,
  ScaledDotProductAttention: attention,
};
