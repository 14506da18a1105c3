import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import type { EngineOptions } from "../../src/engine/options.js";
import type { Graph, GraphFunction, GraphNode } from "../../src/graph/graph.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { built } from "./built.js";
import { decode, type TestTensor } from "./data.js";

/** A graph that would end a process which does not guard its primitives, and what becomes of it. */
export interface Survived {
  readonly title: string;
  readonly graph: Graph;
  readonly inputs: readonly TestTensor[];
  readonly options?: EngineOptions;
  /** The values of its results, to five places; or */
  readonly results?: readonly (readonly number[])[];
  /** how it fails. */
  readonly error?: { readonly code: string; readonly op?: unknown };
}

interface Answer {
  readonly results?: readonly { readonly type: TensorType; readonly bytes: string }[];
  readonly error?: { readonly code: string };
}

/** The ways to run on this machine: streams inline and with threads of their own, buffers under guard pages. */
const WAYS = {
  "inline streams": { DAVIT_STREAM_THREADS: undefined },
  "stream threads": { DAVIT_STREAM_THREADS: "1" },
};
const GUARDS = process.platform === "linux" ? { DAVIT_GUARD_PAGES: "1" } : {};

/** Tests what becomes of graphs, in processes of their own: one that ends is the failure of the graph that it ran. */
export function describeSurvival(graphs: readonly Survived[]): void {
  describe.each(Object.entries(WAYS))("with %s", (_way, environment) => {
    let answers: (Answer | string)[];
    beforeAll(async () => {
      answers = await answersTo(graphs, { ...environment, ...GUARDS });
    }, 120_000);

    it.each(graphs.map((item, index) => ({ ...item, index })))("$title", (item) => {
      const answer = answers[item.index] as Answer;
      if (item.error !== undefined) {
        expect(answer.error).toMatchObject(item.error);
        return;
      }
      expect(answer).toHaveProperty("results");
      const results = answer.results?.map(({ type, bytes }) =>
        decode({ type, bytes: Buffer.from(bytes, "base64") }).map(Number),
      );
      expect(results?.map((values) => values.length)).toEqual(
        item.results?.map((values) => values.length),
      );
      item.results?.flat().forEach((value, place) => {
        const actual = results?.flat()[place];
        if (Number.isFinite(value)) expect(actual).toBeCloseTo(value, 5);
        else expect(actual).toBe(value);
      });
    });
  });
}

/** The answer to each graph, in a process with this environment; how that ended where it did not survive the graph. */
export async function answersTo(
  graphs: readonly Pick<Survived, "graph" | "inputs" | "options">[],
  environment: Record<string, string | undefined>,
): Promise<(Answer | string)[]> {
  const answers: (Answer | string)[] = [];
  while (answers.length < graphs.length) {
    const { lines, end } = await run(graphs.slice(answers.length), environment);
    answers.push(...lines.map((line) => JSON.parse(line) as Answer));
    if (answers.length < graphs.length) answers.push(`the process ended with ${end}`);
  }
  return answers;
}

async function run(graphs: readonly object[], environment: Record<string, string | undefined>) {
  const script = fileURLToPath(new URL("survivor.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, await built("index.js")], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const output: Buffer[] = [];
  child.stdout.on("data", (chunk) => output.push(chunk));
  child.stdin.on("error", () => {}); // its end tells the rest
  child.stdin.end(
    JSON.stringify(graphs, (_key, value) =>
      value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value,
    ),
  );
  const end = await new Promise<string | number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(signal ?? code ?? "nothing"));
  });
  return { lines: Buffer.concat(output).toString().split("\n").slice(0, -1), end };
}

type Node = Partial<GraphNode> & Pick<GraphNode, "op">;

/** A function of one node, whose operands are its parameters. */
export function only(parameters: readonly TensorType[], node: Node): GraphFunction {
  const inputs = parameters.map((_, index) => index);
  const results = Array.from({ length: node.outputs ?? 1 }, (_, i) => parameters.length + i);
  return {
    name: "only",
    parameters,
    nodes: [{ inputs, attributes: {}, outputs: 1, ...node }],
    results,
  };
}

/** The gradients of a function by some arguments, all of them unless told. Operands: the arguments, then cotangents. */
export function gradients(
  of: GraphFunction,
  cotangents: readonly TensorType[],
  wrt: readonly number[] = of.parameters.map((_, index) => index),
): Graph {
  const parameters = [...of.parameters, ...cotangents];
  const vjp = { op: "vjp", attributes: { function: 1, wrt } };
  const main = only(parameters, { ...vjp, outputs: of.results.length + wrt.length });
  return { functions: [{ ...main, results: main.results.slice(of.results.length) }, of] };
}
