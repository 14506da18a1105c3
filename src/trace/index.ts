export {
  type Gradients,
  type GradOptions,
  grad,
  jvp,
  type OperandsFor,
  valueAndGrad,
  vjp,
} from "./autograd.js";
export {
  cond,
  forLoop,
  type OperandTree,
  switchCase,
  type TracedTree,
  whileLoop,
} from "./control.js";
export {
  type Callback,
  type CallbackResult,
  type CallbackResults,
  callback,
  hook,
  hookGradient,
  label,
  type PrintOptions,
  print,
} from "./custom-call.js";
export { type Mx, mx, type OpFunction } from "./functions.js";
export type { Operand } from "./operand.js";
export { ofType } from "./tensor-type-leaf.js";
export { type TraceResult, trace } from "./trace.js";
export { Traced } from "./traced.js";
export type { Tree } from "./tree.js";
