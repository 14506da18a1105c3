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

  it("refuses control flow, traces of one signature, and keywords that are too many", async () => {
    const x = engine.tensor([1, 2]);
    const loop = engine.jit((value: Traced) => forLoop(3, value, (v) => mx.add(v, 1)));
    const plain = engine.jit((value: Traced) => mx.add(value, 1));
    const path = inFolder("never.mlxfn");
    const refused = (traces: Parameters<typeof exportFunction>[2]) =>
      expect(exportFunction(engine, path, traces)).rejects;
    await refused([loop.trace(x)]).toMatchObject({ code: "export_unsupported" });
    await refused([plain.trace(x), plain.trace(x)]).toThrow("two traces take (float32[2])");
    await refused([{ ...plain.trace(x), keywords: ["a", "b"] }]).toThrow("for 1 parameters");
    const nowhere = inFolder("missing/never.mlxfn");
    await expect(exportFunction(engine, nowhere, [plain.trace(x)])).rejects.toMatchObject({
      code: "file_missing",
      path: nowhere,
    });
  });
});
