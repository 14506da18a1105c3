import { DavitError } from "../error.js";
import type { CallbackReceiver } from "../hooks/callback-router.js";
import { type CallbackRequest, type EventHandler, type RawEvent, toEvent } from "../hooks/event.js";
import type { HookRouter } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import type { NativeEngine, RunId, ValueId } from "../native.js";
import { Tensor } from "../native-tensor.js";
import { describeThrown } from "../show.js";
import { formatType, type TensorType } from "../tensor/dtype.js";
import { formatTensor } from "../tensor/format.js";
import { isTypedArray } from "../tensor/typed-array.js";
import { type TensorLike, toBytes } from "../tensor/values.js";
import type { Slot } from "../trace/builder.js";
import type { Callback, CallbackResult } from "../trace/custom-call.js";
import type { Program } from "./program.js";

/** The parts of an engine that bindings use. */
export interface BindingEngine {
  readonly native: NativeEngine;
  readonly hooks: HookRouter;
  callbackFor(site: Site): Callback | undefined;
  nested<T>(callback: () => T): Promise<Awaited<T>>;
  reply(run: RunId, callback: number, values: readonly (ValueId | Uint8Array)[]): void;
  fromBytes(bytes: Uint8Array, type: TensorType): Tensor;
}

/** The binding of a run of this process to its functions and to the console. */
export interface Binding {
  readonly subscriptions: readonly number[];
  started(run: RunId): void;
  /**
   * Resolves when the run is over and the hook handlers are done.
   * @throws what a handler threw, or why the run failed
   */
  settled(done: Promise<void>): Promise<void>;
  close(): void;
}

const hex = (id: Uint8Array) => Buffer.from(id).toString("hex");

/** Binds a program's functions and prints for one run. */
export function bindSlots(
  engine: BindingEngine,
  program: Program,
  slots: readonly Slot[],
): Binding {
  let run: RunId | undefined;
  let thrown: { error: unknown } | undefined;
  const fail = (error: unknown) => {
    thrown ??= { error };
    if (run !== undefined)
      engine.native.cancel(run, "handler_failed", describeThrown(error).message);
  };
  const underWay = new Set<Promise<void>>();
  const guarded = (handler: EventHandler) => (event: RawEvent, site: Site) => {
    const work = (async () => handler(toEvent(event, site)))().then(() => {}, fail);
    underWay.add(work);
    void work.then(() => underWay.delete(work));
    return work;
  };
  const requests = slots.map(({ id, handler }) => ({
    match: { id } as const,
    handler: guarded(handler as EventHandler),
  }));
  const hooks = engine.hooks.onRun(program, [
    ...requests,
    { match: "prints", handler: printEvent },
  ]);
  const callbacks = new Map(slots.map(({ id, handler }) => [hex(id), handler as Callback]));
  const receiver: CallbackReceiver = {
    onCallback: (request, site) => {
      const callback = callbacks.get(hex(site.id as Uint8Array)) ?? engine.callbackFor(site);
      void answer(engine, request, site, callback, (error) => {
        thrown ??= { error };
      });
    },
  };
  return {
    subscriptions: hooks.subscriptions,
    started: (id) => {
      run = id;
      engine.hooks.callbacks.receive(id, receiver);
    },
    settled: async (done) => {
      let failure: { error: unknown } | undefined;
      await done.catch((error) => {
        failure = { error };
      });
      await Promise.all(underWay);
      failure = thrown ?? failure;
      if (failure !== undefined) throw failure.error;
    },
    close: () => hooks.close(),
  };
}

/** Calls a callback with the values of a request, and sends what it returns, or its error, to the run. */
async function answer(
  engine: BindingEngine,
  request: CallbackRequest,
  site: Site,
  callback: Callback | undefined,
  onError: (error: unknown) => void,
): Promise<void> {
  const { run } = request;
  const made: Tensor[] = [];
  try {
    const values = toValues(engine, request, site, made);
    if (callback === undefined) {
      throw new DavitError("handler_missing", `nobody handles the call "${nameOf(site)}"`, {
        label: site.label,
        site: site.number,
      });
    }
    const returned = await engine.nested(() => callback(...values));
    const results = toResults(engine, site, resultList(returned, site.types), made);
    for (const result of results) await result.ready;
    engine.reply(
      run,
      request.callback,
      results.map((result) => result.valueIn(engine.native)),
    );
  } catch (error) {
    onError(error);
    const { code = "handler_failed", message } = describeThrown(error);
    engine.native.replyError(run, request.callback, code, message);
  } finally {
    for (const tensor of made) tensor.dispose();
  }
}

/** Returns a request's values as tensors, and notes those in `made`. */
function toValues(
  engine: BindingEngine,
  request: CallbackRequest,
  site: Site,
  made: Tensor[],
): Tensor[] {
  const { native } = engine;
  const tensor = (id: number, index: number) => {
    const one = new Tensor(native, id, site.operands?.[index] as TensorType);
    made.push(one);
    return one;
  };
  // The engine's own first: where there is no memory for the others, these are freed all the same.
  const values = request.values.map((value, index) =>
    typeof value === "number" ? tensor(value, index) : value,
  );
  return values.map((value, index) =>
    value instanceof Tensor
      ? value
      : tensor(native.put(site.operands?.[index] as TensorType, value), index),
  );
}

/**
 * Returns the results of a callback as a list: none for a callback without results, whatever it returned; for one result that
 * result, in a list or bare.
 */
function resultList(returned: unknown, types: readonly TensorType[]): readonly CallbackResult[] {
  const [only, ...more] = types;
  if (only === undefined) return [];
  const bare = more.length === 0 && !isList(returned, only);
  return (bare ? [returned] : returned) as readonly CallbackResult[];
}

/** Tells a list of results from one result as nested arrays. */
function isList(returned: unknown, { dtype, shape }: TensorType): boolean {
  if (!Array.isArray(returned)) return false;
  if (returned.some((item) => item instanceof Tensor || isTypedArray(item))) return true;
  let levels = 0;
  for (let item: unknown = returned; Array.isArray(item); item = item[0]) levels++;
  return returned.length === 1 && levels > shape.length + Number(dtype === "complex64");
}

function toResults(
  engine: BindingEngine,
  site: Site,
  returned: readonly CallbackResult[],
  made: Tensor[],
): Tensor[] {
  const count = Array.isArray(returned) ? returned.length : 0;
  if (count !== site.types.length) {
    throw new DavitError(
      "reply_invalid",
      `the handler of "${nameOf(site)}" returned ${count} values; the call declares ${site.types.length}`,
      { label: site.label, site: site.number },
    );
  }
  return returned.map((result, index) => {
    if (result instanceof Tensor) return result;
    const tensor = toTensor(engine, site, result, site.types[index] as TensorType);
    made.push(tensor);
    return tensor;
  });
}

/** A tensor of the declared type, which also says the shape of a typed array. */
function toTensor(engine: BindingEngine, site: Site, value: TensorLike, type: TensorType): Tensor {
  let bytes: Uint8Array;
  try {
    bytes = toBytes(value, type);
  } catch (error) {
    const message = `the handler of "${nameOf(site)}" returned a value that does not fit: ${(error as Error).message}`;
    throw new DavitError("reply_invalid", `${message}; the call declares ${formatType(type)}`, {
      label: site.label,
      site: site.number,
      cause: error,
    });
  }
  return engine.fromBytes(bytes, type);
}

function nameOf(site: Site): string {
  return site.name ?? site.label ?? `site ${site.number}`;
}

function printEvent({ path, values }: RawEvent, site: Site): void {
  const { precision, limit } = site.print ?? {};
  const options = {
    ...(precision === undefined ? {} : { precision }),
    ...(limit === undefined ? {} : { limit }),
  };
  const texts = values.map((value, index) =>
    formatTensor(value as Uint8Array, site.types[index] as TensorType, options),
  );
  const where = [site.label ?? site.name, path.length > 0 && `at [${path.join(", ")}]`];
  const title = where.filter(Boolean).join(" ");
  console.log(title === "" ? texts.join("\n") : `${title}: ${texts.join("\n")}`);
}
