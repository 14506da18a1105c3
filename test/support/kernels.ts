import { readFileSync } from "node:fs";
import type { Graph } from "../../src/graph/graph.js";
import type { TestTensor } from "./data.js";
import { answersTo } from "./survival.js";

/** A graph and its inputs. */
export interface Computation {
  readonly graph: Graph;
  readonly inputs: readonly TestTensor[];
}

/** The instruction sets of kernels that this machine can run, by their names in DAVIT_KERNELS. */
export function instructionSets(): string[] {
  if (process.platform !== "linux") return [];
  if (process.arch !== "x64") return ["neon"];
  const flags = new Set(
    readFileSync("/proc/cpuinfo", "latin1")
      .match(/^flags\s*:(.*)$/m)?.[1]
      ?.split(" "),
  );
  const sets = ["v2"];
  if (["avx2", "fma", "f16c", "bmi2"].every((flag) => flags.has(flag))) sets.push("v3");
  if (["avx512f", "avx512bw", "avx512dq", "avx512vl"].every((flag) => flags.has(flag)))
    sets.push("v4");
  return sets;
}

/** Computes with the kernels of an instruction set, or with those of MLX alone ("mlx"), under guard pages. */
export async function computeWith(
  kernels: string,
  computations: readonly Computation[],
): Promise<TestTensor[][]> {
  const answers = await answersTo(computations, {
    DAVIT_KERNELS: kernels,
    DAVIT_STREAM_THREADS: undefined,
    DAVIT_GUARD_PAGES: "1",
    DAVIT_POISON: "183",
  });
  return answers.map((answer) => {
    if (typeof answer === "string") throw new Error(answer);
    if (answer.results === undefined) throw new Error(JSON.stringify(answer.error));
    return answer.results.map(({ type, bytes }) => ({ type, bytes: Buffer.from(bytes, "base64") }));
  });
}
