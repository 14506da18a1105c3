import { createHash, type Hash } from "node:crypto";
import type { Engine } from "../../src/engine/engine.js";
import type { Program } from "../../src/engine/program.js";
import type { Graph } from "../../src/graph/graph.js";
import type { CallbackRequest, RawEvent } from "../../src/hooks/event.js";
import type { SubscriptionOptions } from "../../src/hooks/policy.js";
import type { Site } from "../../src/hooks/site.js";
import type { RunSubscriptions, Subscription } from "../../src/hooks/subscription.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { errorOutcome, type Outcome, type Value } from "../outcome.js";
import { type Fill, filled } from "./fill.js";

/** A run that takes longer is cancelled: that it ends then is what is asked of it. */
const PATIENCE = 3000;

/** Loads a graph and runs it once; tells what came of it. `keep` asks for the results. */
export async function runGraph(
  engine: Engine,
  graph: Graph,
  arguments_: readonly Fill[] | readonly Uint8Array[],
  subscriptions: readonly SubscriptionOptions[],
  keep = false,
): Promise<Outcome> {
  let program: Program;
  try {
    program = engine.load(graph);
  } catch (error) {
    return errorOutcome(error);
  }
  try {
    return await runProgram(
      engine,
      program,
      programInputs(program.inputs, arguments_),
      subscriptions,
      keep,
    );
  } catch (error) {
    return errorOutcome(error);
  } finally {
    engine.unload(program);
  }
}

/** The arguments of a program, from their bytes or how they are filled; the last stands for all that follow. */
export function programInputs(
  types: readonly TensorType[],
  arguments_: readonly Fill[] | readonly Uint8Array[],
): Value[] {
  return types.map((type, index) => {
    const one = arguments_[Math.min(index, arguments_.length - 1)] as Fill | Uint8Array;
    return { type, bytes: one instanceof Uint8Array ? one : filled(type, one) };
  });
}

/** Runs a program once. */
export async function runProgram(
  engine: Engine,
  program: Program,
  arguments_: readonly Value[],
  subscriptions: readonly SubscriptionOptions[],
  keep: boolean,
): Promise<Outcome> {
  const hash = createHash("sha1");
  const inputs = arguments_.map(({ bytes, type }) => engine.fromBytes(bytes, type));
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE);
  const hooks = subscribeRun(engine, program, subscriptions, hash);
  try {
    const run = engine.run(program, inputs, {
      signal: abort.signal,
      ...(hooks === undefined ? {} : { subscriptions: hooks.subscriptions }),
    });
    engine.hooks.callbacks.receive(run.id, { onCallback: (request) => echo(engine, request) });
    try {
      await run.done;
      const values: Value[] = [];
      for (const output of run.outputs) {
        const bytes = await output.bytes();
        hash.update(bytes);
        if (keep) values.push({ type: output.type, bytes: Uint8Array.from(bytes) });
      }
      return { kind: "ok", digest: hash.digest("base64"), ...(keep ? { values } : {}) };
    } finally {
      for (const output of run.outputs) output.dispose();
    }
  } finally {
    clearTimeout(timer);
    hooks?.close();
    for (const input of inputs) input.dispose();
  }
}

/** Events of those that get every one are part of the digest. */
function subscribeRun(
  engine: Engine,
  program: Program,
  subscriptions: readonly SubscriptionOptions[],
  hash: Hash,
): (Subscription & RunSubscriptions) | undefined {
  if (subscriptions.length === 0) return undefined;
  return engine.hooks.onRun(
    program,
    subscriptions.map((options, index) => ({
      ...options,
      match: ["all", { probe: "*" }],
      handler: (event: RawEvent, site: Site) => {
        if (options.policy === "every") hash.update(told(index, event, site));
      },
    })),
  );
}

function told(index: number, { path, seq, values }: RawEvent, site: Site): string {
  const texts = values.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("base64") : JSON.stringify(value),
  );
  return `${index} ${site.number} ${path} ${seq} ${texts}\n`;
}

/** Answers a callback with its operands, where those have the types that it declares. */
function echo(engine: Engine, { run, callback, values }: CallbackRequest): void {
  try {
    engine.reply(run, callback, values);
  } catch (error) {
    const { code, message } = error as Error & { code: string };
    engine.native.replyError(run, callback, code, message);
  }
  for (const value of values) if (typeof value === "number") engine.native.free(value);
}
