import { DTYPES, type Dtype } from "../../src/tensor/dtype.js";
import { CASES } from "../graph/ops/cases/index.js";
import { runOp } from "./run-op.js";

/** One op on one dtype. */
export interface Cell {
  readonly op: string;
  readonly dtype: Dtype;
}

/** All that is probed: every op on every dtype that has a case. */
export function cells(): Cell[] {
  return Object.keys(CASES)
    .sort()
    .flatMap((op) => (CASES[op]?.dtypes ?? DTYPES).map((dtype) => ({ op, dtype })));
}

/** Tells whether a cell's first case works. May end the process: run it in a child. */
export async function works({ op, dtype }: Cell): Promise<boolean> {
  const [first] = CASES[op]?.calls(dtype) ?? [];
  if (first === undefined) throw new Error(`${op} has no case for ${dtype}`);
  try {
    await runOp(op, first.inputs, first.attributes);
    return true;
  } catch (error) {
    // Only what MLX or the table refuses counts; all else is a fault of the cases.
    if ((error as { code?: string }).code === undefined) throw error;
    return false;
  }
}
