import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../src/engine/engine.js";
import { type FileArray, readTensors } from "../src/files/index.js";
import { boundNamesOf } from "../src/graph/bound-values.js";
import { openMlxFunction } from "../src/mlxfn/file.js";
import {
  exportFunction,
  formatSignature,
  ImportedFunction,
  openFunction,
  type Signature,
} from "../src/mlxfn/index.js";
import { LAYOUTS } from "../src/mlxfn/state.js";
import type { Tensor } from "../src/native-tensor.js";
import { difference } from "../test/support/compare.js";
import { root } from "../test/support/root.js";
import { hasModule, python } from "./support/python.js";

/** How far floats may be apart where rounding adds up: through all layers of a model. */
const TOLERANCE: Readonly<Record<string, number>> = { transformer: 1e-4 };
/** What MLX itself does not export. */
const REFUSED = ["logcumsumexp"];

const folder = mkdtempSync(join(tmpdir(), "davit-mlxfn-"));
const exported = hasModule("mlx.core");
const refused = exported
  ? python([join(root, "integration", "support", "export_functions.py"), folder])
  : "";
const names = readdirSync(folder)
  .filter((name) => name.endsWith(".mlxfn"))
  .map((name) => basename(name, ".mlxfn"));

/** The arguments and the results that a function was exported with. */
async function example(name: string) {
  const tensors = new Map(await readTensors(join(folder, `${name}.safetensors`)));
  const results = [...tensors].filter(([key]) => key.startsWith("result."));
  const given = [...tensors].filter(([key]) => !key.startsWith("result."));
  const isPosition = ([key]: [string, FileArray]) => /^\d+$/.test(key);
  const order = ([a]: [string, FileArray], [b]: [string, FileArray]) =>
    Number(a.replace("result.", "")) - Number(b.replace("result.", ""));
  return {
    inputs: given.filter(isPosition).sort(order),
    keywords: given.filter((entry) => !isPosition(entry)),
    results: results.sort(order).map(([, array]) => array),
  };
}

describe.runIf(exported)("functions that Python exported", () => {
  let engine: Engine;
  beforeAll(() => {
    engine = Engine.create({ lanes: 1 });
  });
  afterAll(async () => {
    await engine.close();
    rmSync(folder, { recursive: true });
  });
  const tensorOf = ({ bytes, type }: FileArray): Tensor => engine.fromBytes(bytes, type);

  it("are as many as MLX exports", () => {
    expect(
      refused
        .trim()
        .split("\n")
        .map((line) => line.split(":")[0]),
    ).toEqual(REFUSED);
    expect(names.length).toBeGreaterThan(140);
  });

  it("write a constant of several traces once, and none is read before it is needed", () => {
    const { constants, signatures, bytesRead } = openFunction(join(folder, "traces.mlxfn"));
    expect(signatures.map(({ inputs: [type] }) => type?.shape)).toEqual(
      [1, 2, 3, 4, 5].map((rows) => [rows, 4]),
    );
    expect(constants.size).toBe(1);
    const model = openFunction(join(folder, "transformer.mlxfn"));
    expect(model.constants.size).toBeGreaterThan(24 * 6);
    expect(bytesRead).toBeLessThan(8192);
    expect(model.bytesRead).toBeLessThan(statSync(model.path).size / 2);
  });

  it("have metadata, keywords, and values that probes see", async () => {
    const { inputs, keywords } = await example("perceptron");
    using f = ImportedFunction.open(engine, join(folder, "perceptron.mlxfn"));
    expect(JSON.parse(f.opened.metadata)).toEqual({ by: "a test" });
    expect(formatSignature(f.signatures[0] as Signature)).toBe(
      "(arg0: float32[3, 4], temperature=float32[]) -> float32[3, 2]",
    );
    const seen: string[] = [];
    for (const glob of ["matmul.*", "softmax.*"]) {
      f.probe(glob, ({ label, types: [type] }) => {
        seen.push(`${label} ${type?.shape}`);
      });
    }
    const [x, t] = [...inputs, ...keywords].map(([, array]) => tensorOf(array)) as [Tensor, Tensor];
    const results = await Promise.all([1, 2, 3].map(() => f.call([x], { temperature: t })));
    expect(new Set(await Promise.all(results.map(([y]) => y?.format()))).size).toBe(1);
    expect(seen.sort()).toEqual(
      ["matmul.0 3,300", "matmul.1 3,2", "softmax.0 3,2"].flatMap((one) => [one, one, one]),
    );
  });

  it.each(names)("%s gives what Python gives", async (name) => {
    const { inputs, keywords, results } = await example(name);
    const f = ImportedFunction.open(engine, join(folder, `${name}.mlxfn`));
    const values = await f.call(
      inputs.map(([, array]) => tensorOf(array)),
      Object.fromEntries(keywords.map(([key, array]) => [key, tensorOf(array)])),
    );
    const problems = await Promise.all(
      results.map(async (expected, index) => {
        const value = values[index] as Tensor;
        return difference(
          { type: value.type, bytes: await value.bytes() },
          expected,
          TOLERANCE[name],
        );
      }),
    );
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
    expect(values).toHaveLength(results.length);
    f.dispose();
  });

  it("are what Python computes again after Davit wrote them, and docs/mlxfn-primitives.md lists the primitives", async () => {
    const written = mkdtempSync(join(folder, "again-"));
    const unwritten: string[] = [];
    // MLX does not survive what it makes of the last one itself.
    const again = names.filter((name) => name !== "shapeless_sum");
    for (const name of again) {
      const path = join(folder, `${name}.mlxfn`);
      const opened = openFunction(path);
      const externals = new Map(
        [...opened.constants].map(([constant, { offset, type }]) => [
          constant,
          engine.fileTensor(path, offset, type),
        ]),
      );
      const traces = opened.signatures.map(({ keywords }, trace) => {
        const graph = opened.graph(trace);
        const used = boundNamesOf(graph, "external");
        const own = new Map([...externals].filter(([constant]) => used.has(constant)));
        return { graph, keywords, externals: own };
      });
      const { shapeless } = opened;
      await exportFunction(engine, join(written, `${name}.mlxfn`), traces, { shapeless }).catch(
        (error) => unwritten.push(`${name}: ${error}`),
      );
      for (const tensor of externals.values()) tensor.dispose();
    }
    expect(unwritten).toEqual([]);
    const script = join(root, "integration", "support", "run_functions.py");
    expect(JSON.parse(python([script, folder, written]))).toEqual({
      same: again.length,
      problems: [],
    });
    await expect(primitiveTable(written)).toMatchFileSnapshot("../docs/mlxfn-primitives.md");
  });

  /** Which primitives the functions have that Python exported and Davit computed, and those that Davit wrote and Python computed. */
  function primitiveTable(written: string): string {
    const opened = primitivesOf(names.map((name) => join(folder, `${name}.mlxfn`)));
    const again = primitivesOf(
      readdirSync(written)
        .filter((name) => name.endsWith(".mlxfn"))
        .map((name) => join(written, name)),
    );
    const rows = [...LAYOUTS.keys()].sort().map((name) => {
      const [read, wrote] = [opened, again].map((counts) => counts.get(name) ?? 0);
      return `| ${name} | ${read || ""} | ${wrote || ""} |`;
    });
    return `# Primitives in .mlxfn files

\`integration/mlxfn.test.ts\` writes this table, of what it tried: the number of functions with a primitive that Python exported and Davit
opened and computed, and the number of those that Davit wrote and Python computed. All results were the same. MLX on a CPU writes others for those
without a number, such as the parts of a norm or of attention: test/mlxfn/primitives.test.ts opens them. [mlxfn.md](mlxfn.md) says which are not opened.

| primitive | Python wrote, Davit computed | Davit wrote, Python computed |
|---|---|---|
${rows.join("\n")}
`;
  }
});

function primitivesOf(paths: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) {
    const steps = openMlxFunction(path).traces.flatMap((trace) => trace.steps);
    const found = steps.flatMap((step) => (step.kind === "primitive" ? [step.name] : []));
    for (const name of new Set(found)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}
