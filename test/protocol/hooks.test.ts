import { beforeEach, describe, expect, it } from "vitest";
import { readSites } from "../../src/client/events.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { Graph } from "../../src/graph/graph.js";
import { namedId } from "../../src/hooks/ids.js";
import type { Host } from "../../src/protocol/host.js";
import { DEFAULT_LIMITS } from "../../src/protocol/limits.js";
import { f32, floats, type Received, type TestClient } from "../support/client.js";
import { sessionForEachTest } from "../support/each-session.js";
import { constant, customCall, graph, hooked } from "../support/graphs.js";
import { openSession } from "../support/session.js";

const F32x4 = ["float32", [4]];
const F32x4_TYPE = { dtype: "float32", shape: [4] };

let host: Host;
let client: TestClient;

sessionForEachTest((opened) => {
  ({ client, host } = opened);
});

/** Starts a run of program 1 on one vector. */
function run(options: object = {}, ...values: number[]): number {
  const x = values.length === 0 ? [1, 2, 3, 4] : values;
  return client.send(
    ["run", 1, 1, [["inline", ["float32", [x.length]], 0]], [null], options],
    [f32(...x)],
  );
}

/** The events of one stream so far, in order, each with its site: a run's are those of `load`'s answer. */
function eventsOf(request: number, from = client): Record<string, unknown>[] {
  const sites = new Map<number, ReturnType<typeof readSites>[number]>();
  for (const { type, args } of from.received) {
    if (type === "ok")
      for (const site of args[0]?.sites ? readSites(args[0]) : []) sites.set(site.number, site);
  }
  const events: Record<string, unknown>[] = [];
  for (const message of from.received) {
    if (message.request !== request) continue;
    if (message.type === "sites") {
      for (const site of readSites(message.args[0])) sites.set(site.index as number, site);
    }
    if (message.type !== "events") continue;
    for (const [index, subscription, of, seq, path, dropped, values] of message.args[0]) {
      const site = sites.get(index);
      expect(site).toBeDefined();
      events.push({ site, subscription, run: of, seq, path, dropped, values, message });
    }
  }
  return events;
}

const firstFloat = (event: Record<string, unknown> | undefined) =>
  floats((event?.values as Uint8Array[] | undefined)?.[0])[0];

describe("a standing subscription", () => {
  it("declares a site once, and gets every event of it with all that is told", async () => {
    await client.load(1, hooked());
    const subscription = client.send(["subscribe", ["name", "sum"], "every", "full"]);
    await client.answer(subscription);
    const runs = [run(), run({}, 5, 6, 7, 8)];
    for (const one of runs) await client.answer(one);
    const events = eventsOf(subscription);
    expect(events).toMatchObject([
      { subscription: 0, run: runs[0], seq: 0, path: [], dropped: 0 },
      { subscription: 0, run: runs[1], seq: 0, path: [], dropped: 0 },
    ]);
    expect(events.map(({ values }) => floats((values as Uint8Array[])[0]))).toEqual([
      [2, 3, 4, 5],
      [6, 7, 8, 9],
    ]);
    expect(events[0]?.site).toEqual({
      ...{ index: 0, program: 1, number: 2, node: 2, function: "main", kind: "hook" },
      ...{ id: namedId("sum"), name: "sum", label: "layer.0.sum", types: [F32x4_TYPE] },
    });
    expect(client.received.filter(({ type }) => type === "sites")).toHaveLength(1);
  });

  it("is told what its events cost, by the bytes of their values or by their bound in number", async () => {
    await client.load(1, hooked());
    const plain = client.send(["subscribe", ["name", "sum"]]);
    const summary = client.send(["subscribe", ["name", "sum"], null, ["summary", 3]]);
    const bounded = client.send(["subscribe", ["name", "sum"], null, null, 4]);
    for (const one of [plain, summary, bounded]) await client.answer(one);
    const requests = [run(), run()];
    for (const one of requests) await client.answer(one);
    const cost = (request: number) =>
      client.received
        .filter((one) => one.request === request && one.type === "events")
        .reduce((sum, { args }) => sum + args[1], 0);
    expect(cost(plain)).toBe(2 * (64 + 16));
    expect(cost(summary)).toBe(2 * (64 + 8 * (7 + 3)));
    expect(cost(bounded)).toBe(2 * (DEFAULT_LIMITS.hookCredit / 4));
  });

  it("gets all events of a run before the run's answer", async () => {
    await client.load(1, hooked());
    const subscription = client.send(["subscribe", ["all"]]);
    const requests = Array.from({ length: 300 }, () => run());
    await Promise.all(requests.map((one) => client.answer(one)));
    const events = eventsOf(subscription);
    expect(events).toHaveLength(300);
    const places = new Map(client.received.map((message, place) => [message, place]));
    for (const event of events) {
      const answer = client.received.findIndex(
        ({ request, type }) => request === event.run && type === "ok",
      );
      expect(places.get(event.message as Received)).toBeLessThan(answer);
    }
  });

  it.each([
    [["id", namedId("sum")], 1],
    [["label", "layer.*.sum"], 1],
    [["label", "layer.1.*"], 0],
    [["name", "nobody"], 0],
    [["probe", "layer.0.*"], 2],
  ])("of %j fires %i times a run", async (match, count) => {
    const subscription = client.send(["subscribe", match]);
    await client.load(1, hooked());
    await client.answer(run());
    expect(eventsOf(subscription)).toHaveLength(count);
  });

  it("sees the runs of other sessions, without their numbers", async () => {
    const other = openSession(host);
    await other.client.hello();
    const subscription = other.client.send(["subscribe", ["name", "sum"]]);
    await client.load(1, hooked());
    await client.answer(run());
    const [event] = eventsOf(subscription, other.client);
    expect(event).toMatchObject({ run: 0 });
    expect(event?.site).not.toHaveProperty("program");
    other.session.close();
  });

  it("gets nothing after it was taken back", async () => {
    await client.load(1, hooked());
    const subscription = client.send(["subscribe", ["all"]]);
    await client.answer(run());
    client.tell(["unsubscribe", subscription]);
    await client.answer(run());
    expect(eventsOf(subscription)).toHaveLength(1);
  });

  it("gets slices, summaries, and large values as attachments", async () => {
    const length = 2000;
    await client.load(1, hooked([length]));
    const slice = client.send(["subscribe", ["all"], "every", ["slice", [1998], [10]]]);
    const summary = client.send(["subscribe", ["all"], "every", ["summary", 2]]);
    const full = client.send(["subscribe", ["all"], "every", "full"]);
    const values = Array.from({ length }, (_, index) => index);
    values[7] = Number.NaN;
    await client.answer(run({}, ...values));
    expect(eventsOf(slice).map(({ values }) => floats((values as Uint8Array[])[0]))).toEqual([
      [1999, 2000],
    ]);
    const [{ values: summaries } = { values: [] }] = eventsOf(summary);
    expect(summaries).toMatchObject([{ count: 2000, nan: 1, inf: 0, min: 1, max: 2000 }]);
    expect((summaries as { histogram: number[] }[])[0]?.histogram).toEqual([999, 1000]);
    const [event] = eventsOf(full) as [Record<string, unknown>];
    expect(event.values).toEqual([["attachment", 0]]);
    const { attachments } = event.message as Received;
    expect(floats(attachments[0]).slice(0, 4)).toEqual([1, 2, 3, 4]);
    expect(attachments[0]).toHaveLength(4 * length);
  });

  it.each([
    ["an unknown match", ["subscribe", ["sometimes"]], "message_invalid"],
    ["a number of events", ["subscribe", ["all"], null, null, "few"], "message_invalid"],
    ["a short id", ["subscribe", ["id", new Uint8Array(3)]], "message_invalid"],
    ["an unknown policy", ["subscribe", ["all"], "never"], "message_invalid"],
    ["a sample of none", ["subscribe", ["all"], ["sample", 0]], "policy_invalid"],
    ["a view of nothing", ["subscribe", ["all"], "every", "some"], "message_invalid"],
    ["a slice of text", ["subscribe", ["all"], "every", ["slice", "a", [1]]], "view_invalid"],
  ])("with %s is refused", async (_, message, code) => {
    expect((await client.ask(message)).args[0].code).toBe(code);
  });
});

describe("credit", () => {
  it("holds a run up until it is given back", async () => {
    const { client: slow, session: own } = openSession(host);
    // Two events of 16 + 64 bytes fit.
    await slow.hello({ hook_credit: 160 });
    await slow.load(1, hooked());
    const subscription = slow.send(["subscribe", ["all"]]);
    const requests = Array.from({ length: 5 }, () =>
      slow.send(["run", 1, 1, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]),
    );
    await slow.answer(requests[1] as number);
    // A run of another queue that nobody watches shows that the engine goes on.
    await client.load(1, graph([], [constant(1)], [0]));
    await client.result(["run", 1, 1, [], [null]]);
    expect(eventsOf(subscription, slow)).toHaveLength(2);
    slow.tell(["consumed", 80], [], subscription);
    await slow.answer(requests[2] as number);
    slow.tell(["consumed", 240], [], subscription);
    await slow.answer(requests[4] as number);
    expect(eventsOf(subscription, slow)).toHaveLength(5);
    own.close();
  });

  it("bounds how many events are in flight, where the client says so", async () => {
    const { client: slow, session: own } = openSession(host);
    await slow.hello({ hook_credit: 1000 });
    await slow.load(1, hooked());
    // Each counts 1000 / 3, rounded up: the third does not fit.
    const subscription = slow.send(["subscribe", ["all"], null, null, 3]);
    const requests = Array.from({ length: 4 }, () =>
      slow.send(["run", 1, 1, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]),
    );
    await slow.answer(requests[1] as number);
    await client.load(1, graph([], [constant(1)], [0]));
    await client.result(["run", 1, 1, [], [null]]);
    expect(eventsOf(subscription, slow)).toHaveLength(2);
    slow.tell(["consumed", 334], [], subscription);
    await slow.answer(requests[2] as number);
    slow.tell(["consumed", 334], [], subscription);
    await slow.answer(requests[3] as number);
    own.close();
  });

  it("is no reason to wait for a subscription that is gone", async () => {
    const { client: slow, session: own } = openSession(host);
    await slow.hello({ hook_credit: 80 });
    await slow.load(1, hooked());
    const subscription = slow.send(["subscribe", ["all"]]);
    const requests = Array.from({ length: 3 }, () =>
      slow.send(["run", 1, 1, [["inline", F32x4, 0]], [null]], [f32(1, 2, 3, 4)]),
    );
    await slow.answer(requests[0] as number);
    slow.tell(["unsubscribe", subscription]);
    await slow.answer(requests[2] as number);
    own.close();
  });

  it("drops and counts with a policy that may drop", async () => {
    const { client: slow, session: own } = openSession(host);
    await slow.hello({ hook_credit: 80 });
    await slow.load(1, hooked());
    const subscription = slow.send(["subscribe", ["all"], ["sample", 1]]);
    const message = ["run", 1, 1, [["inline", F32x4, 0]], [null]];
    for (let index = 0; index < 4; index++) await slow.result(message, [f32(1, 2, 3, 4)]);
    slow.tell(["consumed", 80], [], subscription);
    await slow.result(message, [f32(1, 2, 3, 4)]);
    expect(eventsOf(subscription, slow).map(({ dropped }) => dropped)).toEqual([0, 3]);
    own.close();
  });
});

describe("a run's own hooks", () => {
  it("are numbered, and reach only their run", async () => {
    await client.load(1, hooked());
    const plain = run();
    const hooks = [
      [["label", "nobody"]],
      [["name", "sum"]],
      [["probe", "*.add"], "every", ["slice", [0], [1]]],
    ];
    const watched = run({ hooks }, 5, 6, 7, 8);
    await client.answer(plain);
    await client.answer(watched);
    expect(eventsOf(plain)).toEqual([]);
    expect(eventsOf(watched)).toMatchObject([
      { subscription: 2, run: watched, seq: 0 },
      { subscription: 1, run: watched, seq: 1 },
    ]);
    expect(firstFloat(eventsOf(watched)[0])).toBe(6);
  });

  it("by a name that the program does not have are refused, with those that it has", async () => {
    await client.load(1, hooked());
    const refused = await client.answer(run({ hooks: [[["name", "sum"]], [["name", "sun"]]] }));
    expect(refused).toMatchObject({
      type: "error",
      args: [
        {
          code: "hook_unknown",
          message: 'the program has no hook "sun"; expected one of "sum"',
          expected: 'one of "sum"',
        },
      ],
    });
  });

  it("are gone after it: credit for them is ignored", async () => {
    await client.load(1, hooked());
    const watched = run({ hooks: [[["all"]]] });
    await client.answer(watched);
    client.tell(["consumed", 80], [], watched);
    expect((await client.ask(["info"])).type).toBe("ok");
  });

  it("come with the run's prints, unless they are not wanted", async () => {
    const type = { dtype: "float32" as const, shape: [4] };
    await client.load(
      1,
      graph([type], [customCall("print", "p", [0]), customCall("hook", "h", [1])], [2]),
    );
    const both = run({ hooks: [[["name", "h"]]] });
    const prints = run();
    const silent = run({ print: false });
    for (const one of [both, prints, silent]) await client.answer(one);
    expect(eventsOf(both).map(({ subscription }) => subscription)).toEqual([-1, 0]);
    expect(eventsOf(prints)).toMatchObject([{ subscription: -1, site: { kind: "print" } }]);
    expect(eventsOf(silent)).toEqual([]);
  });
});

describe("a hook with a destination", () => {
  const BYTES = { dtype: "uint8" as const, shape: [3] };
  const F32 = { dtype: "float32" as const, shape: [4] };
  const sending = (...inputs: number[]) => {
    const { attributes, ...node } = customCall("hook", "to", inputs);
    return { ...node, attributes: { ...attributes, destination: true } as never };
  };

  it("reaches the client that runs it, and gives its operands", async () => {
    const { sites } = await client.load(1, graph([F32, BYTES], [sending(0, 1)], [2, 3]));
    expect(sites).toMatchObject([{ kind: "hook", name: "to", destination: true }]);
    const other = openSession(host);
    await other.client.hello();
    const plain = other.client.send(["subscribe", ["name", "to"]]);
    await other.client.answer(plain);
    const message = [
      ...["run", 1, 1],
      [
        ["inline", F32x4, 0],
        ["inline", ["uint8", [3]], 1],
      ],
      [null, null],
      { fetch: 100, print: false },
    ];
    const request = client.send(message, [f32(1, 2, 3, 4), Uint8Array.of(7, 8, 9)]);
    const { attachments } = await client.answer(request);
    expect(floats(attachments[0])).toEqual([1, 2, 3, 4]);
    expect([...(attachments[1] as Uint8Array)]).toEqual([7, 8, 9]);
    const values = [f32(1, 2, 3, 4), Uint8Array.of(7, 8, 9)];
    expect(eventsOf(request)).toMatchObject([{ subscription: -2, run: request, seq: 0, values }]);
    expect(eventsOf(plain, other.client)).toMatchObject([{ subscription: 0, run: 0, values }]);
    other.session.close();
  });

  it("is loaded only with a uint8 vector as the last operand", async () => {
    const load = (graph: Graph) => client.ask(["load", 2, {}], [encodeGraph(graph)]);
    const wrong = async (graph: Graph) => (await load(graph)).args[0];
    expect(await wrong(graph([F32, F32], [sending(0, 1)], [2]))).toMatchObject({
      code: "type_mismatched",
      message: /the destination is float32\[4\]/,
      expected: "a uint8 vector",
    });
  });
});

describe("a call", () => {
  const asking: Graph = graph(
    [{ dtype: "float32", shape: [4] }],
    [
      constant(1),
      { op: "add", inputs: [0, 1] },
      {
        op: "custom_call.callback",
        inputs: [2],
        outputs: 1,
        label: "ask",
        attributes: {
          id: namedId("ask"),
          name: "ask",
          results: [{ dtype: "float32", shape: [2] }],
        } as never,
      },
      { op: "add", inputs: [3, 1] },
    ],
    [4],
  );

  const callOf = (request: number) =>
    client.find((one) => one.request === request && one.type === "callback");

  let loaded: readonly { readonly number: number }[];
  beforeEach(async () => {
    loaded = readSites(await client.load(1, asking));
  });

  it("waits for its reply, which flows on", async () => {
    const request = run({ fetch: 100 });
    const { args, attachments } = await callOf(request);
    const [call, site, seq, path] = args;
    expect({ site, path }).toEqual({ site: 2, path: [] });
    expect(loaded.find((one) => one.number === site)).toMatchObject({
      operands: [F32x4_TYPE],
      types: [{ dtype: "float32", shape: [2] }],
    });
    expect(typeof seq).toBe("number");
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
    client.tell(["reply", request, call, [["inline", ["float32", [2]], 0]]], [f32(10, 20)]);
    expect(floats((await client.answer(request)).attachments[0])).toEqual([11, 21]);
  });

  it("takes what a run made meanwhile, by a handler that does not wait for it", async () => {
    const request = run({ fetch: 100 });
    const { args } = await callOf(request);
    await client.load(
      2,
      graph([], [constant(7), { op: "stack", inputs: [0, 0], attributes: { axis: 0 } }], [1]),
    );
    client.send(["run", 1, 2, [], [50], { parent: request }]);
    client.tell(["reply", request, args[0], [50]]);
    client.tell(["free", [50]]);
    expect(floats((await client.answer(request)).attachments[0])).toEqual([8, 8]);
  });

  it("fails the run when it is answered with an error, or with other types", async () => {
    const first = run();
    client.tell(["reply_error", first, (await callOf(first)).args[0], "raised", "oops"]);
    expect((await client.answer(first)).args[0]).toMatchObject({ code: "raised", message: /oops/ });
    const second = run();
    const { args } = await callOf(second);
    client.tell(["reply", second, args[0], [["inline", F32x4, 0]]], [f32(1, 2, 3, 4)]);
    const { code, message } = (await client.answer(second)).args[0];
    expect(code).toBe("reply_invalid");
    expect(message).toMatch(/"ask" was answered with \(float32\[4\]\); expected \(float32\[2\]\)/);
  });

  it("is answered once, and by its own session", async () => {
    const request = run();
    const { args } = await callOf(request);
    const reply = ["reply", request, args[0], [["inline", ["float32", [2]], 0]]];
    const other = openSession(host);
    await other.client.hello();
    other.client.tell(reply, [f32(1, 1)]);
    const forged = await other.client.find(({ type }) => type === "error");
    expect(forged.args[0].code).toBe("callback_unknown");
    other.session.close();
    client.tell(reply, [f32(10, 20)]);
    client.tell(reply, [f32(30, 40)]);
    expect((await client.answer(request)).type).toBe("ok");
    expect(client.received.filter(({ type }) => type === "error")).toMatchObject([
      { request: 0, args: [{ code: "callback_unknown" }] },
    ]);
  });

  it("does not keep a run from being cancelled", async () => {
    const request = run();
    const { args } = await callOf(request);
    client.tell(["cancel", request, "enough"]);
    expect((await client.answer(request)).args[0]).toMatchObject({ code: "cancelled" });
    client.tell(["reply", request, args[0], [["inline", ["float32", [2]], 0]]], [f32(1, 1)]);
    expect(
      (await client.find(({ type, request }) => type === "error" && request === 0)).args[0].code,
    ).toBe("callback_unknown");
  });

  it("that is not answered in time fails its run", async () => {
    const request = run({ timeout: 50 });
    const { args } = await callOf(request);
    expect((await client.answer(request)).args[0]).toMatchObject({ code: "timeout" });
    client.tell(["reply", request, args[0], [["inline", ["float32", [2]], 0]]], [f32(1, 1)]);
    const late = await client.find(({ type, request }) => type === "error" && request === 0);
    expect(late.args[0].code).toBe("callback_unknown");
  });

  it("of a session that ends holds nobody up", async () => {
    const other = openSession(host);
    await other.client.hello();
    await other.client.load(1, asking);
    const waiting = other.client.send(
      ["run", 1, 1, [["inline", F32x4, 0]], [null]],
      [f32(1, 2, 3, 4)],
    );
    await other.client.find(({ request, type }) => request === waiting && type === "callback");
    other.session.close();
    const request = run({ fetch: 100 });
    const { args } = await callOf(request);
    client.tell(["reply", request, args[0], [["inline", ["float32", [2]], 0]]], [f32(10, 20)]);
    expect(floats((await client.answer(request)).attachments[0])).toEqual([11, 21]);
  });
});
