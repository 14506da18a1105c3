import { readdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  Engine,
  exportFunction,
  forLoop,
  grad,
  hook,
  ImportedFunction,
  label,
  mx,
  openFunction,
  type Traced,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const inFolder = temporaryFolder();

describe("exportFunction", () => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.create({ lanes: 1 });
  });
  afterAll(() => engine.close());

  it("writes what can be opened and run, with keywords and metadata, and without hooks", async () => {
    const f = engine.jit((x: Traced, scale: Traced) => {
      const y = hook(mx.multiply(x, scale), "inner");
      return mx.softmax(y, { axes: [-1] });
    });
    const x = engine.tensor([[1, 2, 4]]);
    const scale = engine.tensor(0.5);
    const path = inFolder("keywords.mlxfn");
    const traces = [{ ...f.trace(x, scale), keywords: ["scale"] }];
    const told = await exportFunction(engine, path, traces, { metadata: "of a test" });
    expect(told).toEqual({ hooksLeftOut: 1 });

    using imported = ImportedFunction.open(engine, path);
    expect(imported.opened).toMatchObject({ metadata: "of a test", shapeless: false });
    expect(imported.signatures[0]?.keywords).toEqual(["scale"]);
    const [y] = await imported.call([x], { scale });
    expect(await y?.toArray()).toEqual(await (await f(x, scale)).toArray());
  });

  it("writes a tensor that traces share once, row by row", async () => {
    const weights = await engine.jit((w: Traced) => mx.transpose(w))(
      engine.fromBytes(
        new Uint8Array(Float32Array.from({ length: 64 * 128 }, (_, index) => index % 7).buffer),
        { dtype: "float32", shape: [64, 128] },
      ),
    );
    const f = engine.jit((x: Traced) => mx.matmul(x, weights));
    const inputs = [1, 2, 3].map((rows) =>
      engine.tensor(Array.from({ length: rows }, () => Array.from({ length: 128 }, () => 1))),
    );
    const path = inFolder("shared.mlxfn");
    await exportFunction(
      engine,
      path,
      inputs.map((x) => f.trace(x)),
    );
    expect(openFunction(path).constants.size).toBe(1);
    expect(statSync(path).size).toBeLessThan(1.2 * 4 * 64 * 128);
    using imported = ImportedFunction.open(engine, path);
    for (const x of inputs) {
      const [y] = await imported.call([x]);
      expect(await y?.toArray()).toEqual(await (await f(x)).toArray());
    }
  });

  it("writes a gradient as what it computes", async () => {
    const f = engine.jit(grad((x: Traced) => mx.sum(mx.multiply(mx.sin(x), x))));
    const x = engine.tensor([0.5, 1, 2]);
    const path = inFolder("gradient.mlxfn");
    await exportFunction(engine, path, [f.trace(x)]);
    using imported = ImportedFunction.open(engine, path);
    const [gradient] = await imported.call([x]);
    expect(await gradient?.toArray()).toEqual(await (await f(x)).toArray());
  });

  it("names the node that cannot be written, and leaves no file", async () => {
    const x = engine.tensor([1, 2]);
    const f = engine.jit((value: Traced) => label("sums", () => mx.logcumsumexp(value)));
    const path = inFolder("refused.mlxfn");
    await expect(exportFunction(engine, path, [f.trace(x)])).rejects.toMatchObject({
      code: "export_unsupported",
      op: "logcumsumexp",
      site: 0,
    });
    expect(readdirSync(dirname(path)).filter((name) => name.startsWith("refused"))).toEqual([]);
  });

  it("names the trace that cannot be written, where there are several", async () => {
    const plain = engine.jit((value: Traced) => mx.add(value, 1));
    const sums = engine.jit((value: Traced) => mx.logcumsumexp(value));
    const traces = [plain.trace(engine.tensor([1])), sums.trace(engine.tensor([1, 2]))];
    await expect(exportFunction(engine, inFolder("second.mlxfn"), traces)).rejects.toMatchObject({
      code: "export_unsupported",
      op: "logcumsumexp",
      message: expect.stringContaining("in trace 1"),
    });
  });

  it("writes a function that takes any sizes", async () => {
    const attend = (q: Traced, bias: Traced) => {
      const scores = mx.softmax(mx.matmul(q, mx.transpose(q)), { axes: [-1] });
      const rows = mx.reshape(mx.add(mx.matmul(scores, q), bias), { shape: [-1, 2] });
      return mx.divide(rows, mx.mean(rows, { axes: [0], keepdims: true }));
    };
    const f = engine.jit(attend);
    const sizes = (rows: number) =>
      Array.from({ length: rows }, (_, row) => [row + 1, Math.sin(row), 2, 1]);
    const path = inFolder("any.mlxfn");
    const bias = engine.tensor([1, 2, 3, 4]);
    await exportFunction(engine, path, [f.trace(engine.tensor(sizes(2)), bias)], {
      shapeless: true,
    });
    using imported = ImportedFunction.open(engine, path);
    expect(imported.opened.shapeless).toBe(true);
    for (const rows of [2, 3, 7]) {
      const x = engine.tensor(sizes(rows));
      const [y] = await imported.call([x, bias]);
      expect(await y?.toArray()).toEqual(await (await f(x, bias)).toArray());
    }
  });

  it("names the node whose sizes are those of the trace", async () => {
    const x = engine.tensor([
      [1, 2],
      [3, 4],
    ]);
    const refused = (f: (x: Traced) => Traced) =>
      expect(
        exportFunction(engine, inFolder("fixed.mlxfn"), [engine.jit(f).trace(x)], {
          shapeless: true,
        }),
      ).rejects;
    await refused((x) => mx.reshape(x, { shape: [4] })).toMatchObject({
      code: "export_unsupported",
      op: "reshape",
      message: expect.stringContaining("its shape has no -1"),
    });
    await refused((x) => mx.broadcast_to(x, { shape: [3, 2, 2] })).toMatchObject({
      op: "broadcast_to",
    });
    await refused((x) => mx.slice(x, { start: [0, 0], stop: [1, 1] })).toMatchObject({
      op: "slice",
    });
    const two = [x, engine.tensor([[1]])].map((value) =>
      engine.jit((x: Traced) => mx.add(x, 1)).trace(value),
    );
    await expect(
      exportFunction(engine, inFolder("fixed.mlxfn"), two, { shapeless: true }),
    ).rejects.toThrow("two traces take (float32 with 2 axes)");
  });

  it("refuses control flow, traces of one signature, and keywords that are too many", async () => {
    const x = engine.tensor([1, 2]);
    const loop = engine.jit((value: Traced) => forLoop(3, value, (v) => mx.add(v, 1)));
    const plain = engine.jit((value: Traced) => mx.add(value, 1));
    const path = inFolder("never.mlxfn");
    const refused = (traces: Parameters<typeof exportFunction>[2]) =>
      expect(exportFunction(engine, path, traces)).rejects;
    await refused([loop.trace(x)]).toMatchObject({ code: "export_unsupported" });
    await refused([]).toThrow("there is no trace");
    await refused([plain.trace(x), plain.trace(x)]).toThrow("two traces take (float32[2])");
    await refused([{ ...plain.trace(x), keywords: ["a", "b"] }]).toThrow("for 1 parameters");
    const nowhere = inFolder("missing/never.mlxfn");
    await expect(exportFunction(engine, nowhere, [plain.trace(x)])).rejects.toMatchObject({
      code: "file_missing",
      path: nowhere,
    });
  });
});
