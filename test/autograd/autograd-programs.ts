import fc from "fast-check";
import type { FunctionTable } from "../../src/autograd/function-table.js";
import { FunctionWriter } from "../../src/autograd/function-writer.js";
import { type } from "../graph/support.js";

/** Values are vectors of two numbers; a step refers to values before it, counted modulo their number. */
export type Step =
  | { readonly kind: "unary"; readonly op: "squash" | "negative"; readonly a: number }
  | {
      readonly kind: "binary";
      readonly op: "add" | "multiply" | "maximum";
      readonly a: number;
      readonly b: number;
    }
  | { readonly kind: "hook"; readonly target: "hook" | "hook_gradient"; readonly a: number }
  | { readonly kind: "call"; readonly block: Block; readonly a: number; readonly b: number }
  | {
      readonly kind: "cond" | "switch";
      readonly a: number;
      readonly b: number;
      readonly branches: readonly [Block, Block];
    }
  | {
      readonly kind: "for";
      readonly count: number;
      readonly a: number;
      readonly b: number;
      readonly body: Block;
    };

/** A function of two vectors that gives two. */
export interface Block {
  readonly steps: readonly Step[];
  readonly results: readonly [number, number];
}

const at = fc.nat(20);

/** Small programs with hooks, branches, and loops in loops. */
export const programs: fc.Arbitrary<Block> = fc.letrec<{ block: Block; step: Step }>((tie) => ({
  block: fc.record({
    steps: fc.array(tie("step"), { minLength: 1, maxLength: 4 }),
    results: fc.tuple(at, at),
  }),
  step: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("unary" as const),
        op: fc.constantFrom("squash", "negative"),
        a: at,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("binary" as const),
        op: fc.constantFrom("add", "multiply", "maximum"),
        a: at,
        b: at,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("hook" as const),
        target: fc.constantFrom("hook", "hook_gradient"),
        a: at,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("call" as const),
        block: tie("block"),
        a: at,
        b: at,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constantFrom("cond" as const, "switch" as const),
        a: at,
        b: at,
        branches: fc.tuple(tie("block"), tie("block")),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant("for" as const),
        count: fc.integer({ min: -1, max: 3 }),
        a: at,
        b: at,
        body: tie("block"),
      }),
    },
  ) as fc.Arbitrary<Step>,
})).block;

const VECTOR = type("float64[2]");
const SCALAR = type("float64[]");
const BOOL = type("bool[]");
const INDEX = type("int32[]");

const one = (writer: FunctionWriter, op: string, inputs: number[]) =>
  writer.add(op, inputs, {}, [VECTOR])[0] as number;

const negative = (writer: FunctionWriter, a: number) => one(writer, "negative", [a]);

/** a / (1 + a * a): MLX computes sin, tanh and the like of float64 to the precision of float32. */
function squash(writer: FunctionWriter, a: number): number {
  const [ones] = writer.add("ones", [], { shape: [2], dtype: "float64" }, [VECTOR]) as [number];
  return one(writer, "divide", [a, one(writer, "add", [ones, one(writer, "square", [a])])]);
}

/** Writes a program as functions of a table; gives the number of the first. */
export function writeProgram(
  table: FunctionTable,
  { steps, results }: Block,
  kind: "block" | "body" = "block",
): number {
  const writer = new FunctionWriter(table, kind);
  if (kind === "body") writer.parameter(INDEX);
  const values = writer.parameters([VECTOR, VECTOR]);
  // A body's third operand is one that the loop does not change.
  if (kind === "body") values.push(writer.parameter(VECTOR));
  const pick = (index: number) => values[index % values.length] as number;
  for (const step of steps) {
    const a = pick(step.a);
    const b = "b" in step ? pick(step.b) : a;
    switch (step.kind) {
      case "unary":
        values.push(step.op === "squash" ? squash(writer, a) : negative(writer, a));
        break;
      case "binary":
        values.push(...writer.add(step.op, [a, b], {}, [VECTOR]));
        break;
      case "hook": {
        const attributes = { id: new Uint8Array(16), name: step.target };
        values.push(...writer.add(`custom_call.${step.target}`, [a], attributes, [VECTOR]));
        break;
      }
      case "call":
        values.push(...writer.call(writeProgram(table, step.block), [a, b]));
        break;
      case "cond":
      case "switch": {
        const [sum] = writer.add("sum", [a], {}, [SCALAR]) as [number];
        const [zero] = writer.add("zeros", [], { shape: [], dtype: "float64" }, [SCALAR]) as [
          number,
        ];
        const [positive] = writer.add("greater", [sum, zero], {}, [BOOL]) as [number];
        const [first, second] = step.branches.map((branch) => writeProgram(table, branch)) as [
          number,
          number,
        ];
        if (step.kind === "cond") {
          // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
          const attributes = { then: first, else: second };
          values.push(...writer.add("cond", [positive, a, b], attributes, [VECTOR, VECTOR]));
        } else {
          const [index] = writer.add("astype", [positive], { dtype: "int32" }, [INDEX]) as [number];
          const attributes = { branches: [first, second] };
          values.push(...writer.add("switch", [index, a, b], attributes, [VECTOR, VECTOR]));
        }
        break;
      }
      case "for": {
        const body = writeProgram(table, step.body, "body");
        const attributes = { body, count: step.count };
        values.push(...writer.add("for", [a, b, pick(step.a + 1)], attributes, [VECTOR, VECTOR]));
        break;
      }
    }
  }
  return writer.finish(results.map((result) => pick(values.length - 1 - (result % values.length))));
}
