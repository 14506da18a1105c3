import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import type { Attribute, Graph } from "../../src/graph/graph.js";
import type { Dtype } from "../../src/tensor/dtype.js";
import { difference } from "./compare.js";
import type { TestTensor } from "./data.js";
import { graph } from "./graphs.js";
import { answersTo } from "./survival.js";

/** A graph and its inputs. */
export interface Computation {
  readonly graph: Graph;
  readonly inputs: readonly TestTensor[];
}

/** A node of a case, whose inputs are numbers of values: the inputs of the case first, then the results of its nodes. */
export interface Node {
  readonly op: string;
  readonly inputs?: readonly number[];
  readonly attributes?: Record<string, Attribute>;
  readonly outputs?: number;
}

/** A computation that is compared with MLX's own kernels. */
export interface Case extends Computation {
  readonly title: string;
  readonly tolerance?: number;
  /** What MLX computes from the same inputs, where that is another graph: what is the same in a wider type. */
  readonly reference?: Graph;
}

/** A case of one function; its nodes' values follow its inputs. By default the last value is the result. */
export function computed(
  title: string,
  inputs: readonly TestTensor[],
  nodes: readonly Node[],
  results?: readonly number[],
  tolerance?: number,
): Case {
  return {
    title,
    graph: functionOf(inputs, nodes, results),
    inputs,
    ...(tolerance === undefined ? {} : { tolerance }),
  };
}

/** The graph of a case. */
export function functionOf(
  inputs: readonly TestTensor[],
  nodes: readonly Node[],
  results?: readonly number[],
): Graph {
  const last = inputs.length + nodes.reduce((count, { outputs = 1 }) => count + outputs, 0) - 1;
  return graph(
    inputs.map(({ type }) => type),
    nodes,
    results ?? [last],
  );
}

/** The dtypes of matrices that the kernels multiply. */
export const FACTOR_DTYPES: readonly Dtype[] = ["float32", "float16", "bfloat16"];

/** How far sums of some hundred products may be apart. */
export const SUM_TOLERANCE: Partial<Record<Dtype, number>> = {
  float32: 2e-5,
  float16: 2e-3,
  bfloat16: 1.6e-2,
};

/** A case of sums of products in `dtype`, beside the same in float32: MLX rounds every sum of half precision, the kernels only the last. */
export function sumsRoundedOnce(
  title: string,
  dtype: Dtype,
  inputs: readonly TestTensor[],
  nodes: readonly Node[],
): Case {
  const made = computed(`${title}, ${dtype}`, inputs, nodes, undefined, SUM_TOLERANCE[dtype]);
  if (dtype === "float32") return made;
  return { ...made, reference: inFloat32(dtype, inputs, nodes) };
}

/** A graph of half precision, computed in float32 and rounded once. */
function inFloat32(dtype: Dtype, inputs: readonly TestTensor[], nodes: readonly Node[]): Graph {
  const widened: Node[] = [];
  const place = inputs.map(({ type }, index) => {
    if (type.dtype !== dtype) return index;
    widened.push({ op: "astype", inputs: [index], attributes: { dtype: "float32" } });
    return inputs.length + widened.length - 1;
  });
  const moved = (value: number) => (value < 0 ? value : (place[value] ?? value + widened.length));
  const wide = nodes.map((node) => ({ ...node, inputs: (node.inputs ?? []).map(moved) }));
  const last = inputs.length + widened.length + nodes.length - 1;
  const rounded: Node = { op: "astype", inputs: [last], attributes: { dtype } };
  return functionOf(inputs, [...widened, ...wide, rounded]);
}

/** Tests that the kernels of each instruction set have MLX's results. */
export function describeKernels(title: string, cases: readonly Case[]): void {
  describe(title, () => {
    let expected: TestTensor[][];
    beforeAll(async () => {
      expected = await computeWith(
        "mlx",
        cases.map(({ graph, inputs, reference = graph }) => ({ graph: reference, inputs })),
      );
    });

    describe.each(instructionSets())("with %s", (set) => {
      let actual: TestTensor[][];
      beforeAll(async () => {
        actual = await computeWith(set, cases);
      });

      it.each(cases.map(({ title, tolerance }, index) => ({ title, tolerance, index })))(
        "$title",
        ({ index, tolerance }) => {
          (expected[index] as TestTensor[]).forEach((result, place) => {
            expect(
              difference(actual[index]?.[place] as TestTensor, result, tolerance),
            ).toBeUndefined();
          });
        },
      );
    });
  });
}

/**
 * Whether the engine computes with kernels of its own, which are cancelled in their middle. MLX's own, on other platforms
 * and where streams have threads, are cancelled between two ops.
 */
export const ownKernels =
  process.platform === "linux" &&
  process.env.DAVIT_STREAM_THREADS === undefined &&
  process.env.DAVIT_KERNELS !== "mlx";

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
