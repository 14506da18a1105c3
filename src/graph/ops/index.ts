import type { Dtype } from "../../tensor/dtype.js";
import { CONVOLUTION } from "./convolution.js";
import { CREATION } from "./creation.js";
import { withDefaults } from "./defaults.js";
import { type Device, UNSUPPORTED } from "./dtypes.js";
import { ELEMENTWISE } from "./elementwise.js";
import { FAST } from "./fast.js";
import { FFT } from "./fft.js";
import { refuse } from "./guards.js";
import { INDEXING } from "./indexing.js";
import { JOINING } from "./joining.js";
import { LINALG } from "./linalg.js";
import { MATMUL } from "./matmul.js";
import { QUANTIZATION } from "./quantization.js";
import { RANDOM } from "./random.js";
import { REDUCTION } from "./reduction.js";
import { SHAPE_OPS } from "./shape.js";
import { SLICING } from "./slicing.js";
import { SORTING } from "./sorting.js";
import type { OpCall, OpSpec } from "./spec.js";

export type { Device } from "./dtypes.js";

/** The op table, but for the structural ops. */
export const OPS = {
  ...CREATION,
  ...ELEMENTWISE,
  ...REDUCTION,
  ...SORTING,
  ...SHAPE_OPS,
  ...JOINING,
  ...RANDOM,
  ...MATMUL,
  ...CONVOLUTION,
  ...SLICING,
  ...INDEXING,
  ...FFT,
  ...LINALG,
  ...FAST,
  ...QUANTIZATION,
} as const;

/** A name of the op table. */
export type OpName = keyof typeof OPS;

/** Tells whether a name is in the table. */
export function isOp(name: string): name is OpName {
  return Object.hasOwn(OPS, name);
}

/** The row of an op, if there is one. */
export function opSpec(name: string): OpSpec | undefined {
  return isOp(name) ? OPS[name] : undefined;
}

/**
 * The dtype that decides whether a device has a kernel for a call: that of the first operand other
 * than a random key; for ops that make values from nothing, the attribute `dtype`. Undefined where
 * neither is given: what MLX takes then, it can do.
 */
export function subjectDtype(call: OpCall): Dtype | undefined {
  const spec = opSpec(call.op);
  const makes = spec?.operands.length === 0 || spec?.operands[0] === "key";
  if (makes && spec?.attributes.dtype !== undefined) {
    return call.attributes.dtype as Dtype | undefined;
  }
  return call.inputs[spec?.operands[0] === "key" ? 1 : 0]?.dtype;
}

/** Tells whether MLX can do an op on a dtype, as {@link subjectDtype} finds it. */
export function supports(op: string, dtype: Dtype, device: Device): boolean {
  return UNSUPPORTED[device][op]?.includes(dtype) !== true;
}

/**
 * Refuses a call that MLX cannot do, or would not refuse cleanly. Operand count and attribute kinds
 * are taken as checked. Returns the call with defaults filled in.
 * @throws GraphError `dtype_unsupported`, or what the row's guard throws.
 */
export function checkCall(given: OpCall, device: Device = "cpu"): OpCall {
  const spec = opSpec(given.op);
  const call = spec === undefined ? given : completeCall(spec, given);
  const dtype = subjectDtype(call);
  if (dtype !== undefined && !supports(call.op, dtype, device)) {
    refuse(call, "dtype_unsupported", `${call.op} does not work on ${dtype} on the ${device}`);
  }
  spec?.guard?.(call);
  return call;
}

function completeCall(spec: OpSpec, call: OpCall): OpCall {
  const attributes = withDefaults(spec, call.attributes);
  return attributes === call.attributes ? call : { ...call, attributes };
}
