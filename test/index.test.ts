import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";
import * as davit from "../src/index.js";
import { built } from "./support/built.js";
import { root } from "./support/root.js";

const folder = mkdtempSync(join(tmpdir(), "davit-types-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What TypeScript has against a program that uses the package as it is published: dist/ with its declarations. */
async function typeErrors(program: string): Promise<string> {
  const index = new URL(await built("index.d.ts")).pathname;
  const file = join(folder, "program.ts");
  const config = join(folder, "tsconfig.json");
  writeFileSync(file, program);
  const compilerOptions = {
    noEmit: true,
    module: "ESNext",
    moduleResolution: "Bundler",
    // Declarations are checked as well.
    skipLibCheck: false,
    typeRoots: [join(root, "node_modules", "@types")],
    paths: { "davit-engine": [index] },
  };
  const base = join(root, "tsconfig.base.json");
  writeFileSync(config, JSON.stringify({ extends: base, compilerOptions, files: [file] }));
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const { stdout } = await promisify(execFile)(process.execPath, [tsc, "-p", config]).catch(
    (error: { stdout: string }) => error,
  );
  return stdout;
}

it("the package exports these values", () => {
  expect(Object.keys(davit).sort()).toEqual([
    ...[
      "DavitError",
      "Embedder",
      "Embedding",
      "Engine",
      "Generator",
      "ImportedFunction",
      "LanguageTokenizer",
    ],
    ...["LayerNorm", "Linear", "Llama", "ModelError", "Module", "QuantizedEmbedding"],
    ...["QuantizedLinear", "RMSNorm", "RecordingFile", "Sampler", "Tensor"],
    ...["TextTokenizer", "Traced", "WeightReader", "Weights", "WeightsError"],
    ...["attach", "callback", "cond", "decodeGraph", "diffRecordings", "encodeGraph"],
    ...[
      "exportFunction",
      "exportGraph",
      "forLoop",
      "formatDiff",
      "formatSignature",
      "grad",
      "graphHash",
      "hook",
      "hookGradient",
    ],
    ...["isMaterialized", "jvp", "label", "listEngines", "longestText", "materialize", "mx"],
    ...[
      "ofType",
      "openBert",
      "openFunction",
      "openGguf",
      "openLlama",
      "openSafetensors",
      "openWeights",
      "pool",
      "print",
    ],
    ...["readGgufTensor", "readPooling", "readSafetensor"],
    ...["readTensors", "record", "replay", "switchCase", "trace", "valueAndGrad", "vjp"],
    ...["whileLoop", "withParameters", "writeTensors"],
  ]);
});

it("what is refused is a DavitError, wherever it is found", async () => {
  const { DavitError, Engine, hook, mx, readTensors } = davit;
  const engine = Engine.create({ lanes: 1 });
  const f = engine.jit((x: davit.Traced) => mx.add(hook(x, "h"), 1));
  const wrong = engine.jit((x: davit.Traced) => mx.matmul(x, [[1]]));
  const refused: [code: string, () => unknown][] = [
    ["option_invalid", () => Engine.create({ lanes: 0 })],
    ["shape_invalid", () => engine.tensor([[1], [2, 3]])],
    ["op_refused", () => wrong([1, 2])],
    ["trace_missing", () => mx.add(1, 2)],
    ["match_invalid", () => engine.subscribe({ name: 5 } as never, () => {})],
    ["handler_invalid", () => f.on("h", 5 as never)],
    ["view_invalid", () => f.on("h", () => {}, { view: "none" as never })],
    ["file_missing", () => readTensors("/no/such/file.npy")],
    ["graph_invalid", () => engine.load({ functions: [] })],
  ];
  for (const [code, action] of refused) {
    const error = await (async () => action())().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(DavitError);
    expect(error).toMatchObject({ name: "DavitError", code });
  }
  await engine.close();
});

it("a program that uses them has the types that it needs", async () => {
  const program = `
    import { callback, DavitError, Engine, type Event, hook, mx, print, record, type Subscription,
      type Tensor, type Traced } from "davit-engine";
    const engine: Engine = Engine.create({ lanes: 1, hookCredit: 1024 });
    const f = engine.jit((x: Traced) => {
      const [y] = callback(hook(x, "in"), async (v: Tensor) => v, [{ dtype: "float32", shape: [2] }]);
      return mx.add(print(y as Traced, "y", { precision: 3 }), mx.arange({ stop: 2 }));
    });
    const one: Subscription = f.on("in", (event: Event) => event.value, { policy: { sample: 2 } });
    const all: Subscription = engine.on("in", ({ label, path }) => [label, path]);
    engine.probe("encoder.*", () => {}, { view: "summary" }).close();
    engine.subscribe([{ label: "a*" }, { name: "b" }], () => {}).close();
    one.close();
    all.close();
    const sum: Tensor = await f([1, 2]);
    const { outputs, done } = engine.run(f.program([1, 2]), [sum], { signal: AbortSignal.timeout(1) });
    await done.catch((error: unknown) => error instanceof DavitError && error.code);
    outputs[0]?.dispose();
    record(engine, { path: "a.rec" }).close();
    await engine.close();
  `;
  expect(await typeErrors(program)).toBe("");
});

/** The members of the classes and interfaces of a declaration file that have no documentation. */
function undocumented(file: string, names: ReadonlySet<string>): string[] {
  const lines = readFileSync(join(root, "dist", file), "utf8").split("\n");
  const found: string[] = [];
  let type: string | undefined;
  lines.forEach((line, index) => {
    const documented = lines[index - 1]?.trimEnd().endsWith("*/") === true;
    const [, name] = /^export (?:declare )?(?:class|interface) (\w+)/.exec(line) ?? [];
    if (name !== undefined) type = names.has(name) ? name : undefined;
    else if (line.startsWith("}")) type = undefined;
    const member = /^ {4}(?! |\*|\/|[})]|#private|private|\[Symbol)/.test(line);
    if (type !== undefined && (name !== undefined || member) && !documented) {
      found.push(`${file}: ${type}: ${line.trim()}`);
    }
  });
  return found;
}

it("every member of a public class or interface is documented", async () => {
  await built("index.d.ts");
  const folder = join(root, "dist");
  const text = ["index.d.ts", "models/index.d.ts", "trace/index.d.ts", "record/index.d.ts"]
    .map((file) => readFileSync(join(folder, file), "utf8"))
    .join("\n");
  const lists = [...text.matchAll(/\{([^}]*)\}/g)].map(([, list]) => list as string);
  const names = new Set(lists.join(",").match(/\b[A-Z]\w+/g));
  expect(names).toContain("Tensor");
  // What older builds left in dist/ has no source.
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".d.ts") && existsSync(join(root, "src", file.replace(".d.ts", ".ts"))),
  );
  expect(files.flatMap((file) => undocumented(file, names))).toEqual([]);
});

it("the parts of the engine that are not public are not in its types", async () => {
  const hidden = {
    engine: [
      ...["native", "options", "hooks", "start", "runHere", "reply", "loading", "nested"],
      ...["createQueue", "closeQueue", "callbackFor", "runsUnderWay", "programStore"],
    ],
    tensor: ["value", "valueIn"],
    program: ["id", "describe", "typed"],
    traced: ["builder"],
    subscription: ["credit"],
  };
  const uses = Object.entries(hidden).flatMap(([name, members]) =>
    members.map((member) => `// @ts-expect-error internal\n${name}.${member};`),
  );
  const program = `
    import type { Engine, Program, Subscription, Tensor, Traced } from "davit-engine";
    declare const engine: Engine, program: Program, tensor: Tensor, traced: Traced;
    declare const subscription: Subscription;
    ${uses.join("\n")}
    // @ts-expect-error made by the engine alone
    new (tensor.constructor as typeof Tensor)(1, 2, 3);
    // @ts-expect-error private
    new (engine.constructor as typeof Engine)({});
    // @ts-expect-error subclasses of the one error class
    import type { FileError, GraphError, HookError, ProtocolError, TensorError } from "davit-engine";
    // @ts-expect-error parts of a trace
    import type { Slot } from "davit-engine";
  `;
  expect(await typeErrors(program)).toBe("");
});
