import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  Engine,
  type FileArray,
  mx,
  openWeights,
  type Tensor,
  writeTensors,
} from "../../src/index.js";
import golden from "../files/gguf/golden.json" with { type: "json" };
import { ggufFile, value } from "../support/gguf-file.js";

let engine: Engine;
let root: string;
let folder: string;
let next = 0;
beforeAll(async () => {
  engine = Engine.create({ lanes: 1 });
  root = await mkdtemp(join(tmpdir(), "davit-weights-"));
});
beforeEach(async () => {
  folder = join(root, String(next++));
  await mkdir(folder);
});
afterAll(async () => {
  await engine.close();
  await rm(root, { recursive: true });
});

const at = (name: string) => join(folder, name);
const floats = (...values: number[]): FileArray => ({
  type: { dtype: "float32", shape: [values.length] },
  bytes: new Uint8Array(new Float32Array(values).buffer),
});
const save = (name: string, tensors: Record<string, FileArray>) =>
  writeTensors(at(name), new Map(Object.entries(tensors)));
const index = (weight_map: unknown) =>
  writeFile(at("model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map }));

describe("a folder", () => {
  it("is read by its index, of several shards", async () => {
    await save("model-1.safetensors", { a: floats(1) });
    await save("model-2.safetensors", { b: floats(2), c: floats(3) });
    await save("other.safetensors", { a: floats(9) });
    await index({ a: "model-1.safetensors", b: "model-2.safetensors" });
    for (const path of [folder, at("model.safetensors.index.json")]) {
      const weights = await openWeights(engine, path);
      expect([...weights.keys()]).toEqual(["a", "b", "c"]);
      expect(await weights.get("a")?.toArray()).toEqual([1]);
      expect(await weights.get("b")?.toArray()).toEqual([2]);
      expect(weights.get("d")).toBe(undefined);
    }
  });

  it("is read without an index: model.safetensors, or all there are", async () => {
    await save("one.safetensors", { a: floats(1) });
    await save("two.safetensors", { b: floats(2) });
    expect([...(await openWeights(engine, folder)).keys()]).toEqual(["a", "b"]);
    await save("model.safetensors", { c: floats(3) });
    expect([...(await openWeights(engine, folder)).keys()]).toEqual(["c"]);
  });

  it("is read by its only .gguf file", async () => {
    const { type, bytes } = floats(1, 2);
    const metadata = { "general.architecture": value("string", "llama") };
    const tensors = { a: { shape: type.shape, kind: 0, bytes } };
    await writeFile(at("m.gguf"), ggufFile({ metadata, tensors }));
    const weights = await openWeights(engine, folder);
    expect(weights.metadata.get("general.architecture")).toBe("llama");
    expect(await weights.get("a")?.toArray()).toEqual([1, 2]);
    await writeFile(at("n.gguf"), ggufFile({ metadata, tensors }));
    await expect(openWeights(engine, folder)).rejects.toThrow(/has 2 \.gguf files/);
  });

  it.each([
    ["no weights", {}, "model_invalid", /has no weights/],
    ["an index that is no JSON", "{", "file_malformed", /does not parse/],
    ["an index without a map", { weight_map: 1 }, "file_malformed", /weight_map is 1/],
    ["a map of numbers", { weight_map: { a: 1 } }, "file_malformed", /weight_map is /],
    ["a file elsewhere", { weight_map: { a: "../x.safetensors" } }, "model_invalid", /"\.\.\/x/],
    ["a file of another kind", { weight_map: { a: "x.bin" } }, "model_invalid", /"x\.bin"/],
    ["a file that is not there", { weight_map: { a: "x.safetensors" } }, "file_missing", /x\.saf/],
    [
      "a tensor that is not there",
      { weight_map: { b: "y.safetensors" } },
      "model_invalid",
      /1 tensors .*: b/,
    ],
  ])("with %s is refused", async (_, content, code, message) => {
    await save("y.safetensors", { a: floats(1) });
    const text = typeof content === "string" ? content : JSON.stringify(content);
    if (text === "{}") await rm(at("y.safetensors"));
    else await writeFile(at("model.safetensors.index.json"), text);
    const opened = openWeights(engine, folder);
    await expect(opened).rejects.toMatchObject({ code });
    await expect(opened).rejects.toThrow(message);
  });

  it("with one name in two files is refused, and so is what is no folder", async () => {
    await save("one.safetensors", { a: floats(1) });
    await save("two.safetensors", { a: floats(2) });
    await expect(openWeights(engine, folder)).rejects.toThrow(/two tensors named "a"/);
    await writeFile(at("x.bin"), "");
    await expect(openWeights(engine, at("x.bin"))).rejects.toMatchObject({
      code: "file_name_unknown",
    });
    await expect(openWeights(engine, at("none"))).rejects.toMatchObject({ code: "file_missing" });
  });
});

describe("a .gguf file", () => {
  const { kind, blocks } = golden.Q4_1;
  const packed = { shape: [2, 32], kind, bytes: Uint8Array.from(Buffer.from(blocks, "base64")) };

  it("has packed weights, each read when it is first needed, and once", async () => {
    const q8 = { shape: [2048, 2048], kind: 8, bytes: new Uint8Array(2048 * 64 * 34).fill(1) };
    const unknown = { shape: [256], kind: 16, bytes: new Uint8Array(66) };
    const path = at("model.gguf");
    await writeFile(
      path,
      ggufFile({ tensors: { "a.weight": packed, "b.weight": q8, c: unknown } }),
    );
    const before = engine.info().memory.active;
    const weights = await openWeights(engine, path);
    const [a, b] = [weights.get("a.weight"), weights.get("b.weight")] as [Tensor, Tensor];
    expect(weights.get("b.weight")).toBe(b);
    expect(() => weights.get("c")).toThrow(/IQ2_XXS/);
    expect(engine.info().memory.active).toBe(before);
    await rm(path);
    await expect((async () => b.bytes())()).rejects.toMatchObject({ code: "file_missing" });
    await writeFile(
      path,
      ggufFile({ tensors: { "a.weight": packed, "b.weight": q8, c: unknown } }),
    );
    expect((await b.bytes()).length).toBe(2048 * 2048);
    expect(engine.info().memory.active - before).toBe(2048 * 2048);
    // The other parts were kept when the weight was read; that of another tensor is still in the file.
    await rm(path);
    expect((await weights.get("b.scales")?.bytes())?.length).toBe(2048 * 64 * 2);
    await expect((async () => a.bytes())()).rejects.toMatchObject({ code: "file_missing" });
  });

  it("is dequantized by MLX to what the format says", async () => {
    const path = at("model.gguf");
    await writeFile(path, ggufFile({ tensors: { "a.weight": packed } }));
    const weights = await openWeights(engine, path);
    const part = (name: string) => weights.get(`a.${name}`) as Tensor;
    const dequantize = engine.jit(() =>
      mx.astype(
        mx.dequantize(part("weight"), part("scales"), part("biases"), null, {
          bits: 4,
          group_size: 32,
        }),
        { dtype: "float32" },
      ),
    );
    const exact = new Float32Array(
      Uint8Array.from(Buffer.from(golden.Q4_1.values, "base64")).buffer,
    );
    const ours = (await dequantize()).view() as Float32Array;
    // MLX rounds the elements to float16.
    ours.forEach((element, i) => {
      expect(Math.abs(element - (exact[i] as number))).toBeLessThan(2 ** -10 * 0.5);
    });
  });

  it("of several parts is refused", async () => {
    const metadata = { "split.count": value("uint16", 3) };
    await writeFile(at("m-00001-of-00003.gguf"), ggufFile({ metadata }));
    await expect(openWeights(engine, folder)).rejects.toMatchObject({ code: "model_unsupported" });
  });
});
