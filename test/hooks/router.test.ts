import { beforeEach, describe, expect, it } from "vitest";
import type { NativeEvent } from "../../src/hooks/event.js";
import type { Match } from "../../src/hooks/match.js";
import { HookRouter } from "../../src/hooks/router.js";
import type { Site } from "../../src/hooks/site.js";
import type { NativeEngine, NativeSubscription } from "../../src/native.js";
import { finish } from "../../src/steps.js";

/** Writes down what the router asks of the native engine. */
class Recorder {
  #next = 1;
  readonly watched = new Map<string, readonly number[]>();
  readonly subscriptions = new Map<number, NativeSubscription>();
  readonly budgets = new Map<number, number>();
  readonly credited: [budget: number, bytes: number][] = [];
  readonly freed: number[] = [];
  readonly refused: unknown[][] = [];

  createCreditBudget(bytes: number, _least: number) {
    this.budgets.set(this.#next, bytes);
    return this.#next++;
  }
  closeCreditBudget(budget: number) {
    this.budgets.delete(budget);
  }
  credit(budget: number, bytes: number) {
    this.credited.push([budget, bytes]);
  }
  createSubscription(subscription: NativeSubscription) {
    this.subscriptions.set(this.#next, subscription);
    return this.#next++;
  }
  closeSubscription(subscription: number) {
    this.subscriptions.delete(subscription);
  }
  subscribe(program: number, subscription: number, sites: readonly number[]) {
    this.watched.set(`${program}/${subscription}`, sites);
  }
  free(value: number) {
    this.freed.push(value);
  }
  replyError(...args: unknown[]) {
    this.refused.push(args);
  }
}

const hook = (number: number, name: string, label?: string): Site => ({
  number,
  node: number,
  function: "main",
  kind: "hook",
  name,
  types: [],
  ...(label === undefined ? {} : { label }),
});
const program = { id: 7, sites: [hook(1, "a", "layer.0"), hook(2, "b", "layer.1")] };

let native: Recorder;
let router: HookRouter;

beforeEach(() => {
  native = new Recorder();
  router = new HookRouter(native as unknown as NativeEngine, 1000);
});

function event(subscription: number, rest: Partial<NativeEvent> = {}): NativeEvent {
  return {
    ...{ subscription, run: 1, program: 7, site: 1, seq: 0, path: [], dropped: 0, cost: 100 },
    values: [],
    ...rest,
  };
}

const onlySubscription = () => [...native.subscriptions.keys()][0] as number;

describe("the router", () => {
  it("tells the native engine which nodes are watched, whichever comes first", () => {
    router.on({ match: { label: "layer.*" } }, () => {});
    finish(router.addProgram(program));
    const [first] = native.subscriptions.keys();
    expect(native.watched).toEqual(new Map([[`7/${first}`, [1, 2]]]));
    router.on({ match: { name: "b" } }, () => {});
    const [, second] = native.subscriptions.keys();
    expect(native.watched.get(`7/${first}`)).toEqual([1, 2]);
    expect(native.watched.get(`7/${second}`)).toEqual([2]);
  });

  it("takes a subscription back from every node, and what still comes for it is not delivered", () => {
    finish(router.addProgram(program));
    const seen: number[] = [];
    const watch = router.on({ match: "all" }, ({ seq }) => seen.push(seq));
    const id = onlySubscription();
    router.onEvent(event(id, { seq: 0 }));
    watch.close();
    router.onEvent(event(id, { seq: 1 }));
    expect(seen).toEqual([0]);
    expect(native.watched.get(`7/${id}`)).toEqual([]);
    expect(native.subscriptions.size + native.budgets.size).toBe(0);
    watch.close();
  });

  it("hands a handler the site and the event", () => {
    finish(router.addProgram(program));
    const seen: unknown[] = [];
    router.on({ match: { name: "b" } }, (one, site) => seen.push([one, site]));
    const values = [Uint8Array.of(1)];
    const fired = event(onlySubscription(), { site: 2, seq: 5, path: [3, 17], dropped: 4, values });
    router.onEvent(fired);
    expect(seen).toEqual([[fired, program.sites[1]]]);
  });

  it("gives credit back when the handler's promise resolves, not before, and also when it rejects", async () => {
    finish(router.addProgram(program));
    const releases: (() => void)[] = [];
    router.on({ match: "all" }, () => new Promise<void>((resolve) => releases.push(resolve)));
    const id = onlySubscription();
    const { budget } = native.subscriptions.get(id) as NativeSubscription;
    router.onEvent(event(id, { cost: 64 }));
    router.onEvent(event(id, { cost: 65 }));
    expect(native.credited).toEqual([]);
    releases[1]?.();
    await new Promise(setImmediate);
    expect(native.credited).toEqual([[budget, 65]]);
    releases[0]?.();
    await new Promise(setImmediate);
    expect(native.credited).toEqual([
      [budget, 65],
      [budget, 64],
    ]);
  });

  it("reports a handler that throws as an uncaught exception, and delivers what follows", async () => {
    finish(router.addProgram(program));
    const uncaught: unknown[] = [];
    const others = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", (error) => uncaught.push(error));
    let count = 0;
    router.on({ match: "all" }, () => {
      count++;
      if (count === 1) throw new Error("from a handler");
    });
    const id = onlySubscription();
    router.onEvent(event(id));
    router.onEvent(event(id));
    await new Promise(setImmediate);
    for (const listener of others) process.on("uncaughtException", listener);
    expect(count).toBe(2);
    expect(native.credited).toHaveLength(2);
    expect(uncaught).toEqual([new Error("from a handler")]);
  });

  it("gives a run its own subscriptions, on one budget, only for what matches", () => {
    finish(router.addProgram(program));
    const seen: [string, number][] = [];
    const watch = router.onRun(program, [
      { match: { label: "nobody" }, handler: () => seen.push(["nobody", 0]) },
      { match: { name: "b" }, policy: "latest", handler: ({ seq }) => seen.push(["b", seq]) },
      { match: "all", handler: ({ seq }) => seen.push(["all", seq]) },
    ]);
    const [first, second] = [...native.subscriptions.keys()];
    expect(native.budgets.size).toBe(1);
    expect(native.watched.size).toBe(0);
    expect(watch.subscriptions).toEqual([2, first, 1, second, 2, second]);
    router.onEvent(event(first as number, { site: 2, seq: 1 }));
    router.onEvent(event(second as number, { site: 1, seq: 2 }));
    expect(seen).toEqual([
      ["b", 1],
      ["all", 2],
    ]);
    watch.close();
    expect(native.subscriptions.size + native.budgets.size).toBe(0);
  });

  it("refuses names that a run's program does not have, and lists those that it has", () => {
    const subscribe = (match: Match, to = program) =>
      router.onRun(to, [
        { match: "all", handler: () => {} },
        { match, handler: () => {} },
      ]);
    const error = { code: "hook_unknown", message: expect.stringContaining("") };
    expect(() => subscribe({ name: "c" })).toThrow(
      expect.objectContaining({
        ...error,
        message: 'the program has no hook "c"; expected one of "a", "b"',
      }),
    );
    expect(() => subscribe([{ name: "a" }, { name: "c" }])).toThrow(expect.objectContaining(error));
    expect(() => subscribe({ name: "c" }, { id: 9, sites: [] })).toThrow("no hooks with names");
    expect(native.subscriptions.size + native.budgets.size).toBe(0);
    const many = Array.from({ length: 30 }, (_, n) => hook(n, `h${n}`));
    expect(() => subscribe({ name: "h29x" }, { id: 9, sites: many })).toThrow(
      /"h0", .*"h19" and 10 more; did you mean "h29"\?$/,
    );
    for (const match of [{ name: "a" }, { label: "c" }, { probe: "c" }, [{ name: "b" }]] as const) {
      subscribe(match).close();
    }
  });

  it("makes nothing when one of a run's specs is wrong", () => {
    expect(() =>
      router.onRun(program, [
        { match: "all", handler: () => {} },
        { match: "all", policy: { rate: 0 }, handler: () => {} },
      ]),
    ).toThrow(expect.objectContaining({ code: "policy_invalid" }));
    expect(native.subscriptions.size + native.budgets.size).toBe(0);
  });

  it("answers a callback that nobody takes with an error, and frees its values", () => {
    finish(router.addProgram(program));
    const request = {
      run: 3,
      program: 7,
      site: 1,
      seq: 0,
      callback: 9,
      path: [],
      values: [11, 12],
    };
    router.onCallback(request);
    expect(native.freed).toEqual([11, 12]);
    expect(native.refused).toEqual([
      [3, 9, "handler_missing", 'the callback "layer.0" has no handler in this run'],
    ]);
    const taken: unknown[] = [];
    router.callbacks.receive(3, { onCallback: (one, site) => taken.push([one, site]) });
    router.onCallback(request);
    expect(taken).toEqual([[request, program.sites[0]]]);
    router.endRun(3);
    router.onCallback(request);
    expect(native.refused).toHaveLength(2);
  });

  it("flushes what gathered events once", () => {
    const ends: string[] = [];
    router.gather({ flush: () => ends.push("a") });
    router.flush();
    router.flush();
    expect(ends).toEqual(["a"]);
  });
});
