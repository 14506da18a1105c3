import { DavitError, guarded } from "../error.js";
import { formatPlace } from "../graph/error.js";
import type { HookRouter } from "../hooks/router.js";
import type { NativeEngine, QueueId, RunId, ValueId } from "../native.js";
import type { FinishedRecord } from "./batch.js";
import { Polling } from "./polling.js";
import type { Program } from "./program.js";
import type { LoadedPrograms } from "./programs.js";

/** Options of a run on native tensors. */
export interface RunOptions {
  /** Runs of one queue happen in order. Default: the engine's own queue. */
  readonly queue?: QueueId;
  /** The subscriptions of this run alone, from {@link HookRouter.subscribeRun}. */
  readonly subscriptions?: readonly number[];
  /** Inputs that are freed, so that their memory may become that of results. */
  readonly donated?: readonly ValueId[];
  /** Called once when the run is over, with the error that made it fail; all its events came before. */
  readonly onDone?: (error?: DavitError) => void;
}

/** A run under way. */
export interface Run {
  readonly id: RunId;
  /** Native tensors, pending at first; later runs may take them at once. The caller frees them. */
  readonly outputs: readonly ValueId[];
  /** Ends the run at its next checkpoint; it fails with this code. Nothing happens where it is over. */
  cancel(code?: string, message?: string): void;
}

interface UnderWay {
  readonly program: Program;
  readonly onDone: ((error?: DavitError) => void) | undefined;
}

let nextRun = 1;

/** The runs of an engine that are under way, from their start to their end. */
export class EngineRuns {
  readonly #native: NativeEngine;
  readonly #hooks: HookRouter;
  readonly #programs: LoadedPrograms;
  readonly #runs = new Map<RunId, UnderWay>();
  readonly #idle: (() => void)[] = [];
  #alive = false;
  readonly #polling = new Polling(() => {
    this.#native.poll();
    this.#setAlive(this.#runs.size > 0);
  });

  constructor(native: NativeEngine, hooks: HookRouter, programs: LoadedPrograms) {
    this.#native = native;
    this.#hooks = hooks;
    this.#programs = programs;
  }

  /** Runs that were started and are not over. */
  get size(): number {
    return this.#runs.size;
  }

  /** Starts a run on native tensors, one per parameter. They may be pending: the run waits for them. */
  start(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
    { subscriptions, donated, onDone }: RunOptions,
  ): Run {
    const id = nextRun++;
    const native = this.#native;
    const outputs = guarded(() =>
      native.run(id, program.id, queue, inputs, subscriptions, donated),
    );
    this.#runs.set(id, { program, onDone });
    this.#programs.begin(program.id);
    this.#polling.soon();
    return {
      id,
      outputs,
      cancel: (code = "cancelled", message = "the run was cancelled") =>
        native.cancel(id, code, message),
    };
  }

  /**
   * Returns the bytes of a small program's results, where its run need not be queued: see {@link NativeEngine.runHere}.
   * @throws DavitError the error that makes the run fail
   */
  runHere(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
  ): ArrayBuffer[] | undefined {
    try {
      return this.#native.runHere(program.id, queue, inputs);
    } catch (error) {
      throw failureHere(program, error);
    }
  }

  /**
   * As {@link EngineRuns.runHere}; the results are new native tensors.
   * @throws DavitError the error that makes the run fail
   */
  makeHere(
    program: Program,
    inputs: readonly (ValueId | Uint8Array)[],
    queue: QueueId,
  ): ValueId[] | undefined {
    try {
      return this.#native.makeHere(program.id, queue, inputs);
    } catch (error) {
      throw failureHere(program, error);
    }
  }

  /** Answers a callback of a run with tensors; nothing happens where the run is over. */
  reply(run: RunId, callback: number, values: readonly (ValueId | Uint8Array)[]): void {
    guarded(() => this.#native.reply(run, callback, values));
    this.pollLater();
  }

  /** There is more to take from the native engine, in the next turn of the event loop. */
  pollLater(): void {
    this.#polling.later();
  }

  /** For the native engine: a run is over, and its last event was told. */
  finish(record: FinishedRecord): void {
    const run = this.#runs.get(record.run);
    if (run === undefined) return;
    this.#runs.delete(record.run);
    if (this.#runs.size === 0) this.#rest();
    this.#hooks.endRun(record.run);
    this.#programs.end(run.program.id);
    if (run.onDone === undefined) return;
    if (record.code === undefined) run.onDone();
    else run.onDone(failure(run.program, record));
  }

  /** Cancels all runs. Resolves when the last one is over. */
  async cancelAll(code: string, message: string): Promise<void> {
    for (const run of this.#runs.keys()) this.#native.cancel(run, code, message);
    // Not within a call by the native engine, which goes on after it.
    await undefined;
    while (this.#runs.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #rest(): void {
    this.#setAlive(false);
    if (this.#idle.length > 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The process stays alive for runs under way. */
  #setAlive(alive: boolean): void {
    if (alive === this.#alive) return;
    this.#alive = alive;
    this.#native.setAlive(alive);
  }
}

/** The error of a run that the native engine threw. */
function failureHere(program: Program, error: unknown): unknown {
  const { code, message, site = -1 } = error as Partial<FinishedRecord>;
  if (code === undefined) return error;
  return failure(program, { run: 0, code, site, message: String(message) });
}

function failure(program: Program, { code, message, site }: FinishedRecord): DavitError {
  const details = program.describe(site);
  const { op, label, inputs } = details;
  const place = op === undefined ? "" : formatPlace({ op, label, inputs });
  return new DavitError(code as string, message + place, details);
}
