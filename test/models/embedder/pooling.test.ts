import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, type Pooling, pool, readPooling, type Traced } from "../../../src/index.js";
import { checkPooling } from "../../../src/models/embedder/pooling.js";

let engine: Engine;
let folder: string;
beforeAll(async () => {
  engine = Engine.create({ lanes: 1 });
  folder = await mkdtemp(join(tmpdir(), "davit-pooling-"));
});
afterAll(async () => {
  await engine.close();
  await rm(folder, { recursive: true });
});

// Two texts of three tokens; the second has one token of padding.
const X = [
  [
    [1, -2],
    [3, 4],
    [-1, 1],
  ],
  [
    [2, 2],
    [0, -6],
    [99, 99],
  ],
];
const MASK = [
  [1, 1, 1],
  [1, 1, 0],
];

async function pooled(pooling: Pooling) {
  const run = engine.jit((x: Traced, mask: Traced) => pool(x, mask, pooling));
  return await (await run(X, MASK)).toArray();
}

it.each<[Pooling["mode"], number[][]]>([
  [
    "mean",
    [
      [1, 1],
      [1, -2],
    ],
  ],
  [
    "max",
    [
      [3, 4],
      [2, 2],
    ],
  ],
  [
    "cls",
    [
      [1, -2],
      [2, 2],
    ],
  ],
  [
    "first",
    [
      [1, -2],
      [2, 2],
    ],
  ],
  [
    "last",
    [
      [-1, 1],
      [0, -6],
    ],
  ],
])("%s", async (mode, expected) => {
  expect(await pooled({ mode })).toEqual(expected);
});

it("none keeps the vectors of tokens", async () => {
  expect(await pooled({ mode: "none" })).toEqual(X);
  const tokens = (await pooled({ mode: "none", normalize: true, dimension: 1 })) as number[][][];
  expect(tokens[0]).toEqual([[1], [1], [-1]]);
});

it("cuts vectors to a dimension before it makes them 1 long", async () => {
  expect(await pooled({ mode: "max", dimension: 1 })).toEqual([[3], [2]]);
  const [unit] = (await pooled({ mode: "max", normalize: true })) as number[][];
  expect(unit?.[0]).toBeCloseTo(0.6, 6);
  expect(unit?.[1]).toBeCloseTo(0.8, 6);
  expect(await pooled({ mode: "max", normalize: true, dimension: 1 })).toEqual([[1], [1]]);
});

it.each([
  [{ mode: "median" }, /mode of a pooling is "median"; expected one of mean, max/],
  [{ mode: "mean", normalize: 1 }, /normalize of a pooling is 1; expected true or false/],
  [{ mode: "mean", dimension: 0 }, /dimension of a pooling is 0; expected .* from 1 to 4/],
  [{ mode: "mean", dimension: 5 }, /dimension/],
  [{ mode: "mean", dimension: 1.5 }, /dimension/],
  ["mean", /the value of a pooling is "mean"/],
])("refuses %j", (pooling, message) => {
  const check = () => checkPooling(pooling as Pooling, 4);
  expect(check).toThrow(message);
  expect(check).toThrow(expect.objectContaining({ code: "pooling_invalid" }));
});

describe("of a folder", () => {
  const modules = (...types: string[]) =>
    JSON.stringify(types.map((type, n) => ({ idx: n, type: `x.${type}`, path: `${n}_${type}` })));
  const save = async (list: string, config?: unknown) => {
    await mkdir(join(folder, "1_Pooling"), { recursive: true });
    await writeFile(join(folder, "modules.json"), list);
    await writeFile(join(folder, "1_Pooling", "config.json"), JSON.stringify(config ?? {}));
  };

  it("is what modules.json and the pooling's config.json say", async () => {
    await save(modules("Transformer", "Pooling", "Normalize"), {
      pooling_mode_cls_token: true,
      pooling_mode_mean_tokens: false,
    });
    expect(await readPooling(folder)).toEqual({ mode: "cls", normalize: true });
    await save(modules("Transformer", "Pooling"), { pooling_mode_lasttoken: true });
    expect(await readPooling(folder)).toEqual({ mode: "last", normalize: false });
    await save(modules("Transformer", "Pooling"));
    expect(await readPooling(folder)).toEqual({ mode: "mean", normalize: false });
    expect(await readPooling(join(folder, "none"))).toEqual({ mode: "mean", normalize: false });
  });

  it.each([
    ["[1]", {}, "file_malformed", /no list of modules/],
    ["{", {}, "file_malformed", /does not parse/],
    [modules("Transformer", "Dense"), {}, "model_unsupported", /a module x\.Dense/],
    [
      modules("Transformer", "Pooling"),
      { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true },
      "model_unsupported",
      /pooling_mode_mean_tokens and pooling_mode_max_tokens/,
    ],
    [
      modules("Transformer", "Pooling"),
      { pooling_mode_weightedmean_tokens: true },
      "model_unsupported",
      /weightedmean/,
    ],
  ])("%s with %j is refused", async (list, config, code, message) => {
    await save(list, config);
    await expect(readPooling(folder)).rejects.toMatchObject({ code });
    await expect(readPooling(folder)).rejects.toThrow(message);
  });
});
