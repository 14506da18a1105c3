/** all-MiniLM-L6-v2, as the demo has it. */
import type { Jitted, Tensor, Traced } from "davit-engine";
import { openEncoder } from "../../../examples/minilm/encoder.js";
import { modelFolder } from "../../tools.js";
import { engine, timedRuns } from "./engine.js";

let encoder: Promise<Jitted<Traced>> | undefined;

async function open(): Promise<Jitted<Traced>> {
  return engine.jit((await openEncoder(engine, modelFolder)).encoder);
}

/** Embeds sentences of equal length, given as the ids of their tokens, row after row. */
async function embedding(rows: number, ids: readonly number[]): Promise<() => Promise<Tensor>> {
  encoder ??= open();
  const encode = await encoder;
  const shape = [rows, ids.length / rows];
  const mask = new Float32Array(ids.length).fill(1);
  const operands = [
    engine.fromBytes(new Uint8Array(Int32Array.from(ids).buffer), { dtype: "int32", shape }),
    engine.fromBytes(new Uint8Array(mask.buffer), { dtype: "float32", shape }),
  ] as const;
  return () => encode(...operands);
}

/** Microseconds a batch, so many times. */
export async function minilm(
  count: number,
  rows: number,
  ...ids: readonly number[]
): Promise<number[]> {
  return await timedRuns(count, await embedding(rows, ids));
}

/** The embedding of the last sentence. */
export async function minilmValues(rows: number, ...ids: readonly number[]): Promise<number[]> {
  const tensor = await (await embedding(rows, ids))();
  const values = Array.from(tensor.view() as Float32Array);
  return values.slice(-values.length / rows);
}
