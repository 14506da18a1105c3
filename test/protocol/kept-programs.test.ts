import { afterAll, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import { createHost } from "../../src/protocol/host.js";
import { f32, floats } from "../support/client.js";
import { constant, graph } from "../support/graphs.js";
import { openSession } from "../support/session.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
const TYPE = { dtype: "float32", shape: [4] } as const;
const INPUT = ["inline", ["float32", [4]], 0] as const;
const HASH = Buffer.alloc(32, 7);
const engines: Engine[] = [];
afterAll(() => Promise.all(engines.map((engine) => engine.close())));

/** A client of an engine that knows nothing but its store. */
async function fresh() {
  const engine = Engine.create({ lanes: 1, store: temporary("store") });
  engines.push(engine);
  const { client } = openSession(createHost(engine));
  await client.hello();
  return client;
}

/** x + NODES by ones, which takes many turns to load; then a hook. */
function program(nodes: number): Uint8Array {
  const list = Array.from({ length: nodes }, (_, index) => ({
    op: "add",
    inputs: [index === 0 ? 0 : index + 1, 1],
  }));
  const id = Buffer.alloc(16, 1);
  const hook = { op: "custom_call.hook", inputs: [nodes + 1], attributes: { id, name: "h" } };
  return encodeGraph(graph([TYPE], [constant(1), ...list, hook], [nodes + 2]));
}

it.each([3, 5000])("a program of %i nodes is loaded by name, without its bytes", async (nodes) => {
  const bytes = program(nodes);
  const note = Buffer.from("a note");
  const first = await fresh();
  // In one burst: what needs the program waits for it.
  const loaded = first.send(["load", 1], [bytes]);
  const kept = first.send(["keep", 1, `p${nodes}`], [note]);
  expect(await first.answer(kept)).toMatchObject({ type: "ok", args: [true] });
  const second = await fresh();
  const request = second.send(["load_kept", 1, `p${nodes}`]);
  const run = second.send(["run", 1, 1, [INPUT], [null], { fetch: 1000 }], [f32(1, 2, 3, 4)]);
  const answer = await second.answer(request);
  const {
    args: [result],
  } = await first.answer(loaded);
  expect(answer).toMatchObject({
    type: "ok",
    args: [{ ...(result as object), graph: 0, note: 1 }],
  });
  expect(Buffer.from(answer.attachments[0] as Uint8Array).equals(bytes)).toBe(true);
  expect(Buffer.from(answer.attachments[1] as Uint8Array).equals(note)).toBe(true);
  const { attachments } = await second.answer(run);
  expect(floats(attachments[0] as Uint8Array)).toEqual([1, 2, 3, 4].map((x) => x + nodes));
});

it("a client that wants a brief answer is told of hooks, and of one node that only has a label", async () => {
  const client = await fresh();
  const labelled = [
    { op: "abs", inputs: [0], label: "first" },
    { op: "abs", inputs: [1], label: "second" },
    { op: "custom_call.hook", inputs: [2], attributes: { id: Buffer.alloc(16, 1), name: "h" } },
  ];
  const bytes = encodeGraph(graph([TYPE], labelled, [3]));
  const told = async (request: number) =>
    (await client.answer(request)).args
      .map((result) => (result as { sites: { kind: string; label?: string }[] }).sites)[0]
      ?.map(({ kind, label }) => label ?? kind);
  expect(await told(client.send(["load", 1], [bytes]))).toEqual(["first", "second", "hook"]);
  const brief = ["first", "hook"];
  expect(await told(client.send(["load", 2, {}, {}, true], [bytes]))).toEqual(brief);
  await client.answer(client.send(["keep", 2, "brief"], [Buffer.from("")]));
  expect(await told(client.send(["load_kept", 3, "brief", null, true]))).toEqual(brief);
});

it("the bytes are asked for where the store does not have it", async () => {
  const client = await fresh();
  expect(await client.ask(["load_kept", 1, "nothing"])).toMatchObject({
    type: "error",
    args: [{ code: "program_unkept", message: 'the store has no program "nothing"' }],
  });
  expect(await client.ask(["run", 1, 1, [INPUT], [null]], [f32(1, 2, 3, 4)])).toMatchObject({
    args: [{ code: "program_unkept" }],
  });
  expect(await client.ask(["keep", 9, "x"], [HASH])).toMatchObject({
    args: [{ code: "program_unknown" }],
  });
  expect(await client.ask(["load", 2], [program(3)])).toMatchObject({ type: "ok" });
});

it("a program is forgotten on request", async () => {
  const client = await fresh();
  await client.ask(["load", 1], [program(3)]);
  await client.ask(["keep", 1, "p"], [HASH]);
  expect(await client.ask(["load_kept", 2, "p"])).toMatchObject({ type: "ok" });
  client.tell(["forget_kept", "p"]);
  expect(await client.ask(["load_kept", 3, "p"])).toMatchObject({
    args: [{ code: "program_unkept" }],
  });
  expect(await client.ask(["run", 2, 1, [INPUT], [null]], [f32(1, 2, 3, 4)])).toMatchObject({
    type: "ok",
  });
});

it("a program is kept in the folder that is named", async () => {
  const client = await fresh();
  const folder = temporary("other");
  await client.ask(["load", 1], [program(3)]);
  expect(await client.ask(["keep", 1, "there", folder], [HASH])).toMatchObject({ args: [true] });
  const kept = (id: number, ...rest: unknown[]) => client.ask(["load_kept", id, "there", ...rest]);
  expect(await kept(2)).toMatchObject({ args: [{ code: "program_unkept" }] });
  expect(await kept(3, null, true, folder)).toMatchObject({ type: "ok" });
  // An engine has a few folders open at a time.
  for (let n = 0; n < 40; n++) client.tell(["forget_kept", "there", temporary(`none-${n}`)]);
  expect(await kept(4, null, true, folder)).toMatchObject({ type: "ok" });
  client.tell(["forget_kept", "there", folder]);
  expect(await kept(5, null, true, folder)).toMatchObject({ args: [{ code: "program_unkept" }] });
  expect(await kept(6, null, true, "here")).toMatchObject({
    args: [{ code: "message_invalid", expected: "an absolute path" }],
  });
});

it("a program with constants by hash is not kept", async () => {
  const client = await fresh();
  const { createHash } = await import("node:crypto");
  const value = f32(1, 2, 3, 4);
  const hash = createHash("sha256").update(value).digest();
  const attributes = { ...TYPE, hash };
  const bytes = encodeGraph(graph([], [{ op: "constant_by_hash", attributes }], [0]));
  await client.ask(["put", 1, ["float32", [4]], 0], [value]);
  await client.ask(["load", 1, { [hash.toString("hex")]: 1 }], [bytes]);
  expect(await client.ask(["keep", 1, "c"], [HASH])).toMatchObject({ type: "ok", args: [false] });
});
