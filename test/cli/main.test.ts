import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { main } from "../../src/cli/main.js";
import { readTensors, writeTensors } from "../../src/files/index.js";
import { encodeGraph, hashBytes } from "../../src/graph/encoding/canonical.js";
import type { Graph, GraphFunction } from "../../src/graph/graph.js";
import { namedId } from "../../src/hooks/ids.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { mlxFunctionFile, primitive } from "../support/mlxfn-file.js";
import { capturePrinted } from "./support.js";

const f32: TensorType = { dtype: "float32", shape: [2] };
const floats = (...values: number[]) => ({
  type: { dtype: "float32", shape: [values.length] } as const,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

const weights = floats(10, 20);
/** `hook(x + weights) * 2`, with the weights beside the graph. */
const graph: Graph = {
  functions: [
    {
      name: "main",
      parameters: [f32],
      nodes: [
        {
          op: "constant_by_hash",
          inputs: [],
          attributes: { ...f32, hash: Buffer.from(hashBytes(weights.bytes), "hex") },
          outputs: 1,
        },
        { op: "add", inputs: [0, 1], attributes: {}, outputs: 1, label: "sum" },
        {
          op: "custom_call.hook",
          inputs: [2],
          attributes: { id: namedId("seen"), name: "seen" },
          outputs: 1,
        },
        { op: "add", inputs: [3, 3], attributes: {}, outputs: 1 },
      ],
      results: [4],
    },
  ],
};

/** Prints its input. */
const printing: Graph = {
  functions: [
    {
      name: "main",
      parameters: [f32],
      nodes: [
        {
          op: "custom_call.print",
          inputs: [0],
          attributes: { id: namedId("x"), name: "x", precision: 2 },
          outputs: 1,
        },
      ],
      results: [0],
    },
  ],
};

/** `x - w` of named parameters. */
const withNames = (...parameterNames: string[]): Graph => ({
  functions: [
    {
      name: "main",
      parameters: [f32, f32],
      parameterNames,
      nodes: [{ op: "subtract", inputs: [0, 1], attributes: {}, outputs: 1 }],
      results: [2],
    },
  ],
});

/** A function that MLX exported, with two traces. */
const exported = mlxFunctionFile({
  metadata: "of a test",
  constants: [floats(...Array(32).keys())],
  traces: [
    { inputs: [f32], keywords: [], steps: [primitive("Exp", [0], [f32])], results: [1] },
    {
      inputs: [f32, f32],
      keywords: ["by"],
      steps: [
        { kind: "constant", constant: 0 },
        primitive("Slice", [2], [f32], { start: [30], stop: [32], strides: [1] }),
        primitive("Multiply", [0, 1], [f32]),
        primitive("Add", [3, 4], [f32]),
      ],
      results: [5],
    },
  ],
});

/** One that takes inputs of any sizes. */
const shapeless = mlxFunctionFile({
  shapeless: true,
  constants: [],
  traces: [{ inputs: [f32], keywords: [], steps: [primitive("Exp", [0], [f32])], results: [1] }],
});

let folder: string;
const printed = capturePrinted();
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-cli-"));
  await writeFile(at("g.davit"), encodeGraph(graph));
  await writeFile(at("printing.davit"), encodeGraph(printing));
  await writeFile(at("named.davit"), encodeGraph(withNames("x", "w.0")));
  await writeFile(at("twice.davit"), encodeGraph(withNames("x", "x")));
  await writeFile(at("bad.davit"), "no graph");
  await writeTensors(at("x.npy"), new Map([["value", floats(1, 2)]]));
  await writeTensors(at("w.safetensors"), new Map([["w", weights]]));
  await writeTensors(at("w.npy"), new Map([["value", floats(1, 2, 3)]]));
  await writeFile(at("f.mlxfn"), exported);
  await writeFile(at("any.mlxfn"), shapeless);
  const named = new Map([
    ["w.0", weights],
    ["x", floats(1, 2)],
  ]);
  await writeTensors(at("named.safetensors"), named);
});
afterAll(() => rm(folder, { recursive: true }));

describe("davit", () => {
  it("helps", async () => {
    expect(await main(["--help"])).toBe(0);
    for (const command of ["run", "inspect", "port", "serve", "doctor"]) {
      expect(printed.out).toMatch(new RegExp(`^  ${command} +\\w`, "m"));
      printed.out = "";
      expect(await main([command, "--help"])).toBe(0);
      expect(printed.out).toMatch(new RegExp(`^Usage: davit ${command}\\b`));
      expect(printed.out).toContain("--help");
      await main(["--help"]);
    }
    expect(await main(["help", "run"])).toBe(0);
    expect(printed.err).toBe("");
  });

  it("tells its version", async () => {
    expect(await main(["--version"])).toBe(0);
    expect(printed.out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [[], /Usage: davit COMMAND/],
    [["isnpect"], /unknown command "isnpect"; did you mean inspect\?/],
    [["constructor"], /unknown command "constructor"/],
    [["inspect"], /GRAPH is missing\nTry "davit inspect --help"/],
    [["inspect", "g", "--fromat", "dot"], /unknown option --fromat; did you mean --format\?/],
    [
      ["inspect", "g", "--format", "png"],
      /--format is "png"; expected one of text, mermaid, dot, json/,
    ],
    [["run", "g", "--device", "tpu"], /--device is "tpu"/],
  ])("%j is called wrongly", async (argv, message) => {
    expect(await main(argv)).toBe(2);
    expect(printed.err).toMatch(message);
    expect(printed.out).toBe("");
  });
});

describe("davit inspect", () => {
  it.each([
    ["text", /%2 = add %0, %1 : float32\[2\] {2}"sum"/],
    ["mermaid", /^(flowchart|graph) /],
    ["dot", /^digraph /],
    ["json", /"op": "custom_call.hook"/],
  ])("prints %s", async (format, pattern) => {
    expect(await main(["inspect", at("g.davit"), "--format", format])).toBe(0);
    expect(printed.out).toMatch(pattern);
    expect(printed.err).toBe("");
  });

  it.each([
    ["text", "func main(%0 x: float32[2], %1 w.0: float32[2]) {"],
    ["mermaid", 'f0_p1(["%1 w.0: '],
    ["dot", 'label="%1 w.0: float32[2]"'],
    ["json", '"name": "w.0"'],
  ])("prints the names of parameters as %s", async (format, text) => {
    expect(await main(["inspect", at("named.davit"), "--format", format])).toBe(0);
    expect(printed.out).toContain(text);
  });

  it("prints the signatures, the constants and the graphs of a function that MLX exported", async () => {
    expect(await main(["inspect", at("f.mlxfn")])).toBe(0);
    expect(printed.out).toContain(`a function exported by MLX 0.32.4
metadata: of a test
trace 0: (arg0: float32[2]) -> float32[2]
trace 1: (arg0: float32[2], by=float32[2]) -> float32[2]
1 constants in the file, 128 bytes
  constant.0: float32[32], 128 bytes
`);
    expect(printed.out).toMatch(/%1 = exp %0 : float32\[2\] {2}"exp.0"/);
    expect(await main(["inspect", at("f.mlxfn"), "--trace", "1", "--format", "dot"])).toBe(0);
    expect(await main(["inspect", at("f.mlxfn"), "--trace", "2"])).toBe(2);
    expect(printed.err).toMatch(/--trace is "2"; expected a number from 0 to 1/);
  });

  it("refuses what is no graph, with the file's name", async () => {
    expect(await main(["inspect", at("bad.davit")])).toBe(1);
    expect(printed.err).toMatch(/bad\.davit: .*\[graph_invalid\]/);
    expect(await main(["inspect", at("missing.davit")])).toBe(1);
    expect(printed.err).toMatch(/missing\.davit: there is no such file .*\[file_missing\]/);
  });
});

describe("davit run", () => {
  it("runs a function that MLX exported shapeless at any sizes", async () => {
    expect(await main(["run", at("any.mlxfn"), "--input", at("w.npy")])).toBe(0);
    expect(printed.out).toMatch(/^0: float32\[3\]/);
  });

  it("runs the trace of a function that MLX exported that the inputs are for", async () => {
    const argv = ["run", at("f.mlxfn"), "--input", at("x.npy")];
    expect(await main([...argv, "--input", `by=${at("x.npy")}`, "--probe", "add.*"])).toBe(0);
    expect(printed.out).toMatch(/add\.0 #0 float32\[2\]/);
    printed.out = "";
    expect(await main(argv)).toBe(0);
    expect(printed.out).toMatch(/0: float32\[2\]/);
    expect(await main(["run", at("f.mlxfn"), "--input", at("none.npy")])).toBe(1);
    expect(printed.err).toMatch(/none\.npy: there is no such file/);
    printed.err = "";
    expect(await main(["run", at("f.mlxfn"), "--input", at("w.npy")])).toBe(2);
    expect(printed.err).toMatch(/no trace for these inputs; it has\n {2}\(arg0: float32\[2\]\)/);
  });

  const run = (...more: string[]) =>
    main(["run", at("g.davit"), "--constants", at("w.safetensors"), ...more]);

  it("prints hooks as they fire, then the results", async () => {
    expect(await run("--input", at("x.npy"), "--hook", "*", "--values")).toBe(0);
    expect(printed.out).toBe(
      "seen #0 float32[2]\narray([11, 22], dtype=float32)\n" +
        "0: float32[2]\narray([22, 44], dtype=float32)\n",
    );
  });

  it("prints summaries of hooks and probes", async () => {
    expect(await run("--input", `0=${at("x.npy")}`, "--hook", "se?n", "--probe", "sum")).toBe(0);
    expect(printed.out).toMatch(
      /^sum #\d float32\[2\] {2}min 11 {2}max 22 {2}mean 16.5 {2}std 5.5$/m,
    );
    expect(printed.out).toMatch(
      /^seen #\d float32\[2\] {2}min 11 {2}max 22 {2}mean 16.5 {2}std 5.5$/m,
    );
  });

  it.each([
    [["--input", "w.0=x.npy", "--input", "x=w.safetensors"], "[ 9, 18]"],
    [["--input", "1=w.safetensors", "--input", "x=x.npy"], "[ -9, -18]"],
    [["--input", "named.safetensors"], "[ -9, -18]"],
    [["--input", "named.safetensors", "--input", "x=w.safetensors"], "[0, 0]"],
  ])("takes parameters by their names: %j", async (args, values) => {
    const argv = args.map((arg) => arg.replace(/(?<==|^)\w+\.(npy|safetensors)$/, at("$&")));
    expect(await main(["run", at("named.davit"), ...argv])).toBe(0);
    expect(printed.out).toBe(`0: float32[2]\narray(${values}, dtype=float32)\n`);
  });

  it("lists the names of parameters, and refuses a graph with wrong ones", async () => {
    expect(await main(["run", at("named.davit"), "--input", "w=f.npy"])).toBe(2);
    expect(printed.err).toContain('there is no parameter "w": the graph has x, w.0\nTry');
    expect(await main(["run", at("twice.davit"), "--input", at("named.safetensors")])).toBe(1);
    expect(printed.err).toMatch(
      /twice\.davit: parameters 0 and 1 are both named "x".*\[graph_invalid\]/,
    );
  });

  it("prints what the graph prints", async () => {
    const args = ["--input", at("x.npy"), "--out", at("z.npy")];
    expect(await main(["run", at("printing.davit"), ...args])).toBe(0);
    expect(printed.out).toBe("x: array([1, 2], dtype=float32)\n");
  });

  it.each(["y.npy", "y.npz", "y.safetensors"])("writes %s", async (file) => {
    expect(await run("--input", at("x.npy"), "--out", at(file))).toBe(0);
    const [result] = (await readTensors(at(file))).values();
    expect([...new Float32Array(Uint8Array.from(result?.bytes ?? []).buffer)]).toEqual([22, 44]);
    expect(printed.out).toBe("");
  });

  it.each([
    ["y.txt", /--out .*y\.txt: its name tells no format \(expected a name that ends in/],
    ["none/y.npy", /--out .*y\.npy: there is no folder .*none \(expected an existing folder\)/],
    ["x.npy/y.npy", /--out .*y\.npy: there is no folder .*x\.npy \(expected an existing folder\)/],
    ["folder.npy", /--out .*folder\.npy: it is a folder \(expected a regular file\)/],
  ])("refuses --out %s before it runs", async (file, message) => {
    await mkdir(at("folder.npy"), { recursive: true });
    const args = ["--input", at("x.npy"), "--hook", "*", "--out", at(file)];
    expect(await run(...args)).toBe(2);
    expect(printed.err).toMatch(message);
    expect(printed.err.match(/expected/g)).toHaveLength(1);
    expect(printed.out).toBe("");
  });

  it("refuses one .npy file for two results before it runs", async () => {
    const [main_] = printing.functions as [GraphFunction];
    const two = { functions: [{ ...main_, results: [1, 1] }] };
    await writeFile(at("two.davit"), encodeGraph(two));
    const args = ["run", at("two.davit"), "--input", at("x.npy"), "--out"];
    expect(await main([...args, at("two.npy")])).toBe(2);
    expect(printed.err).toMatch(/--out .*two\.npy: a \.npy file holds one tensor, and there are 2/);
    expect(printed.out).toBe("");
    expect(await main([...args, at("two.npz")])).toBe(0);
    expect(printed.out).not.toBe("");
  });

  it.each([
    [["--hook", "sean"], 'davit: --hook "sean" matches nothing: the graph has the hooks seen\n'],
    [["--probe", "s?m?"], 'davit: --probe "s?m?" matches nothing: the graph has the labels sum\n'],
    [["--hook", "x".repeat(2000)], "a match is"],
    [["--lanes", "0"], "engine option lanes is 0; expected an integer from 1"],
    [["--memory-limit", "0"], "engine option memoryLimit is 0; expected an integer from 1"],
  ])("ends with 2 for the option %j", async (options, message) => {
    const recording = at("kept.rec");
    await writeFile(recording, "kept");
    expect(await run("--input", at("x.npy"), ...options, "--record", recording)).toBe(2);
    expect(printed.err).toContain(message);
    expect(printed.out).toBe("");
    expect(await readFile(recording, "utf8")).toBe("kept");
  });

  it("tells which input or constant is missing", async () => {
    expect(await run()).toBe(2);
    expect(printed.err).toMatch(/parameter 0 has no value: --input 0=FILE with float32\[2\]/);
    expect(await main(["run", at("g.davit"), "--input", at("x.npy")])).toBe(2);
    expect(printed.err).toMatch(/1 constants of the graph are in no file given with --constants/);
  });
});
