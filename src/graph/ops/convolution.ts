import { formatType } from "../../tensor/dtype.js";
import { checkRange, checkShape, input, int, ints, MAX_SIZE, refuse } from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

/** One number for each spatial axis: as given, or one for all. */
function perAxis(call: OpCall, name: string, rank: number): readonly number[] {
  const given = ints(call, name);
  if (given.length !== 1 && given.length !== rank) {
    refuse(
      call,
      "attribute_invalid",
      `${name} has ${given.length} numbers`,
      rank === 1 ? "one" : `one, or one for each of ${rank} axes`,
    );
  }
  return given.length === 1 ? Array<number>(rank).fill(given[0] as number) : given;
}

/** What a convolution does along its spatial axes. */
interface Geometry {
  readonly stride: readonly number[];
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly kernelDilation: readonly number[];
  readonly inputDilation: readonly number[];
}

/** Refuses what ends the process in MLX's kernels, and sizes that it counts in 32 bits. */
function checkConvolution(call: OpCall, rank: number, geometry: Geometry): void {
  const [x, weight] = [input(call, 0), input(call, 1)];
  checkOperands(call, rank);
  const groups = checkRange(call, "groups", int(call, "groups"), 1, MAX_SIZE);
  const channels = x.shape.at(-1) as number;
  if (channels !== groups * (weight.shape.at(-1) as number)) {
    refuse(
      call,
      "shape_invalid",
      `the input has ${channels} channels, the weight ${weight.shape.at(-1)} in ${groups} groups`,
      "as many",
    );
  }
  if ((weight.shape[0] as number) % groups !== 0) {
    refuse(call, "shape_invalid", `${weight.shape[0]} output channels`, `a multiple of ${groups}`);
  }
  if (groups > 1 && rank > 2) {
    refuse(call, "attribute_invalid", `groups is ${groups}`, "1 for three spatial axes");
  }
  const sizes = Array.from({ length: rank }, (_, axis) => outputSize(call, axis, geometry));
  const shape = [x.shape[0] as number, ...sizes, weight.shape[0] as number];
  checkShape(call, "the result", shape, x.dtype);
  checkDtypes(call, groups > 1 && rank > 1, geometry);
}

function checkOperands(call: OpCall, rank: number): void {
  for (const [index, layout] of [
    "[batch, ...spatial, channels]",
    "[out, ...spatial, in]",
  ].entries()) {
    const type = input(call, index);
    if (type.shape.length !== rank + 2) {
      refuse(call, "shape_invalid", formatType(type), `rank ${rank + 2}: ${layout}`);
    }
  }
}

/** The size of the result along a spatial axis. */
function outputSize(call: OpCall, axis: number, geometry: Geometry): number {
  const positive = (name: string, list: readonly number[]) =>
    checkRange(call, name, list[axis] as number, 1, MAX_SIZE);
  const stride = positive("the stride", geometry.stride);
  const kernelDilation = positive("the kernel's dilation", geometry.kernelDilation);
  const inputDilation = positive("the input's dilation", geometry.inputDilation);
  const [low, high] = [geometry.low[axis] as number, geometry.high[axis] as number];
  const size = input(call, 0).shape[axis + 1] as number;
  // MLX takes a cut beyond the input as counted from its end.
  checkRange(call, "the padding", low, -size, MAX_SIZE);
  checkRange(call, "the padding", high, -size, MAX_SIZE);

  const kernel = input(call, 1).shape[axis + 1] as number;
  if (kernel === 0) {
    refuse(call, "shape_invalid", `spatial axis ${axis} of the weight is empty`, "1 or more");
  }
  // Negative padding cuts the input before it is spread out.
  const cut = Math.max(size + Math.min(low, 0) + Math.min(high, 0), 0);
  const spread = 1 + inputDilation * (cut - 1);
  const padded = spread + Math.max(low, 0) + Math.max(high, 0);
  const extent = 1 + kernelDilation * (kernel - 1);
  if (padded > MAX_SIZE || extent > MAX_SIZE) {
    refuse(
      call,
      "value_too_large",
      `spatial axis ${axis} has ${padded} elements with padding and dilation, the kernel ${extent}`,
      `at most ${MAX_SIZE}`,
    );
  }
  if (extent > padded) {
    refuse(
      call,
      "shape_invalid",
      `the kernel covers ${extent} elements along spatial axis ${axis}, the padded input has ${Math.max(padded, 0)}`,
      "no more than the input",
    );
  }
  return Math.floor((padded - extent) / stride) + 1;
}

function checkDtypes(call: OpCall, grouped: boolean, geometry: Geometry): void {
  const types = [input(call, 0).dtype, input(call, 1).dtype];
  if (types.includes("complex64")) {
    refuse(call, "dtype_unsupported", `${call.op} does not work on complex64`, "real numbers");
  }
  const dilated = [...geometry.kernelDilation, ...geometry.inputDilation].some(
    (size) => size !== 1,
  );
  if (types.includes("float64") && (grouped || dilated)) {
    refuse(
      call,
      "dtype_unsupported",
      `${call.op} does not work on float64 with ${grouped ? "groups" : "dilation"}`,
      "float32",
    );
  }
}

function forwardGuard(rank: number) {
  return (call: OpCall): void => {
    const padding = perAxis(call, "padding", rank);
    checkConvolution(call, rank, {
      stride: perAxis(call, "stride", rank),
      low: padding,
      high: padding,
      kernelDilation: perAxis(call, "dilation", rank),
      inputDilation: Array<number>(rank).fill(1),
    });
  };
}

/** MLX lowers it to a convolution of the input, spread out by the stride, with the weight reversed. */
function transposedGuard(rank: number) {
  return (call: OpCall): void => {
    checkOperands(call, rank);
    const padding = perAxis(call, "padding", rank);
    const extra = perAxis(call, "output_padding", rank);
    const dilation = perAxis(call, "dilation", rank);
    const { shape } = input(call, 1);
    const low = dilation.map(
      (step, axis) => step * ((shape[axis + 1] as number) - 1) - (padding[axis] as number),
    );
    checkConvolution(call, rank, {
      stride: Array<number>(rank).fill(1),
      low,
      high: low.map((size, axis) => size + (extra[axis] as number)),
      kernelDilation: dilation,
      inputDilation: perAxis(call, "stride", rank),
    });
  };
}

function generalGuard(call: OpCall): void {
  const rank = input(call, 0).shape.length - 2;
  if (rank < 1 || rank > 3) {
    refuse(call, "shape_invalid", formatType(input(call, 0)), "rank 3, 4 or 5");
  }
  checkConvolution(call, rank, {
    stride: perAxis(call, "stride", rank),
    low: perAxis(call, "padding_lo", rank),
    high: perAxis(call, "padding_hi", rank),
    kernelDilation: perAxis(call, "kernel_dilation", rank),
    inputDilation: perAxis(call, "input_dilation", rank),
  });
}

function convolveGuard(call: OpCall): void {
  for (const type of [input(call, 0), input(call, 1)]) {
    if (type.shape.length !== 1 || type.shape[0] === 0) {
      refuse(call, "shape_invalid", formatType(type), "a vector with an element or more");
    }
    if (type.dtype === "complex64") {
      refuse(call, "dtype_unsupported", "convolve does not work on complex64", "real numbers");
    }
  }
}

const numbers = <const N extends number, const D extends string>(value: N, doc: D) =>
  ({ kind: "ints", default: [value], doc }) as const;
const GROUPS = {
  kind: "int",
  default: 1,
  doc: "Groups of channels that are convolved apart.",
} as const;
const SPATIAL = {
  stride: numbers(1, "Steps between results: one number, or one for each axis."),
  padding: numbers(0, "Zeros at both ends, likewise."),
  dilation: numbers(1, "Steps between the weight's elements, likewise."),
} as const;

const forward = <const R extends number>(rank: R) =>
  ({
    doc: `A convolution over ${rank} spatial ${rank === 1 ? "axis" : "axes"}: input [batch, ...spatial, channels], weight [out, ...spatial, channels / groups].`,
    operands: ["input", "weight"],
    work: "convolution",
    attributes: { ...SPATIAL, groups: GROUPS },
    guard: forwardGuard(rank),
  }) as const;
const transposed = <const R extends number>(rank: R) =>
  ({
    doc: `The transposed convolution over ${rank} spatial ${rank === 1 ? "axis" : "axes"}: what \`conv${rank}d\` has as gradient by its input.`,
    operands: ["input", "weight"],
    work: "convolution",
    attributes: {
      ...SPATIAL,
      output_padding: numbers(0, "Elements added at the end of the result, likewise."),
      groups: GROUPS,
    },
    guard: transposedGuard(rank),
  }) as const;

/** Convolutions, channels last. */
export const CONVOLUTION = {
  conv1d: forward(1),
  conv2d: forward(2),
  conv3d: forward(3),
  conv_transpose1d: transposed(1),
  conv_transpose2d: transposed(2),
  conv_transpose3d: transposed(3),
  conv_general: {
    doc: "A convolution over 1 to 3 spatial axes with every option.",
    operands: ["input", "weight"],
    work: "convolution",
    attributes: {
      stride: SPATIAL.stride,
      padding_lo: numbers(0, "Zeros before the first element; negative ones cut it off."),
      padding_hi: numbers(0, "Zeros after the last element, likewise."),
      kernel_dilation: SPATIAL.dilation,
      input_dilation: numbers(1, "Steps between the input's elements, likewise."),
      groups: GROUPS,
      flip: {
        kind: "bool",
        default: false,
        doc: "Whether the weight is reversed along the spatial axes.",
      },
    },
    guard: generalGuard,
  },
  convolve: {
    doc: "The discrete convolution of two vectors; the shorter one is reversed.",
    operands: ["a", "v"],
    work: "convolution",
    attributes: {
      mode: {
        kind: "string",
        default: "full",
        values: ["full", "valid", "same"],
        doc: "What of the result is kept.",
      },
    },
    guard: convolveGuard,
  },
} as const satisfies OpFamily;
