import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { Generator } from "../../src/models/index.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import { writeTinyBert } from "../models/tiny-bert.js";
import { CONTEXT, writeTinyLlama } from "../models/tiny-llama.js";
import type { TestClient } from "../support/client.js";
import { eventually } from "../support/eventually.js";
import { type OpenSession, openSession } from "../support/session.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const folder = temporaryFolder();
const PROMPT = "The crew";
/** Of the keys and values of a text. */
const CACHE = 2 * 2 * 2 * 128 * 16 * 4;

let engine: Engine;
let host: Host;
let llama: string;
let bert: string;
let open: OpenSession;
let client: TestClient;
let opened: { readonly bytes: number };
let expected: readonly number[];
beforeAll(async () => {
  engine = Engine.create({ lanes: 2 });
  host = createHost(engine);
  llama = await writeTinyLlama(folder("llama"));
  bert = await writeTinyBert(folder("bert"));
  const generator = await Generator.open(engine, llama);
  const tokens = generator.generate(PROMPT, { maxTokens: 8 });
  for (let next = await tokens.next(); ; next = await tokens.next()) {
    if (!next.done) continue;
    expected = next.value.tokens;
    break;
  }
  generator.dispose();
});
afterAll(() => engine.close());
beforeEach(async () => {
  open = openSession(host);
  ({ client } = open);
  await client.hello();
  opened = await client.result(["open_model", 1, llama]);
});
afterEach(() => open.session.close());

type Token = { token: number | null; text: string; end: { reason: string } | null };
/** All answers of a generation, to the last one. */
async function finish(id: number, prompt: unknown, options: object = {}, of = client) {
  const all: Token[] = [await of.result(["generate", id, 1, 1, prompt, options])];
  while (all.at(-1)?.end === null) all.push(await of.result(["next_token", id]));
  return all;
}
const tokensOf = (all: readonly Token[]) => all.slice(0, -1).map(({ token }) => token);
const withoutCaches = () =>
  eventually(() => expect(engine.info().memory.active).toBeLessThan(opened.bytes + CACHE / 2));
const users = async () =>
  (
    (await client.result(["info"])) as { engine: { models: { users: number }[] } }
  ).engine.models.map((model) => model.users);

it("opens a language model, and generates a token for each request", async () => {
  expect(opened).toEqual({
    kind: "language",
    vocabulary: 259,
    context: CONTEXT,
    bytes: expect.any(Number),
  });
  const all = await finish(1, PROMPT, { max_tokens: 8 });
  expect(tokensOf(all)).toEqual(expected);
  const promptIds = [...Buffer.from(PROMPT)];
  expect(all.at(-1)).toEqual({
    token: null,
    text: "",
    end: {
      reason: "length",
      prompt_ids: promptIds,
      prefill_ms: expect.any(Number),
      decode_ms: expect.any(Number),
    },
  });
  expect(tokensOf(await finish(1, promptIds, { max_tokens: 8 }))).toEqual(expected);
});

it("answers chats, and takes all options", async () => {
  const chat = await finish(1, [["user", "Hi"]], { max_tokens: 2 });
  expect(chat.at(-1)?.end).toMatchObject({ prompt_ids: expect.arrayContaining([257, 258]) });
  const options = {
    max_tokens: 10,
    temperature: 2,
    top_k: 50,
    top_p: 0.9,
    repetition_penalty: 1.5,
  };
  const sampled = async (seed: number) => tokensOf(await finish(2, PROMPT, { ...options, seed }));
  const [a, b, c] = [await sampled(1), await sampled(1), await sampled(2)];
  expect(b).toEqual(a);
  expect(c).not.toEqual(a);
  const whole = (await finish(3, PROMPT, { max_tokens: 8 })).map(({ text }) => text).join("");
  const stop = whole.slice(3, 5);
  const stopped = await finish(3, PROMPT, { max_tokens: 8, stop: [stop] });
  expect(stopped.map(({ text }) => text).join("")).toBe(whole.slice(0, whole.indexOf(stop)));
  expect(stopped.at(-1)?.end?.reason).toBe("stop");
});

it("generates for several at once, in sessions too, over one copy of the weights", async () => {
  const other = openSession(host);
  await other.client.hello();
  await other.client.result(["open_model", 1, llama]);
  const all = await Promise.all([
    finish(1, PROMPT, { max_tokens: 8 }),
    finish(2, "Rain", { max_tokens: 8 }),
    finish(1, PROMPT, { max_tokens: 8 }, other.client),
  ]);
  expect([tokensOf(all[0]), tokensOf(all[2])]).toEqual([expected, expected]);
  expect(await users()).toEqual([2]);
  other.session.close();
  expect(await users()).toEqual([1]);
});

describe("a generation ends, and its cache is freed,", () => {
  const begin = () => client.result(["generate", 7, 3, 1, PROMPT]);
  const isOver = async () => {
    await expect(client.result(["next_token", 7])).rejects.toMatchObject({
      code: "generation_unknown",
    });
    await withoutCaches();
    expect(tokensOf(await finish(7, PROMPT, { max_tokens: 8 }))).toEqual(expected);
  };

  it.each<[string, () => unknown]>([
    ["where it is closed", () => client.tell(["close_generation", 7])],
    ["with its queue", () => client.tell(["close_queue", 3])],
  ])("%s", async (_, end) => {
    await begin();
    await end();
    await isOver();
  });

  it("where a request is cancelled", async () => {
    await begin();
    const next = client.send(["next_token", 7]);
    client.tell(["cancel", next, "enough"]);
    expect((await client.answer(next)).args[0]).toMatchObject({
      code: "cancelled",
      message: "enough",
    });
    await isOver();
    const first = client.send(["generate", 7, 3, 1, PROMPT]);
    client.tell(["cancel", first, "enough"]);
    expect((await client.answer(first)).args[0]).toMatchObject({ code: "cancelled" });
    await isOver();
  });

  it("while a token is computed", async () => {
    await begin();
    const next = client.send(["next_token", 7]);
    client.tell(["close_generation", 7]);
    expect((await client.answer(next)).args[0]).toMatchObject({ code: "cancelled" });
    await isOver();
  });

  it("and keeps its model open until then", async () => {
    await begin();
    client.tell(["close_model", 1]);
    expect(await users()).toEqual([1]);
    expect(await client.result(["next_token", 7])).toMatchObject({ end: null });
    client.tell(["close_generation", 7]);
    expect(await users()).toEqual([]);
  });

  it("with its session", async () => {
    await begin();
    const other = openSession(host);
    await other.client.hello();
    await other.client.result(["open_model", 1, llama]);
    open.session.close();
    await withoutCaches();
    other.session.close();
  });
});

describe("a snapshot", () => {
  it("has the beginning of prompts, until it is closed", async () => {
    expect(await client.result(["snapshot", 4, 1, "The cr"])).toEqual({ tokens: 6 });
    const options = { max_tokens: 8, snapshot: 4 };
    expect(tokensOf(await finish(1, PROMPT, options))).toEqual(expected);
    client.tell(["close_snapshot", 4]);
    await withoutCaches();
    await expect(finish(1, PROMPT, options)).rejects.toMatchObject({ code: "snapshot_unknown" });
    expect(await client.result(["snapshot", 4, 1, [["system", "S"]]])).toEqual({ tokens: 10 });
  });

  it("is given up where it is cancelled or closed while it is computed", async () => {
    const made = client.send(["snapshot", 4, 1, PROMPT]);
    client.tell(["cancel", made, "enough"]);
    expect((await client.answer(made)).args[0]).toMatchObject({ code: "cancelled" });
    const closed = client.send(["snapshot", 4, 1, PROMPT]);
    client.tell(["close_snapshot", 4]);
    expect((await client.answer(closed)).args[0]).toMatchObject({ code: "cancelled" });
    await withoutCaches();
  });

  it("is computed once where it is made again", async () => {
    const [one, two, three] = [1, 2, 3].map(() => client.send(["snapshot", 4, 1, PROMPT]));
    client.tell(["cancel", one, "enough"]);
    expect((await client.answer(one as number)).args[0]).toMatchObject({ code: "cancelled" });
    for (const request of [two, three]) {
      expect((await client.answer(request as number)).args).toEqual([{ tokens: PROMPT.length }]);
    }
    expect(await client.result(["snapshot", 4, 1, PROMPT])).toEqual({ tokens: PROMPT.length });
    const most = opened.bytes + 1.5 * CACHE;
    await eventually(() => expect(engine.info().memory.active).toBeLessThan(most));
    client.tell(["close_snapshot", 4]);
    await withoutCaches();
  });

  it("is of one model", async () => {
    await client.result([
      "open_model",
      2,
      await writeTinyLlama(folder("packed"), { packed: true }),
    ]);
    await client.result(["snapshot", 4, 2, PROMPT]);
    await expect(finish(1, PROMPT, { snapshot: 4 })).rejects.toMatchObject({
      code: "snapshot_foreign",
    });
  });
});

describe("refused is", () => {
  it.each<[string, unknown[], string, RegExp]>([
    ["a model that is not there", ["generate", 1, 1, 9, "x"], "model_unknown", /no model 9/],
    ["a prompt that is none", ["generate", 1, 1, 1, 7], "message_invalid", /prompt is 7/],
    ["a token that is none", ["generate", 1, 1, 1, [1, "a"]], "message_invalid", /token/],
    [
      "a message that is none",
      ["generate", 1, 1, 1, [["user"]]],
      "message_invalid",
      /role, content/,
    ],
    ["an empty prompt", ["generate", 1, 1, 1, ""], "prompt_invalid", /no tokens/],
    ["an unknown token", ["generate", 1, 1, 1, [259]], "prompt_invalid", /259/],
    ["a long prompt", ["generate", 1, 1, 1, "x".repeat(CONTEXT)], "text_too_long", /64 tokens/],
    ["an unknown option", ["generate", 1, 1, 1, "x", { heat: 1 }], "message_invalid", /heat/],
    ["an option's type", ["generate", 1, 1, 1, "x", { stop: [1] }], "message_invalid", /stop/],
    ["an option's value", ["generate", 1, 1, 1, "x", { top_p: 2 }], "option_invalid", /2/],
    ["an unknown generation", ["next_token", 9], "generation_unknown", /no generation 9/],
    ["no snapshot", ["generate", 1, 1, 1, "x", { snapshot: 9 }], "snapshot_unknown", /snapshot 9/],
    ["a snapshot of nothing", ["snapshot", 1, 1, ""], "prompt_invalid", /no tokens/],
    [
      "an embedding",
      ["embed", 1, null, 0],
      "model_unsupported",
      /is a language model; .* embedding/,
    ],
    ["a pooling", ["open_model", 5, "LLAMA", { mode: "mean" }], "pooling_invalid", /no pooling/],
  ])("%s", async (_, message, code, text) => {
    const { args } = await client.ask(message.map((one) => (one === "LLAMA" ? llama : one)));
    expect(args[0]).toMatchObject({ code, message: expect.stringMatching(text) });
    expect(tokensOf(await finish(1, PROMPT, { max_tokens: 1 }))).toEqual(expected.slice(0, 1));
  });

  it("text of an embedding model, and ids in use", async () => {
    await client.result(["open_model", 2, bert]);
    await expect(client.result(["generate", 1, 1, 2, "x"])).rejects.toMatchObject({
      code: "model_unsupported",
      message: expect.stringMatching(/is an embedding model; expected a language model/),
    });
    await client.result(["generate", 1, 1, 1, "x"]);
    const again = client.result(["generate", 1, 1, 1, "x"]);
    await expect(again).rejects.toMatchObject({ code: "generation_taken" });
    const waiting = client.send(["next_token", 1]);
    client.tell(["generate", 2, 1, 1, "x"], [], waiting);
    expect((await client.answer(waiting)).args[0]).toMatchObject({ code: "request_taken" });
    await client.find(({ request, type }) => request === waiting && type === "ok");
    await expect(client.result(["next_token", 2])).rejects.toMatchObject({
      code: "generation_unknown",
    });
    await client.result(["snapshot", 1, 1, "x"]);
    const twice = client.result(["snapshot", 1, 1, "y"]);
    await expect(twice).rejects.toMatchObject({ code: "snapshot_taken" });
  });
});
