import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { Embedder } from "../../src/models/index.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import { writeTinyBert } from "../models/tiny-bert.js";
import { floats, type TestClient } from "../support/client.js";
import { eventually } from "../support/eventually.js";
import { increment } from "../support/graphs.js";
import { type OpenSession, openSession } from "../support/session.js";

let engine: Engine;
let host: Host;
let root: string;
let folder: string;
let open: OpenSession;
let client: TestClient;
beforeAll(async () => {
  engine = Engine.create({ lanes: 2 });
  host = createHost(engine);
  root = mkdtempSync(join(tmpdir(), "davit-models-"));
  folder = await writeTinyBert(join(root, "model"));
});
afterAll(async () => {
  await engine.close();
  rmSync(root, { recursive: true });
});
beforeEach(async () => {
  open = openSession(host);
  ({ client } = open);
  await client.hello();
});
afterEach(() => open.session.close());

/** Of the weights. */
const BYTES = 6144;
const TEXTS = ["a b", "", "b a b a"];
const bytes = (texts: readonly string[]) => texts.map((text) => Buffer.from(text));
const models = async () =>
  ((await client.result(["info"])) as { engine: { models: { users: number }[] } }).engine.models;
/** What is freed is given back in a later turn of the event loop, and not when garbage is collected. */
const withoutWeights = () =>
  eventually(() => expect(engine.info().memory.active).toBeLessThan(BYTES));
const expected = async (texts: readonly string[]) => {
  const embedder = await Embedder.open(engine, folder);
  const vectors = await embedder.embed(texts);
  embedder.dispose();
  // Garbage that is collected during another test would change the memory that it measures.
  for (const tensor of Object.values(embedder.model.parameters())) tensor.dispose();
  return vectors.flatMap((vector) => [...vector]);
};

it("opens a model and embeds texts, with the vectors in the answer", async () => {
  expect(await client.result(["open_model", 1, folder])).toEqual({
    kind: "embedding",
    dimension: 8,
    longest: 32,
    pooling: { mode: "mean", normalize: false },
    bytes: BYTES,
  });
  const request = client.send(["embed", 1, null, 3], bytes(TEXTS));
  const { args, attachments } = await client.answer(request);
  expect(args[0]).toEqual({ type: ["float32", [3, 8]], value: 0 });
  expect(floats(attachments[0])).toEqual(await expected(TEXTS));
});

it("embeds into a tensor, which runs may take before it is computed", async () => {
  await client.result(["open_model", 1, folder]);
  void client.load(1, increment([3, 8]));
  const embed = client.send(["embed", 1, 5, 3], bytes(TEXTS));
  const run = client.send(["run", 1, 1, [5], [null], { fetch: 4096 }]);
  const get = client.send(["get", 5]);
  expect((await client.answer(embed)).args[0]).toEqual({ type: ["float32", [3, 8]], value: null });
  const vectors = await expected(TEXTS);
  expect(floats((await client.answer(get)).attachments[0])).toEqual(vectors);
  const more = floats((await client.answer(run)).attachments[0]) as number[];
  more.forEach((value, n) => {
    expect(value).toBeCloseTo((vectors[n] as number) + 1, 5);
  });
});

it("takes another pooling over the same weights, and no texts", async () => {
  const opened = await client.result(["open_model", 1, folder, { mode: "cls", dimension: 3 }]);
  expect(opened).toMatchObject({ dimension: 3, pooling: { mode: "cls", dimension: 3 } });
  await client.result(["open_model", 2, folder]);
  expect(await models()).toMatchObject([{ bytes: BYTES, users: 2 }]);
  expect(await client.result(["embed", 1, null, 0])).toEqual({
    type: ["float32", [0, 3]],
    value: 0,
  });
  expect(await client.result(["embed", 1, 9, 0])).toMatchObject({ type: ["float32", [0, 3]] });
});

describe("weights", () => {
  it("are one copy for all sessions, and freed with the last one that has them", async () => {
    await withoutWeights();
    const before = engine.info().memory.active;
    const other = openSession(host);
    await other.client.hello();
    await Promise.all([
      client.result(["open_model", 1, folder]),
      client.result(["open_model", 2, folder]),
      other.client.result(["open_model", 1, join(folder, "..", "model")]),
    ]);
    expect(await models()).toMatchObject([{ users: 3 }]);
    const memory = await client.result(["memory"]);
    expect(memory.models).toEqual(await models());
    const open = memory.sessions.map((session: { models: string[] }) => session.models);
    expect(open).toEqual([[folder, folder], [folder]]);
    const held = engine.info().memory.active - before;
    expect(held).toBeGreaterThanOrEqual(BYTES);
    expect(held).toBeLessThan(2 * BYTES);
    void client.send(["close_model", 1]);
    void client.send(["close_model", 2]);
    void client.send(["close_model", 3]);
    expect(await models()).toMatchObject([{ users: 1 }]);
    const answer = await other.client.answer(
      other.client.send(["embed", 1, null, 1], bytes(["a"])),
    );
    expect(floats(answer.attachments[0])).toEqual(await expected(["a"]));
    other.session.close();
    expect(await models()).toEqual([]);
    await withoutWeights();
  });

  it("are one copy for files with the same content, elsewhere", async () => {
    const copy = join(root, "copy");
    const other = join(root, "other");
    cpSync(folder, copy, { recursive: true });
    cpSync(folder, other, { recursive: true });
    // As long as it was, and not the same.
    const config = readFileSync(join(other, "config.json"), "utf8");
    writeFileSync(join(other, "config.json"), config.replace('"gelu"', '"relu"'));
    await client.result(["open_model", 1, folder]);
    await Promise.all([
      client.result(["open_model", 2, copy]),
      client.result(["open_model", 3, copy]),
      client.result(["open_model", 4, other]),
    ]);
    expect((await models()).map(({ users }) => users)).toEqual([3, 1]);
    for (const id of [1, 2, 3]) void client.send(["close_model", id]);
    expect((await models()).map(({ users }) => users)).toEqual([1]);
  });

  it("are read anew where the files have changed", async () => {
    await client.result(["open_model", 1, folder]);
    const weights = join(folder, "model.safetensors");
    const before = readFileSync(weights);
    const changed = Uint8Array.from(before);
    changed[changed.length - 1] = (changed.at(-1) as number) ^ 1;
    writeFileSync(weights, changed);
    const later = new Date(Date.now() + 5000);
    utimesSync(weights, later, later);
    await client.result(["open_model", 2, folder]);
    expect(await models()).toMatchObject([{ users: 1 }, { users: 1 }]);
    writeFileSync(weights, before);
  });

  it("are given back where the model is closed, or the session ends, while it is opened", async () => {
    void client.send(["open_model", 1, folder]);
    void client.send(["close_model", 1]);
    const other = openSession(host);
    await other.client.hello();
    void other.client.send(["open_model", 1, folder]);
    other.session.close();
    await client.result(["open_model", 2, folder]);
    expect(await models()).toMatchObject([{ users: 1 }]);
  });
});

it("finishes what is under way where the model is closed", async () => {
  await client.result(["open_model", 1, folder]);
  const texts = Array.from({ length: 300 }, (_, n) => "a b ".repeat(n % 15));
  const embed = client.send(["embed", 1, null, 300], bytes(texts));
  void client.send(["close_model", 1]);
  expect(await models()).toMatchObject([{ users: 1 }]);
  const { attachments } = await client.answer(embed);
  expect(floats(attachments[0])).toHaveLength(300 * 8);
  // It is given back right after its answer.
  await new Promise(setImmediate);
  expect(await models()).toEqual([]);
});

it("opens a model again under its id, as a client does after it was connected anew", async () => {
  const first = await client.result(["open_model", 1, folder]);
  expect(await client.result(["open_model", 1, folder])).toEqual(first);
  expect(await models()).toMatchObject([{ users: 1 }]);
});

it("gives up an embed that is cancelled, or whose tensor is freed", async () => {
  await client.result(["open_model", 1, folder]);
  const many = bytes(Array.from({ length: 500 }, (_, n) => "a ".repeat(n % 30)));
  const cancelled = client.send(["embed", 1, 5, 500], many);
  const get = client.send(["get", 5]);
  void client.send(["cancel", cancelled, "enough"]);
  expect((await client.answer(cancelled)).args[0]).toMatchObject({ code: "cancelled" });
  expect((await client.answer(get)).args[0]).toMatchObject({ code: "cancelled" });
  const freed = client.send(["embed", 1, 6, 500], many);
  void client.send(["free", [6]]);
  expect((await client.answer(freed)).args[0]).toMatchObject({ code: "tensor_freed" });
  const next = client.send(["embed", 1, null, 1], bytes(["a"]));
  expect(floats((await client.answer(next)).attachments[0])).toEqual(await expected(["a"]));
});

describe("refused is", () => {
  it.each<[string, unknown[], string[], string, RegExp]>([
    ["a folder that is not there", ["open_model", 2, "/no/such"], [], "file_missing", /no\/such/],
    ["a path that is no text", ["open_model", 2, 7], [], "message_invalid", /path is 7/],
    ["an id in use", ["open_model", 1, "/elsewhere"], [], "model_taken", /model 1/],
    [
      "a pooling of tokens",
      ["open_model", 2, "/x", { mode: "none" }],
      [],
      "pooling_invalid",
      /one/,
    ],
    ["a pooling with more", ["open_model", 2, "/x", { sum: 1 }], [], "message_invalid", /sum/],
    ["a model that is not there", ["embed", 2, null, 0], [], "model_unknown", /no model 2/],
    ["fewer texts", ["embed", 1, null, 2], ["a"], "message_invalid", /texts is 2; .* 1 attach/],
    ["a flag that is none", ["embed", 1, null, 1, 1], ["a"], "message_invalid", /refuse is 1/],
    ["a text too long", ["embed", 1, 8, 1, true], ["a ".repeat(40)], "text_too_long", /text 0/],
  ])("%s", async (_, message, texts, code, text) => {
    await client.result(["open_model", 1, folder]);
    const { args } = await client.answer(client.send(message as never, bytes(texts)));
    expect(args[0]).toMatchObject({ code, message: expect.stringMatching(text) });
    expect(await client.result(["embed", 1, null, 0])).toBeTruthy();
  });

  it("text that is not UTF-8, and a pooling that does not fit, after which the id is free", async () => {
    const pooling = { mode: "mean", dimension: 9 };
    const wrong = await client.answer(client.send(["open_model", 1, folder, pooling]));
    expect(wrong.args[0]).toMatchObject({ code: "pooling_invalid" });
    await client.result(["open_model", 1, folder]);
    const broken = client.send(["embed", 1, null, 1], [Uint8Array.of(0xff)]);
    expect((await client.answer(broken)).args[0]).toMatchObject({ code: "message_invalid" });
    const taken = client.send(["embed", 1, 5, 1], bytes(["a"]));
    const again = client.send(["embed", 1, 5, 1], bytes(["a"]));
    expect((await client.answer(again)).args[0]).toMatchObject({ code: "tensor_taken" });
    expect((await client.answer(taken)).type).toBe("ok");
  });
});
