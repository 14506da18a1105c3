import { isInexact } from "../../tensor/dtype.js";
import { type Call, type Lowering, type Lowerings, to, toOneOf } from "./call.js";

/** Primitives of the same meaning as the op that is named like them in lower case. */
const SAME =
  "Abs Add ArcCos ArcCosh ArcSin ArcSinh ArcTan ArcTan2 ArcTanh Ceil Conjugate Cos Cosh Divide DivMod Erf ErfInv Exp " +
  "Expm1 Floor Imag Less Log1p LogAddExp Maximum Minimum Multiply Negative Power Real Remainder Round Sigmoid Sign " +
  "Sin Sinh Square Subtract Tan Tanh Greater";

const LOGARITHMS = ["log2", "log10", "log"];
const BITS = ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"];

/** Its operands are its results. */
const alias: Lowering = ({ inputs, outputTypes }) => inputs.slice(0, outputTypes.length);

/** Equality in which NaN is equal to NaN. */
function equalWithNaN({ inputs, inputTypes, add }: Call): readonly number[] {
  const equal = add("equal", inputs);
  const [type] = inputTypes;
  if (type === undefined || !isInexact(type.dtype)) return equal;
  const missing = inputs.flatMap((input) => add("isnan", [input]));
  return add("logical_or", [...equal, ...add("logical_and", missing)]);
}

/** Primitives that compute each element by itself. */
export const ELEMENTWISE: Lowerings = {
  ...Object.fromEntries(SAME.split(" ").map((name) => [name, to(name.toLowerCase())])),
  AsType: to("astype", ({ state }) => ({ dtype: state.dtype as string })),
  BitwiseBinary: toOneOf(BITS, "kind"),
  Copy: alias,
  Depends: alias,
  Equal: (call) => (call.state.nan === true ? equalWithNaN(call) : to("equal")(call)),
  FloorDivide: to("floor_divide"),
  GreaterEqual: to("greater_equal"),
  LessEqual: to("less_equal"),
  Log: toOneOf(LOGARITHMS, "base"),
  LogicalAnd: to("logical_and"),
  LogicalNot: to("logical_not"),
  LogicalOr: to("logical_or"),
  NotEqual: to("not_equal"),
  Select: to("where"),
  Sqrt: (call) => to(call.state.reciprocal === true ? "rsqrt" : "sqrt")(call),
  StopGradient: to("stop_gradient"),
  View: to("view", ({ state }) => ({ dtype: state.dtype as string })),
};
