import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Attributes } from "../../src/graph/graph.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import type { TestTensor } from "./data.js";
import { root } from "./root.js";

/** What Python MLX made of a call: tensors, or an error. */
export type Answer = readonly TestTensor[] | { readonly error: string };

interface WireTensor {
  readonly dtype: TensorType["dtype"];
  readonly shape: readonly number[];
  readonly data: string;
}

/** The Python that has MLX, and the environment in which it finds it. */
export function pythonWithMlx(): { readonly command: string; readonly env: NodeJS.ProcessEnv } {
  const packages = join(root, ".deps", "python-reference");
  const paths = [existsSync(packages) ? packages : "", process.env.PYTHONPATH ?? ""];
  return {
    command: process.env.DAVIT_PYTHON ?? "python3",
    env: { ...process.env, PYTHONPATH: paths.filter((path) => path !== "").join(":") },
  };
}

/** Python MLX in a process of its own, which answers the same calls. See reference.py. */
export class Reference {
  readonly #process: ChildProcess;
  readonly #waiting: ((line: string | Error) => void)[] = [];
  #ended: Error | undefined;

  constructor() {
    const { command, env } = pythonWithMlx();
    this.#process = spawn(command, [join(root, "test", "support", "reference.py")], {
      stdio: ["pipe", "pipe", "inherit"],
      env,
    });
    this.#process.stdin?.on("error", () => {}); // its end tells the rest
    createInterface({ input: this.#process.stdout as NodeJS.ReadableStream }).on("line", (line) =>
      this.#waiting.shift()?.(line),
    );
    const end = (error: Error) => {
      this.#ended = error;
      for (const waiter of this.#waiting.splice(0)) waiter(error);
    };
    this.#process.on("error", end);
    this.#process.on("exit", (code, signal) =>
      end(new Error(`Python MLX ended with ${signal ?? code}`)),
    );
  }

  /** Runs a call there. */
  async call(
    op: string,
    inputs: readonly (TestTensor | null)[],
    attributes: Attributes,
  ): Promise<Answer> {
    const wire = inputs.map((input) => input && toWire(input));
    if (this.#ended !== undefined) throw this.#ended;
    const line = await new Promise<string | Error>((resolve) => {
      this.#waiting.push(resolve);
      const request = JSON.stringify({ op, inputs: wire, attributes }, wireNumber);
      this.#process.stdin?.write(`${request}\n`);
    });
    if (line instanceof Error) throw line;
    const answer = JSON.parse(line) as { outputs?: WireTensor[]; error?: string };
    return answer.outputs?.map(fromWire) ?? { error: answer.error ?? "no answer" };
  }

  /** Ends the process. */
  close(): void {
    this.#process.stdin?.end();
  }
}

/** JSON has no bigints and no infinities; Python reads both of these. */
function wireNumber(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return { integer: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { float: String(value) };
  return value;
}

function toWire({ type, bytes }: TestTensor): WireTensor {
  return { ...type, data: Buffer.from(bytes).toString("base64") };
}

function fromWire({ dtype, shape, data }: WireTensor): TestTensor {
  return { type: { dtype, shape }, bytes: Buffer.from(data, "base64") };
}
