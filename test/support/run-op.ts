import { createRequire } from "node:module";
import type { Attributes } from "../../src/graph/graph.js";
import { checkCall, opSpec } from "../../src/graph/ops/index.js";
import { native } from "../../src/native.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import type { TestTensor } from "./data.js";

/** What the addon offers for testing single ops. */
interface OpEvaluator {
  evalOp(
    op: string,
    inputs: readonly (TestTensor | null)[],
    attributes: Attributes,
    strided: boolean,
  ): TestTensor[];
  inferTypes(
    op: string,
    inputs: readonly (TensorType | null)[],
    attributes: Attributes,
  ): TensorType[];
}

/** How a call is run. */
export interface RunOptions {
  /** Whether the operands lie column by column in memory. */
  readonly strided?: boolean;
  /** Whether dtypes that the table says do not work are tried all the same. */
  readonly unsupported?: boolean;
}

const evaluator = (): OpEvaluator => {
  const path = process.env.DAVIT_TEST_ADDON;
  return (path === undefined
    ? native()
    : createRequire(import.meta.url)(path)) as unknown as OpEvaluator;
};

/** Runs one op of the table as a program would: checks, then MLX. */
export async function runOp(
  op: string,
  inputs: readonly (TestTensor | null)[],
  attributes: Attributes = {},
  options: RunOptions = {},
): Promise<TestTensor[]> {
  const types = inputs.map((input) => input?.type ?? null);
  const call = { op, inputs: types, attributes };
  if (options.unsupported === true) opSpec(op)?.guard?.(call);
  else checkCall(call);
  return evaluator().evalOp(op, inputs, attributes, options.strided === true);
}

/** The types that a call's outputs have, found without computing them. */
export function inferTypes(
  op: string,
  inputs: readonly (TestTensor | null)[],
  attributes: Attributes = {},
): TensorType[] {
  return evaluator().inferTypes(
    op,
    inputs.map((input) => input?.type ?? null),
    attributes,
  );
}

/** Names of the ops that the addon lowers. */
export function nativeOpNames(): string[] {
  return (evaluator() as unknown as { opNames(): string[] }).opNames();
}
