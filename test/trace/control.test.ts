import { afterAll, describe, expect, it } from "vitest";
import {
  cond,
  DavitError,
  Engine,
  forLoop,
  hook,
  label,
  mx,
  ofType,
  switchCase,
  type Tensor,
  type Traced,
  trace,
  whileLoop,
} from "../../src/index.js";
import { type } from "../graph/support.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

/** The elements of a tensor as plain numbers. */
const values = (tensor: Tensor) => tensor.toArray();

describe("branches", () => {
  it("cond gives trees, and takes values around it", async () => {
    const f = engine.jit((x: Traced, y: Traced) => {
      const z = mx.add(x, y);
      return cond(
        mx.greater(mx.sum(x), 0),
        () => ({ a: z, b: [mx.multiply(z, 2), 1] }),
        () => ({ a: y, b: [x, 0] }),
      );
    });
    const positive = await f([1, 2], [10, 20]);
    expect(await values(positive.a)).toEqual([11, 22]);
    expect(await Promise.all(positive.b.map(values))).toEqual([[22, 44], 1]);
    const negative = await f([-1, -2], [10, 20]);
    expect(await values(negative.a)).toEqual([10, 20]);
    expect(await Promise.all(negative.b.map(values))).toEqual([[-1, -2], 0]);
  });

  it("switchCase clamps its index", async () => {
    const f = engine.jit((index: Traced, x: Traced) =>
      switchCase(index, [() => mx.add(x, 1), () => mx.add(x, 10), () => mx.add(x, 100)]),
    );
    for (const [index, expected] of [
      [-3, 1],
      [0, 1],
      [1, 10],
      [2, 100],
      [9, 100],
    ] as const) {
      expect(await values(await f(engine.tensor(index, "int32"), 0))).toBe(expected);
    }
  });
});

describe("loops", () => {
  it("whileLoop carries trees", async () => {
    const f = engine.jit((x: Traced) =>
      whileLoop(
        { pair: [x, mx.zeros({ shape: [2], dtype: "float32" })], n: 0n },
        ({ n }) => mx.less(n, 5n),
        ({ pair: [a, b], n }) => ({
          pair: [b as Traced, mx.add(a as Traced, b as Traced)],
          n: mx.add(n, 1n),
        }),
      ),
    );
    const { pair, n } = await f([1, 2]);
    expect(await Promise.all((pair as Tensor[]).map(values))).toEqual([
      [3, 6],
      [5, 10],
    ]);
    expect(await values(n)).toBe(5n);
  });

  it("repeat takes a number or a scalar", async () => {
    const f = engine.jit((count: Traced, x: Traced) => [
      forLoop(3, x, (s) => mx.add(s, 1)),
      forLoop(count, x, (s) => mx.add(s, 1)),
      forLoop(0, x, (s) => mx.add(s, 1)),
    ]);
    const run = async (count: number) =>
      Promise.all((await f(engine.tensor(count, "int64"), 0)).map(values));
    expect(await run(7)).toEqual([3, 7, 0]);
    expect(await run(-7)).toEqual([3, 0, 0]);
  });

  it("uses values of three functions around it", async () => {
    const weight = engine.tensor([1, 10]);
    const f = engine.jit((x: Traced, limit: Traced) => {
      const doubled = mx.multiply(x, 2);
      return forLoop(2, x, (outer, i) =>
        whileLoop(
          outer,
          (inner) => mx.less(mx.max(inner), limit),
          (inner) =>
            cond(
              mx.equal(i, 0),
              () => mx.add(mx.add(inner, doubled), weight),
              () => mx.add(mx.add(inner, outer), mx.multiply(weight, x)),
            ),
        ),
      );
    });
    const plain = (x: number[], limit: number) => {
      let state = x;
      for (let i = 0; i < 2; i++) {
        const outer = state;
        while (Math.max(...state) < limit) {
          state = state.map((s, k) =>
            i === 0
              ? s + 2 * (x[k] as number) + ([1, 10][k] as number)
              : s + (outer[k] as number) + ([1, 10][k] as number) * (x[k] as number),
          );
        }
      }
      return state;
    };
    expect(await values(await f([1, 2], 100))).toEqual(plain([1, 2], 100));
  });

  it("a captured tensor is one constant of the program, wherever it is used", () => {
    const weight = engine.tensor([1, 2]);
    const { graph, captures } = trace(
      (x: Traced) =>
        forLoop(2, x, (s) =>
          cond(
            mx.greater(mx.sum(s), 0),
            () => mx.add(s, weight),
            () => mx.multiply(mx.add(s, weight), weight),
          ),
        ),
      [ofType(type("float32[2]"))],
    );
    expect(captures.size).toBe(1);
    const externals = graph.functions.map(
      ({ nodes }) => nodes.filter(({ op }) => op === "external").length,
    );
    expect(externals).toEqual([1, 0, 0, 0]);
  });

  it("an operand that both predicate and body use is given once", () => {
    const { graph } = trace(
      (x: Traced, y: Traced) =>
        whileLoop(
          x,
          (s) => mx.less(s, y),
          (s) => mx.add(s, y),
        ),
      [ofType(type("float32[]")), ofType(type("float32[]"))],
    );
    const [loop] = graph.functions[0]?.nodes ?? [];
    expect(loop?.inputs).toEqual([0, 1]);
    expect(graph.functions.slice(1).map(({ parameters }) => parameters.length)).toEqual([2, 2]);
  });

  it("labels go on inside", () => {
    const { graph } = trace(
      (x: Traced) => label("layer", () => forLoop(2, x, (s) => label("step", () => mx.exp(s)))),
      [ofType(type("float32[]"))],
    );
    expect(graph.functions[0]?.nodes[0]?.label).toBe("layer");
    expect(graph.functions[1]?.nodes[0]?.label).toBe("layer.step");
  });
});

describe("refuses", () => {
  const failure = (fn: (x: Traced, n: Traced) => unknown): DavitError => {
    try {
      trace(fn as never, [ofType(type("float32[2]")), ofType(type("int32[]"))]);
    } catch (error) {
      if (error instanceof DavitError) return error;
      throw error;
    }
    throw new Error("nothing was thrown");
  };

  it.each<[string, (x: Traced, n: Traced) => unknown, string, RegExp]>([
    [
      "branches with other types",
      (x) =>
        cond(
          true,
          () => x,
          () => mx.sum(x),
        ),
      "type_mismatched",
      /a branch returns \(float32\[\]\); expected \(float32\[2\]\)/,
    ],
    [
      "branches with other trees",
      (x) =>
        cond<never>(
          true,
          () => ({ a: x }) as never,
          () => [x] as never,
        ),
      "type_mismatched",
      /a branch returns \[\*\]; expected \{"a": \*\}/,
    ],
    [
      "a predicate that is no bool",
      (x) =>
        cond(
          mx.sum(x),
          () => x,
          () => x,
        ),
      "type_invalid",
      /the predicate is float32\[\]; expected bool\[\]/,
    ],
    ["no cases", (_x, n) => switchCase(n, []), "branches_missing", /no branches/],
    [
      "an index that is no integer",
      (x) => switchCase(x, [() => x]),
      "type_invalid",
      /the index is float32\[2\]; expected an integer scalar/,
    ],
    [
      "a carry that changes its type",
      (x) => forLoop(2, x, (s) => mx.astype(s, { dtype: "float16" })),
      "type_mismatched",
      /the body returns \(float16\[2\]\); expected \(float32\[2\]\)/,
    ],
    [
      "a body that forgets a carry",
      (x) => forLoop(2, { x, y: x }, ({ x }) => ({ x })),
      "type_mismatched",
      /the body returns \(float32\[2\]\); expected \(float32\[2\], float32\[2\]\)/,
    ],
    [
      "a loop's predicate with several values",
      (x) =>
        whileLoop(
          x,
          () => [x, x] as never,
          (s) => s,
        ),
      "type_invalid",
      /the predicate returns 2 values/,
    ],
    [
      "a count that is no integer",
      (x) => forLoop(1.5, x, (s) => s),
      "attribute_invalid",
      /the count is 1.5; expected an integer/,
    ],
    [
      "a value of a branch outside of it",
      (x) => {
        let kept: Traced = x;
        cond(
          true,
          () => {
            kept = mx.exp(x);
            return kept;
          },
          () => x,
        );
        return mx.add(kept, 1);
      },
      "value_escaped",
      /a traced float32\[2\] is used outside the function that made it/,
    ],
    [
      "a wrong op in a body",
      (x) => label("outer", () => forLoop(2, x, (s) => mx.matmul(s, [[1, 2, 3]]))),
      "op_refused",
      /op matmul\(float32\[2\], float32\[1, 3\]\), label "outer.matmul"/,
    ],
  ])("%s", (_name, fn, code, message) => {
    const error = failure(fn);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it("as a DavitError from jit", async () => {
    const f = engine.jit((x: Traced) => forLoop(2, x, () => hook(1, "one")));
    await expect(f([1, 2])).rejects.toThrow(DavitError);
  });
});
