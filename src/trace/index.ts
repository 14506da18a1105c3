export {
  type Gradients,
  type GradOptions,
  grad,
  jvp,
  type OperandsFor,
  valueAndGrad,
  vjp,
} from "./autograd.js";
export type { Captured, Slot } from "./builder.js";
export {
  cond,
  forLoop,
  type OperandTree,
  switchCase,
  type TracedTree,
  whileLoop,
} from "./control.js";
export {
  callback,
  hook,
  hookGradient,
  label,
  type PrintOptions,
  print,
} from "./custom-call.js";
export { type Mx, mx, type OpFunction } from "./functions.js";
export type { Operand } from "./operand.js";
export { ofType, type TensorTypeLeaf, type TraceResult, trace } from "./trace.js";
export { Traced } from "./traced.js";
export type { Tree } from "./tree.js";
