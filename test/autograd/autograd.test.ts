import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { jvpNode, vjpNode } from "../../src/autograd/autograd.js";
import { FunctionTable } from "../../src/autograd/function-table.js";
import { FunctionWriter } from "../../src/autograd/function-writer.js";
import { Engine, type Graph } from "../../src/index.js";
import { programs, writeProgram } from "./autograd-programs.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

/** Runs a function of vectors of two numbers. */
async function run(graph: Graph, inputs: readonly number[][]): Promise<number[][]> {
  const program = engine.load(graph);
  const tensors = inputs.map((values) => engine.tensor(values, "float64"));
  const { outputs } = engine.run(program, tensors);
  const values = await Promise.all(outputs.map((output) => output.toArray()));
  for (const tensor of [...tensors, ...outputs]) tensor.dispose();
  engine.unload(program);
  return values as number[][];
}

/** The function of arguments and cotangents that gives the gradients alone. */
function gradientOf(table: FunctionTable, callee: number): number {
  const { parameters, results } = table.signature(callee);
  const wrt = parameters.map((_type, index) => index);
  const { op, attributes } = vjpNode(
    table,
    callee,
    results.map((_type, index) => index),
    wrt,
  );
  const writer = new FunctionWriter(table, "gradient");
  const operands = writer.parameters([...parameters, ...results]);
  const outputs = writer.add(op, operands, attributes, [...results, ...parameters]);
  return writer.finish(outputs.slice(results.length));
}

/** The function of arguments and tangents that gives the tangents of the results alone. */
function tangentOf(table: FunctionTable, callee: number): number {
  const { parameters, results } = table.signature(callee);
  const { op, attributes } = jvpNode(
    table,
    callee,
    parameters.map((_type, index) => index),
  );
  const writer = new FunctionWriter(table, "tangent");
  const operands = writer.parameters([...parameters, ...parameters]);
  const outputs = writer.add(op, operands, attributes, [...results, ...results]);
  return writer.finish(outputs.slice(results.length));
}

const dot = (a: readonly number[][], b: readonly number[][]) =>
  a.reduce((sum, row, i) => sum + row.reduce((s, x, k) => s + x * (b[i]?.[k] as number), 0), 0);
const along = (a: readonly number[][], b: readonly number[][], h: number) =>
  a.map((row, i) => row.map((x, k) => x + h * (b[i]?.[k] as number)));

/** Holds `vjp` and `jvp` of a function against a difference quotient. */
async function check(
  table: FunctionTable,
  callee: number,
  x: number[][],
  tangent: number[][],
  cotangent: number[][],
): Promise<void> {
  const h = 1e-6;
  const graph = table.graph(callee);
  const more = await run(graph, along(x, tangent, h));
  const less = await run(graph, along(x, tangent, -h));
  const quotient = (dot(cotangent, more) - dot(cotangent, less)) / (2 * h);
  const scale = 1e-6 * (1e-3 + Math.abs(dot(cotangent, more)) + Math.abs(quotient));

  const gradients = await run(table.graph(gradientOf(table, callee)), [...x, ...cotangent]);
  expect(Math.abs(dot(gradients, tangent) - quotient)).toBeLessThan(scale);
  const tangents = await run(table.graph(tangentOf(table, callee)), [...x, ...tangent]);
  expect(Math.abs(dot(tangents, cotangent) - quotient)).toBeLessThan(scale);
}

const number = fc.double({ min: -1, max: 1, noNaN: true }).map((x) => Math.round(x * 1e3) / 1e3);
const vectors = (count: number) =>
  fc.array(fc.array(number, { minLength: 2, maxLength: 2 }), {
    minLength: count,
    maxLength: count,
  });

describe("derivatives of random programs are what difference quotients say", () => {
  it("once", async () => {
    await fc.assert(
      fc.asyncProperty(programs, vectors(2), vectors(2), vectors(2), async (program, x, t, c) => {
        const table = new FunctionTable();
        await check(table, writeProgram(table, program), away(x), t, c);
      }),
      { numRuns: 150 },
    );
  });

  it("twice", async () => {
    await fc.assert(
      fc.asyncProperty(programs, vectors(4), vectors(4), vectors(2), async (program, x, t, c) => {
        const table = new FunctionTable();
        await check(table, gradientOf(table, writeProgram(table, program)), away(x), t, c);
      }),
      { numRuns: 60 },
    );
  });
});

it("hooks fire once, with the same values and paths as without derivatives", async () => {
  const seen: unknown[] = [];
  const watch = engine.hooks.on({ match: { name: "hook" } }, ({ values, path }) => {
    seen.push([Buffer.from(values[0] as Uint8Array).toString("hex"), path]);
  });
  const events = async (graph: Graph, inputs: number[][]) => {
    seen.length = 0;
    await run(graph, inputs);
    return [...seen];
  };
  await fc.assert(
    fc.asyncProperty(programs, vectors(2), vectors(8), async (program, x, rest) => {
      const table = new FunctionTable();
      const plain = writeProgram(table, program);
      const expected = await events(table.graph(plain), x);
      const once = gradientOf(table, plain);
      expect(await events(table.graph(once), [...x, ...rest.slice(0, 2)])).toEqual(expected);
      const twice = gradientOf(table, once);
      expect(await events(table.graph(twice), [...x, ...rest.slice(0, 4)])).toEqual(expected);
      const forward = tangentOf(table, plain);
      expect(await events(table.graph(forward), [...x, ...rest.slice(0, 2)])).toEqual(expected);
    }),
    { numRuns: 60 },
  );
  watch.close();
});

/** Points where no branch and no maximum has its edge, or almost never. */
function away(x: number[][]): number[][] {
  return x.map((row, i) => row.map((value, k) => value + 0.0137 * (i + 1) + 0.00731 * k));
}
