import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";
import { type FileArray, readTensors } from "../../src/files/index.js";
import { writeTinyBert } from "../models/tiny-bert.js";
import { capturePrinted } from "./support.js";

let folder: string;
let model: string;
const printed = capturePrinted();
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-embed-"));
  model = await writeTinyBert(join(folder, "model"));
});
afterAll(() => rm(folder, { recursive: true }));

const vectorOf = async (...args: string[]): Promise<number[]> => {
  printed.out = "";
  expect(await main(["embed", model, "a b", "--json", ...args])).toBe(0);
  return JSON.parse(printed.out).embeddings[0].vector;
};

it("prints a vector for each text", async () => {
  expect(await main(["embed", model, "a b", "b"])).toBe(0);
  const lines = printed.out.trim().split("\n");
  expect([lines.length, lines[0], lines[2]]).toEqual([4, "a b", "b"]);
  expect(lines[1]?.trim().split(" ").map(Number).length).toBe(8);
});

it("prints one JSON object", async () => {
  expect(await main(["embed", model, "a b", "", "--json", "--lanes", "1"])).toBe(0);
  const { dimension, pooling, embeddings } = JSON.parse(printed.out);
  expect([dimension, pooling]).toEqual([8, { mode: "mean", normalize: false }]);
  expect(embeddings.map(({ text }: { text: string }) => text)).toEqual(["a b", ""]);
  expect(embeddings[1].vector.length).toBe(8);
});

it("takes another pooling and dimension", async () => {
  const mean = await vectorOf();
  const [cls, cut] = [await vectorOf("--pooling", "cls"), await vectorOf("--dimension", "3")];
  expect(cls).not.toEqual(mean);
  expect(cut).toEqual(mean.slice(0, 3));
});

it("writes the vectors to a file", async () => {
  const path = join(folder, "out.npy");
  expect(await main(["embed", model, "a b", "b", "--out", path])).toBe(0);
  expect(printed.out).toBe("");
  const [{ type, bytes }] = [...(await readTensors(path)).values()] as [FileArray];
  expect(type).toEqual({ dtype: "float32", shape: [2, 8] });
  const first = [...new Float32Array(Uint8Array.from(bytes).buffer).subarray(0, 8)];
  expect(first).toEqual(await vectorOf());
});

it("reads texts from the standard input", async () => {
  const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
  const child = spawn(process.execPath, [program, "embed", model, "--json"]);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output += text;
  });
  child.stdin.end("a b\nb\n\n");
  expect((await once(child, "close"))[0]).toBe(0);
  const { embeddings } = JSON.parse(output);
  expect(embeddings.map(({ text }: { text: string }) => text)).toEqual(["a b", "b", ""]);
});

it.each([
  [["embed"], 2, /MODEL is missing/],
  [["embed", "M", "a", "--pooling", "none"], 2, /--pooling is "none"; expected one of mean/],
  [["embed", "M", "a", "--dimension", "0"], 2, /--dimension is "0"; expected a whole number/],
  [["embed", "M", "a", "--dimension", "9"], 2, /dimension of a pooling is 9; expected .* 1 to 8/],
  [["embed", "M", "a", "--out", "x.txt"], 2, /--out x\.txt: its name tells no format/],
  [["embed", "/no/such/model", "a"], 1, /\/no\/such\/model.*\[file_missing\]/],
])("%j ends with %i", async (args, code, message) => {
  expect(await main(args.map((arg) => (arg === "M" ? model : arg)))).toBe(code);
  expect(printed.err).toMatch(message);
});
