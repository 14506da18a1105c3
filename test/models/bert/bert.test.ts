import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, openBert, type Traced } from "../../../src/index.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { type TinyBert, writeTinyBert } from "../tiny-bert.js";

const at = temporaryFolder();
let engine: Engine;
let folders = 0;
beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});
afterAll(() => engine.close());

const folder = async (tiny: TinyBert = {}) => await writeTinyBert(at(`${folders++}`), tiny);

const IDS = engineIds([
  [2, 4, 5, 3],
  [2, 4, 3, 0],
]);
const MASK = [
  [1, 1, 1, 1],
  [1, 1, 1, 0],
];

function engineIds(rows: number[][]): Int32Array[] {
  return rows.map((row) => Int32Array.from(row));
}

async function hidden(tiny: TinyBert = {}, rows = IDS, mask = MASK): Promise<number[][][]> {
  const { bert } = await openBert(engine, await folder(tiny));
  const ids = engine.tensor(
    rows.map((row) => [...row]),
    "int32",
  );
  const run = engine.jit((i: Traced, m: Traced) => bert.forward(i, m));
  return (await (await run(ids, engine.tensor(mask, "float32"))).toArray()) as number[][][];
}

const difference = (a: unknown, b: unknown) => {
  const [x, y] = [a, b].map((rows) => (rows as number[][]).flat(5)) as [number[], number[]];
  expect(x.length).toBe(y.length);
  return Math.max(...x.map((value, n) => Math.abs(value - (y[n] as number))));
};

describe("an encoder", () => {
  it("does not see padding", async () => {
    const [, padded] = await hidden();
    const [alone] = await hidden({}, engineIds([[2, 4, 3]]), [[1, 1, 1]]);
    expect(difference(padded?.slice(0, 3), alone)).toBeLessThan(1e-5);
    const [, other] = await hidden(
      {},
      engineIds([
        [2, 4, 5, 3],
        [2, 4, 3, 5],
      ]),
    );
    expect(difference(padded?.slice(0, 3), other?.slice(0, 3))).toBe(0);
  });

  it("depends on tokens and their places", async () => {
    const [[first, second]] = (await hidden({}, engineIds([[4, 4]]), [[1, 1]])) as [number[][]];
    expect(difference([first], [second])).toBeGreaterThan(1e-2);
  });

  it.each<[string, TinyBert]>([
    ["RoBERTa", { family: "roberta" }],
    ["DistilBERT", { family: "distilbert" }],
    ["BERT below a prefix", { prefix: "bert." }],
    ["RoBERTa below a prefix", { family: "roberta", prefix: "roberta." }],
    ["DistilBERT below a prefix", { family: "distilbert", prefix: "distilbert." }],
  ])("is the same as %s", async (_, tiny) => {
    expect(difference(await hidden(tiny), await hidden())).toBe(0);
  });

  it("computes in float16 where its weights are that, and does not see padding there either", async () => {
    const half = await hidden({ dtype: "float16" });
    expect(difference(half, await hidden())).toBeLessThan(0.05);
    const [, other] = await hidden(
      { dtype: "float16" },
      engineIds([
        [2, 4, 5, 3],
        [2, 4, 3, 5],
      ]),
    );
    expect(difference(half[1]?.slice(0, 3), other?.slice(0, 3))).toBe(0);
  });

  it.each(["gelu_new", "gelu_pytorch_tanh", "relu", "silu"])("knows %s", async (hidden_act) => {
    const other = difference(await hidden({ config: { hidden_act } }), await hidden());
    if (hidden_act.startsWith("gelu")) expect(other).toBeLessThan(0.01);
    else expect(other).toBeGreaterThan(0.01);
    expect(other).toBeGreaterThan(0);
  });

  it("ignores what checkpoints have beside it", async () => {
    const extra = { type: { dtype: "float32", shape: [1] } as const, bytes: new Uint8Array(4) };
    const names = ["pooler.dense.weight", "cls.predictions.bias", "embeddings.position_ids"];
    const tensors = Object.fromEntries(names.map((name) => [name, extra]));
    expect(difference(await hidden({ tensors }), await hidden())).toBe(0);
  });
});

describe("refused is", () => {
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ["another architecture", { model_type: "llama" }, "model_unsupported", /model_type is "llama"/],
    ["no architecture", { model_type: undefined }, "model_unsupported", /model_type is undefined/],
    ["other positions", { position_embedding_type: "relative_key" }, "model_unsupported", /rel/],
    ["another activation", { hidden_act: "mish" }, "model_unsupported", /activation is "mish"/],
    ["a size as text", { hidden_size: "8" }, "file_malformed", /hidden_size is "8"/],
    ["no layers", { num_hidden_layers: 0 }, "file_malformed", /num_hidden_layers is 0/],
    ["heads that do not fit", { num_attention_heads: 3 }, "model_invalid", /8 .* 3 heads/],
  ])("%s", async (_, config, code, message) => {
    const opened = openBert(engine, await folder({ config }));
    await expect(opened).rejects.toMatchObject({ code });
    await expect(opened).rejects.toThrow(message);
  });

  it("a model whose weights are not its own, all of them named", async () => {
    const wrong = { type: { dtype: "float32", shape: [3] } as const, bytes: new Uint8Array(12) };
    const opened = openBert(
      engine,
      await folder({
        tensors: {
          "embeddings.LayerNorm.bias": undefined,
          "encoder.layer.1.output.dense.bias": wrong,
          "encoder.layer.2.output.dense.bias": wrong,
        },
      }),
    );
    await expect(opened).rejects.toMatchObject({
      code: "weights_invalid",
      missing: ["embeddings.LayerNorm.bias"],
      surplus: ["encoder.layer.2.output.dense.bias"],
      misshapen: [{ name: "encoder.layer.1.output.dense.bias", expected: "[8]" }],
    });
  });
});
