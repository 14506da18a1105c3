import { writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine, ImportedFunction, openFunction, RecordingFile, record } from "../../src/index.js";
import type { Trace } from "../../src/mlxfn/file.js";
import type { Tensor } from "../../src/native-tensor.js";
import { byteLength, type TensorType } from "../../src/tensor/dtype.js";
import { type MlxFunctionParts, mlxFunctionFile, primitive } from "../support/mlxfn-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const matrix: TensorType = { dtype: "float32", shape: [2, 2] };
const wide: TensorType = { dtype: "float32", shape: [8, 8] };
const scalar: TensorType = { dtype: "float32", shape: [] };

const threes = Float32Array.from({ length: 64 }, () => 3);
const parts: MlxFunctionParts = {
  metadata: "of a test",
  constants: [{ type: wide, bytes: new Uint8Array(threes.buffer) }],
  traces: [
    {
      inputs: [wide],
      keywords: [],
      steps: [{ kind: "constant", constant: 0 }, primitive("Add", [0, 1], [wide])],
      results: [2],
    },
    {
      inputs: [matrix, scalar],
      keywords: ["scale"],
      steps: [
        primitive("Broadcast", [1], [matrix], { shape: [2, 2] }),
        primitive("Multiply", [0, 2]),
        primitive("Slice", [3], [matrix], { start: [1, 0], stop: [-1, 2], strides: [-1, 1] }),
      ],
      results: [4],
    },
  ],
};

const inFolder = temporaryFolder();
function written(what: MlxFunctionParts, name = "case"): string {
  const path = inFolder(`${name}.mlxfn`);
  writeFileSync(path, mlxFunctionFile(what));
  return path;
}

const only = (trace: Partial<Trace>): MlxFunctionParts => ({
  constants: [],
  traces: [{ inputs: [matrix], keywords: [], steps: [], results: [0], ...trace }],
});

describe("openFunction", () => {
  it("returns signatures, metadata, constants and labelled graphs", () => {
    const path = written(parts);
    const opened = openFunction(path);
    expect(opened).toMatchObject({ path, version: "0.32.4", metadata: "of a test" });
    expect(opened.signatures).toEqual([
      { inputs: [wide], keywords: [], results: [wide] },
      { inputs: [matrix, scalar], keywords: ["scale"], results: [matrix] },
    ]);
    expect([...opened.constants.keys()]).toEqual(["constant.0"]);
    const [main] = opened.graph(1).functions;
    expect(main?.parameterNames).toEqual(["arg0", "scale"]);
    expect(main?.nodes.map(({ label }) => label)).toEqual([
      "broadcast_to.0",
      "multiply.0",
      "slice.0",
    ]);
  });

  it("says which primitive no op stands for", () => {
    const state = { scale: 0.5, causal: false, sinks: false, logsumexp: true, fused: false };
    const steps = [primitive("ScaledDotProductAttention", [0, 0, 0], [matrix, matrix], state)];
    const path = written(only({ steps }));
    expect(() => openFunction(path).graph(0)).toThrow(
      expect.objectContaining({
        code: "file_primitive_unsupported",
        message: expect.stringContaining(
          "its primitive ScaledDotProductAttention(scale: 0.5, causal",
        ),
      }),
    );
  });
});

describe("ImportedFunction", () => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.create({ lanes: 2 });
  });
  afterAll(() => engine.close());
  const values = async (tensor: Tensor | undefined) => [
    ...new Float32Array((await (tensor as Tensor).bytes()).slice().buffer),
  ];

  it("calls the trace that the inputs are for, from several callers at once", async () => {
    using f = ImportedFunction.open(engine, written(parts));
    const calls = Array.from({ length: 20 }, async (_, scale) => {
      const [y] = await f.call(
        [
          [
            [1, 2],
            [3, 4],
          ],
        ],
        { scale },
      );
      return await values(y);
    });
    for (const [scale, result] of (await Promise.all(calls)).entries()) {
      expect(result).toEqual([3, 4, 1, 2].map((value) => value * scale));
    }
    const x = engine.fromBytes(new Uint8Array(threes.buffer), wide);
    const [sum] = await f.call([x]);
    expect(await values(sum)).toEqual(Array(64).fill(6));
  });

  it("shows inner values to probes", async () => {
    using f = ImportedFunction.open(engine, written(parts));
    const seen: unknown[] = [];
    const probe = f.probe("multiply.*", ({ label, value }) => {
      seen.push([label, [...(value as Float32Array)]]);
    });
    await f.call(
      [
        [
          [1, 2],
          [3, 4],
        ],
      ],
      { scale: 2 },
    );
    probe.close();
    expect(seen).toEqual([["multiply.0", [2, 4, 6, 8]]]);
  });

  it("is recorded like any program", async () => {
    using f = ImportedFunction.open(engine, written(parts));
    const path = inFolder("values.davitrec");
    const recording = record(engine, { path, match: { probe: "multiply.*" } });
    const rows = [
      [1, 2],
      [3, 4],
    ];
    await f.call([rows], { scale: 2 });
    await f.call([rows], { scale: 3 });
    recording.close();
    const { events } = await RecordingFile.open(path);
    expect(events.map(({ place }) => place.label)).toEqual(["multiply.0", "multiply.0"]);
  });

  it("is a graph that the program store keeps", async () => {
    const folder = inFolder("store");
    const own = Engine.create({ lanes: 1, store: folder });
    const opened = openFunction(written(parts));
    const graph = opened.graph(1);
    const program = own.load(graph);
    expect(own.programStore.add("opened", program, new Uint8Array(0))).toBe(true);
    expect(own.programStore.find("opened")?.graph).toEqual(graph);
    await own.close();
  });

  it("lists the signatures where no trace is for the inputs", async () => {
    using f = ImportedFunction.open(engine, written(parts));
    const x = engine.tensor([1, 2, 3]);
    await expect(f.call([x], { size: 1 })).rejects.toMatchObject({
      code: "input_type_invalid",
      message: expect.stringMatching(
        /no trace for \(float32\[3\], size=values of the shape \[\]\); expected one of\n {2}\(arg0: float32\[8, 8\]\) -> float32\[8, 8\]\n {2}\(arg0: float32\[2, 2\], scale=float32\[\]\)/,
      ),
    });
    await expect(
      f.call([
        [
          [1, 2],
          [3, 4],
        ],
      ]),
    ).rejects.toMatchObject({ code: "input_type_invalid" });
  });

  it("frees constants after each call where they are not kept, and all when it is disposed of", async () => {
    const programs = () => engine.info().counters.programs;
    const before = programs();
    const x = engine.fromBytes(new Uint8Array(threes.buffer), wide);
    const f = ImportedFunction.open(engine, written(parts), { keep: false });
    await f.call([x]);
    expect(programs()).toBe(before);
    const kept = ImportedFunction.open(engine, written(parts));
    await kept.call([x]);
    expect(programs()).toBe((before ?? 0) + 1);
    kept.dispose();
    expect(programs()).toBe(before);
    await expect(kept.call([x])).rejects.toMatchObject({ code: "function_disposed" });
  });

  it("has a constant of several traces in memory once", async () => {
    const large: TensorType = { dtype: "float32", shape: [512, 1024] };
    const megabytes = new Uint8Array(4 * 512 * 1024);
    const sum = (axis: number, shape: number[]): Trace => ({
      inputs: [{ dtype: "float32", shape }],
      keywords: [],
      steps: [
        { kind: "constant", constant: 0 },
        primitive("Reduce", [1], [{ dtype: "float32", shape }], { kind: 2, axes: [axis] }),
        primitive("Add", [0, 2], [{ dtype: "float32", shape }]),
      ],
      results: [3],
    });
    const traces = [sum(0, [1, 1024]), sum(1, [512, 1])];
    const path = written({ constants: [{ type: large, bytes: megabytes }], traces }, "large");
    using f = ImportedFunction.open(engine, path);
    const before = engine.info().memory.active;
    for (const { inputs } of traces) {
      const [type] = inputs as [TensorType];
      const x = engine.fromBytes(new Uint8Array(4 * 1024).subarray(0, byteLength(type)), type);
      const [y] = await f.call([x]);
      await y?.bytes();
    }
    expect(engine.info().memory.active - before).toBeLessThan(1.5 * megabytes.length);
  });

  it("refuses a file that says another type than its ops have", async () => {
    const path = written(only({ steps: [primitive("Exp", [0], [wide])], results: [1] }));
    using f = ImportedFunction.open(engine, path);
    await expect(
      f.call([
        [
          [1, 2],
          [3, 4],
        ],
      ]),
    ).rejects.toMatchObject({
      code: "file_malformed",
      message: expect.stringContaining("it says that result 0 is float32[8, 8]"),
    });
  });

  it("refuses what no op takes, with the op and its label", async () => {
    const path = written(only({ steps: [primitive("Matmul", [0], [matrix])], results: [1] }));
    using f = ImportedFunction.open(engine, path);
    await expect(
      f.call([
        [
          [1, 2],
          [3, 4],
        ],
      ]),
    ).rejects.toMatchObject({ op: "matmul" });
  });
});
