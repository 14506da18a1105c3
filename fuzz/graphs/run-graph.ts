import { createHash, type Hash } from "node:crypto";
import type { Engine } from "../../src/engine/engine.js";
import type { Program } from "../../src/engine/program.js";
import type { Graph } from "../../src/graph/graph.js";
import type { CallbackRequest, HookValue, RawEvent } from "../../src/hooks/event.js";
import type { SubscriptionOptions } from "../../src/hooks/policy.js";
import type { Site } from "../../src/hooks/site.js";
import type { RunSubscriptions, Subscription } from "../../src/hooks/subscription.js";
import { itemBytes, type TensorType } from "../../src/tensor/dtype.js";
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
async function runProgram(
  engine: Engine,
  program: Program,
  arguments_: readonly Value[],
  subscriptions: readonly SubscriptionOptions[],
  keep: boolean,
): Promise<Outcome> {
  const hash = createHash("sha1");
  const events: SeenEvents = { order: createHash("sha1"), values: [] };
  const inputs = arguments_.map(({ bytes, type }) => engine.fromBytes(bytes, type));
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), PATIENCE);
  const hooks = subscribeRun(engine, program, subscriptions, events);
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
      for (const { bytes } of events.values) hash.update(bytes);
      const order = events.order.digest("base64");
      hash.update(order);
      if (keep) values.push(...events.values);
      return { kind: "ok", digest: hash.digest("base64"), order, ...(keep ? { values } : {}) };
    } finally {
      for (const output of run.outputs) output.dispose();
    }
  } finally {
    clearTimeout(timer);
    hooks?.close();
    for (const input of inputs) input.dispose();
  }
}

/** The events of subscriptions that get every one. */
interface SeenEvents {
  readonly order: Hash;
  readonly values: Value[];
}

function subscribeRun(
  engine: Engine,
  program: Program,
  subscriptions: readonly SubscriptionOptions[],
  events: SeenEvents,
): (Subscription & RunSubscriptions) | undefined {
  if (subscriptions.length === 0) return undefined;
  return engine.hooks.onRun(
    program,
    subscriptions.map((options, index) => ({
      ...options,
      match: ["all", { probe: "*" }],
      handler: ({ path, seq, values }: RawEvent, site: Site) => {
        if (options.policy !== "every") return;
        events.order.update(`${index} ${site.number} ${path} ${seq}\n`);
        values.forEach((value, at) => {
          events.values.push(seenValue(value, site.types[at] as TensorType));
        });
      },
    })),
  );
}

/** A slice has fewer elements than its type says. Of a summary only the count is compared: a last bit may move the rest. */
function seenValue(value: HookValue, { dtype }: TensorType): Value {
  if (value instanceof Uint8Array) {
    const bytes = Uint8Array.from(value);
    return { type: { dtype, shape: [bytes.length / itemBytes(dtype)] }, bytes };
  }
  const bytes = new Uint8Array(Float64Array.of(value.count).buffer);
  return { type: { dtype: "float64", shape: [1] }, bytes };
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
