import { DavitError } from "../error.js";
import type { NativeEngine, QueueId, RunId, ValueId } from "../native.js";
import { Tensor } from "../native-tensor.js";
import { show } from "../show.js";
import type { TensorType } from "../tensor/dtype.js";
import type { Program } from "./program.js";
import type { Run, RunOptions } from "./runs.js";

/** Options of `Engine.run`. */
export interface ProgramRunOptions {
  /** Cancels the run. */
  readonly signal?: AbortSignal;
  /**
   * Positions of inputs that are freed when the run begins, as `donate_argnums` of `jax.jit`: where nothing else has such
   * a tensor, MLX may compute a result in its memory.
   */
  readonly donate?: readonly number[];
  /** @internal */
  readonly queue?: QueueId;
  /** @internal */
  readonly subscriptions?: readonly number[];
}

/** A run that `Engine.run` started. */
export interface ProgramRun {
  /** Its results, which are pending at first. */
  readonly outputs: Tensor[];
  /** Resolves when the run is over; rejects with the error that made it fail. */
  readonly done: Promise<void>;
  /** @internal */
  readonly id: RunId;
}

/** The parts of an engine that runs on tensors use. */
interface TensorEngine {
  readonly native: NativeEngine;
  start(program: Program, inputs: readonly ValueId[], options: RunOptions): Run;
}

/** See `Engine.run`. */
export function runOnTensors(
  engine: TensorEngine,
  program: Program,
  inputs: readonly Tensor[],
  { signal, donate = [], ...rest }: ProgramRunOptions,
): ProgramRun {
  const { native } = engine;
  signal?.throwIfAborted();
  checkPositions(donate, inputs.length, "inputs");
  const donated = donate.map((position) => inputs[position] as Tensor);
  let settle: (error?: DavitError) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error === undefined ? resolve() : reject(error));
  });
  const cancel = () => run.cancel("cancelled", `the run was cancelled: ${signal?.reason}`);
  const run = engine.start(
    program,
    inputs.map((tensor) => tensor.valueIn(native)),
    {
      ...rest,
      donated: donated.map(({ value }) => value),
      onDone: (error) => {
        signal?.removeEventListener("abort", cancel);
        settle(error);
      },
    },
  );
  for (const tensor of donated) tensor.dispose();
  signal?.addEventListener("abort", cancel, { once: true });
  const outputs = run.outputs.map(
    (value, index) => new Tensor(native, value, program.outputs[index] as TensorType, done),
  );
  return { id: run.id, outputs, done };
}

/** Refuses a position of `donate` that there is not. @throws DavitError `option_invalid` */
export function checkPositions(donate: readonly number[], count: number, what: string): void {
  const wrong = donate.find(
    (position) => !Number.isInteger(position) || position < 0 || position >= count,
  );
  if (wrong === undefined) return;
  const expected = `positions of the ${count} ${what}`;
  throw new DavitError("option_invalid", `donate has ${show(wrong)}; expected ${expected}`, {
    expected,
  });
}
