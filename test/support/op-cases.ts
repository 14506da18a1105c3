import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Attributes } from "../../src/graph/graph.js";
import { withDefaults } from "../../src/graph/ops/defaults.js";
import { checkCall, subjectDtype, supports } from "../../src/graph/ops/index.js";
import { countOutputs, isCallOutputCount } from "../../src/graph/ops/outputs.js";
import type { OpFamily, OpSpec } from "../../src/graph/ops/spec.js";
import { DTYPES, type Dtype, formatType } from "../../src/tensor/dtype.js";
import { difference } from "./compare.js";
import type { TestTensor } from "./data.js";
import { type Answer, Reference } from "./reference.js";
import { inferTypes, runOp } from "./run-op.js";

/** One call of an op. */
export interface OpCase {
  readonly inputs: readonly (TestTensor | null)[];
  readonly attributes?: Attributes;
  /** How far floats may be apart, where the dtype's own tolerance is too narrow. */
  readonly tolerance?: number;
  /** The result, where Python MLX has none, dies of it, or differs on purpose. */
  readonly expected?: readonly TestTensor[];
  /** Only types are compared: the values are not determined. */
  readonly typesOnly?: true;
}

/** The calls that an op is tested and probed with. */
export interface OpCases {
  /** The dtypes that mean something for it; all where absent. */
  readonly dtypes?: readonly Dtype[];
  /** How far floats of a dtype may be from MLX's own results, where those have less precision than ours. */
  readonly tolerance?: Partial<Record<Dtype, number>>;
  readonly calls: (dtype: Dtype) => readonly OpCase[];
}

/** The cases of a family's ops. */
export type CaseTable = Readonly<Record<string, OpCases>>;

/**
 * Tests every op of a family on all its cases: against Python MLX, on operands that lie row by row
 * and column by column, and that its types are inferred as they come.
 */
export function describeOps(title: string, family: OpFamily, cases: CaseTable): void {
  describe(title, () => {
    let reference: Reference;
    beforeAll(() => {
      reference = new Reference();
    });
    afterAll(() => reference.close());

    it("has cases for every op", () => {
      expect(Object.keys(cases).sort()).toEqual(Object.keys(family).sort());
    });

    for (const [op, row] of Object.entries(cases)) {
      it(op, async () => {
        const checks = (row.dtypes ?? DTYPES).flatMap((dtype) =>
          row.calls(dtype).map(async (call) => {
            const tolerance = row.tolerance?.[dtype];
            const one = tolerance === undefined ? call : { ...call, tolerance };
            const problem = await problemOf(op, family[op] as OpSpec, one, reference);
            return problem && `${show(op, one)}: ${problem}`;
          }),
        );
        const problems = (await Promise.all(checks)).filter((problem) => problem !== undefined);
        expect(problems).toEqual([]);
      });
    }
  });
}

async function problemOf(
  op: string,
  spec: OpSpec,
  one: OpCase,
  reference: Reference,
): Promise<string | undefined> {
  const attributes = one.attributes ?? {};
  const call = {
    op,
    inputs: one.inputs.map((input) => input?.type ?? null),
    attributes: withDefaults(spec, attributes),
  };
  const dtype = subjectDtype(call);
  if (dtype !== undefined && !supports(op, dtype, "cpu")) {
    const code = codeOf(() => checkCall(call));
    return code === "dtype_unsupported" ? undefined : `${code} instead of dtype_unsupported`;
  }
  const expected = one.expected ?? (await reference.call(op, one.inputs, attributes));
  for (const strided of [false, true]) {
    const problem = await runOp(op, one.inputs, attributes, { strided }).then(
      (actual) => {
        const inferred = inferTypes(op, one.inputs, attributes).map(formatType).join(", ");
        const types = actual.map((output) => formatType(output.type)).join(", ");
        if (types !== inferred) return `inferred ${inferred}, got ${types}`;
        const outputs = spec.outputs ?? 1;
        const count = isCallOutputCount(outputs)
          ? countOutputs(outputs, call)
          : outputs === "operands"
            ? call.inputs.length
            : outputs;
        if (count !== actual.length) return `${actual.length} outputs, the row says ${count}`;
        return differenceOf(actual, expected, one);
      },
      (error: Error) => `failed: ${error.message}${"error" in expected ? " (Python too)" : ""}`,
    );
    if (problem !== undefined) return `${strided ? "strided: " : ""}${problem}`;
  }
  return undefined;
}

function differenceOf(
  actual: readonly TestTensor[],
  expected: Answer,
  one: OpCase,
): string | undefined {
  if ("error" in expected) return `Python fails: ${expected.error}`;
  if (actual.length !== expected.length) {
    return `${actual.length} outputs instead of ${expected.length}`;
  }
  if (one.typesOnly === true) {
    const [ours, theirs] = [actual, expected].map((list) =>
      list.map((output) => formatType(output.type)).join(", "),
    );
    return ours === theirs ? undefined : `types ${ours} instead of ${theirs}`;
  }
  return actual
    .map((output, index) => difference(output, expected[index] as TestTensor, one.tolerance))
    .find((problem) => problem !== undefined);
}

/** The code of what a function throws. */
export function codeOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return undefined;
}

function show(op: string, one: OpCase): string {
  const types = one.inputs.map((input) => (input === null ? "absent" : formatType(input.type)));
  const attributes = Object.entries(one.attributes ?? {}).map(
    ([name, value]) => `${name}=${String(value)}`,
  );
  return `${op}(${[...types, ...attributes].join(", ")})`;
}
