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
  type OperandTree,
  repeat,
  switchCase,
  type TracedTree,
  whileLoop,
} from "./control.js";
export {
  call,
  type FiringHandler,
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
