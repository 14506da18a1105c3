import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import type { Session } from "../../src/protocol/session.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { increment } from "../support/graphs.js";
import { mlxFunctionFile, primitive } from "../support/mlxfn-file.js";
import { openSession } from "../support/session.js";

const F32x4 = ["float32", [4]];

let engine: Engine;
let host: Host;
let client: TestClient;
let session: Session;
let folder: string;
let path: string;

beforeAll(async () => {
  engine = Engine.create({ lanes: 1 });
  host = createHost(engine);
  folder = mkdtempSync(join(tmpdir(), "davit-test-"));
  path = join(folder, "weights.safetensors");
  const tensor = (...values: number[]) => ({
    type: { dtype: "float32" as const, shape: [values.length] },
    bytes: f32(...values),
  });
  await writeSafetensors(
    path,
    new Map([
      ["a", tensor(1, 2, 3, 4)],
      ["b", tensor(5, 6, 7, 8)],
    ]),
  );
});

afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true });
});

beforeEach(async () => {
  ({ client, session } = openSession(host));
  await client.hello();
});

afterEach(() => session.close());

it("names tensors of a file, which runs and reads then use", async () => {
  const opened = client.send(["open_file", path, { a: 1, b: 2 }]);
  void client.load(1, increment());
  const run = client.send(["run", 1, 1, [2], [null], { fetch: 16 }]);
  const get = client.send(["get", 1]);
  expect((await client.answer(opened)).args[0]).toEqual({ a: F32x4, b: F32x4 });
  expect(floats((await client.answer(run)).attachments[0])).toEqual([6, 7, 8, 9]);
  expect(floats((await client.answer(get)).attachments[0])).toEqual([1, 2, 3, 4]);
});

it.each([
  ["that is not there", () => join(folder, "none"), { a: 1 }, "file_missing"],
  ["that is a folder", () => folder, { a: 1 }, "file_unreadable"],
  ["without this tensor", () => path, { a: 1, c: 2 }, "file_missing"],
  [
    "that is something else",
    () => {
      const other = join(folder, "other.safetensors");
      writeFileSync(other, "this is not what the name says, not at all");
      return other;
    },
    { a: 1 },
    "file_malformed",
  ],
])("refuses a file %s, and what would use it fails alike", async (_, make, tensors, code) => {
  const opened = client.send(["open_file", make(), tensors]);
  const get = client.send(["get", 1]);
  const error = (await client.answer(opened)).args[0];
  expect(error).toMatchObject({ code });
  expect((await client.answer(get)).args[0]).toEqual(error);
});

it("fails the run or read that first needs a tensor which the file has lost", async () => {
  const short = join(folder, "short.safetensors");
  const type = { dtype: "uint8" as const, shape: [100_000] };
  await writeSafetensors(short, new Map([["x", { type, bytes: new Uint8Array(100_000) }]]));
  await client.result(["open_file", short, { x: 1 }]);
  truncateSync(short, 1000);
  await expect(client.result(["get", 1])).rejects.toMatchObject({ code: "file_unreadable" });
});

describe("functions that MLX exported", () => {
  const matrix = { dtype: "float32", shape: [4] } as const;
  const many = { dtype: "float32", shape: [32] } as const;
  const bytes = new Uint8Array(Float32Array.from({ length: 32 }, (_, index) => index).buffer);
  const write = () => {
    const exported = join(folder, "f.mlxfn");
    const steps = [
      { kind: "constant", constant: 0 } as const,
      primitive("Slice", [1], [matrix], { start: [28], stop: [32], strides: [1] }),
      primitive("Add", [0, 2], [matrix]),
    ];
    const trace = { inputs: [matrix], keywords: ["x"], steps, results: [3] };
    const parts = { metadata: "here", constants: [{ type: many, bytes }], traces: [trace] };
    writeFileSync(exported, mlxFunctionFile(parts));
    return exported;
  };

  it("are graphs, whose constants are tensors of the file", async () => {
    const exported = write();
    const opened = await client.answer(client.send(["open_function", exported]));
    expect(opened.args[0]).toEqual({
      version: "0.32.4",
      shapeless: false,
      metadata: "here",
      traces: [{ inputs: [F32x4], keywords: ["x"], results: [F32x4], constants: ["constant.0"] }],
    });
    await client.result(["open_file", exported, { "constant.0": 7 }]);
    const graph = opened.attachments[0] as Uint8Array;
    const loaded = client.send(["load", 1, {}, { "constant.0": 7 }], [graph]);
    const run = client.send(
      ["run", 1, 1, [["inline", null, 0]], [null], { fetch: 16 }],
      [bytes.subarray(0, 16)],
    );
    expect((await client.answer(loaded)).args[0]).toMatchObject({ input_names: ["x"] });
    expect(floats((await client.answer(run)).attachments[0])).toEqual([28, 30, 32, 34]);
  });

  it("are refused where the file is not one", async () => {
    const other = join(folder, "other.mlxfn");
    writeFileSync(other, "this is no function");
    const opened = await client.answer(client.send(["open_function", other]));
    expect(opened.args[0]).toMatchObject({ code: "file_truncated" });
  });
});
