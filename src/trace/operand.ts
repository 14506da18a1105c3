import { GraphError } from "../graph/error.js";
import type { Tensor } from "../native-tensor.js";
import { type Dtype, isIntegral, type TensorType } from "../tensor/dtype.js";
import { TensorError } from "../tensor/error.js";
import { type TensorLike, typeOfValue } from "../tensor/values.js";
import type { FunctionBuilder } from "./builder.js";
import { isPromise } from "./promise.js";
import { Traced } from "./traced.js";

/** An operand of an op: a traced value, a tensor, or something that a constant is made of. */
export type Operand = Traced | Tensor | TensorLike;

/** Tells a tensor of an engine. */
export function isTensor(value: unknown): value is Tensor {
  const { type, value: id } = (value ?? {}) as { type?: TensorType; value?: unknown };
  return typeof id === "number" && typeof type?.dtype === "string";
}

/** The type of an operand that has one before it is used; undefined for what takes the type of others. */
export function operandType(operand: unknown): TensorType | undefined {
  if (operand instanceof Traced || isTensor(operand)) return operand.type;
  return undefined;
}

/**
 * Makes an operand a value of a function. Numbers are weakly typed, as Python scalars are in MLX: they take
 * the dtype of the tensors beside them, if it can hold them. Numbers that are positions are int32.
 */
export function toTraced(
  builder: FunctionBuilder,
  operand: Operand,
  name: string,
  beside: Dtype | undefined,
  role?: "index",
): Traced {
  if (operand instanceof Traced) return builder.use(operand);
  if (isTensor(operand)) return builder.captured(operand);
  if (isPromise(operand)) {
    throw new GraphError("operand_invalid", `${describe(name)} is a promise`, {
      expected: "a traced value, a tensor or numbers; await tensors before the function is traced",
    });
  }
  const dtype = role === "index" ? "int32" : weakDtype(operand, beside);
  try {
    return builder.constant(operand, typeOfValue(operand, dtype));
  } catch (error) {
    if (!(error instanceof TensorError)) throw error;
    const list = Array.isArray(operand) && operand.some((item) => operandType(item) !== undefined);
    throw new GraphError(
      "operand_invalid",
      `${describe(name)}: ${list ? "a list of tensors" : error.message}`,
      { expected: `a traced value, a tensor or numbers${list ? "; mx.stack joins tensors" : ""}` },
    );
  }
}

function describe(name: string): string {
  return name === "" ? "a value" : `operand "${name}"`;
}

function weakDtype(value: TensorLike, beside: Dtype | undefined): Dtype | undefined {
  if (typeof value === "number") {
    if (beside === undefined) return undefined;
    if (beside === "bool") return Number.isInteger(value) ? "int32" : "float32";
    return isIntegral(beside) && !Number.isInteger(value) ? "float32" : beside;
  }
  if (typeof value === "bigint")
    return beside === undefined || beside === "bool" ? undefined : beside;
  return undefined;
}
