import { afterAll, describe, expect, it } from "vitest";
import { OPS } from "../../src/graph/ops/index.js";
import { type DavitError, Engine, mx, ofType, type Traced, trace } from "../../src/index.js";
import type { Operand } from "../../src/trace/index.js";
import { type } from "../graph/support.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

/** What a traced function of values of given types makes. */
function traced(types: string[], fn: (...args: Traced[]) => Traced | Traced[]) {
  return trace(
    fn as never,
    types.map((text) => ofType(type(text))),
  ).graph;
}

/** The nodes of one function. */
const nodesOf = (types: string[], fn: (...args: Traced[]) => Traced | Traced[]) =>
  traced(types, fn).functions[0]?.nodes ?? [];

function failure(types: string[], fn: (...args: Traced[]) => unknown): Error {
  try {
    traced(types, fn as never);
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

it.each([[{ dtype: "float", shape: [2] }], [{ dtype: "float32" }], ["float32"], [undefined]])(
  "an argument of the type %o is refused",
  (given) => {
    expect(() => ofType(given as never)).toThrow(
      expect.objectContaining({
        code: "type_invalid",
        expected: expect.stringMatching(/^\{ dtype, shape \}, the dtype one of bool,/),
      }),
    );
  },
);

it("mx has every op of the table", () => {
  for (const op of Object.keys(OPS)) {
    const [first, second] = op.split(".") as [keyof typeof mx, string | undefined];
    const found = second === undefined ? mx[first] : (mx[first] as never)[second];
    expect(found, op).toBeTypeOf("function");
  }
});

describe("operands", () => {
  it("a number takes the dtype of the tensor beside it, where it can hold it", () => {
    const constants = (dtype: string, value: Operand) =>
      nodesOf([`${dtype}[2]`], (x) => mx.add(x, value))[0]?.attributes.dtype;
    expect(constants("float16", 2)).toBe("float16");
    expect(constants("bfloat16", 0.5)).toBe("bfloat16");
    expect(constants("int8", 2)).toBe("int8");
    expect(constants("int8", 0.5)).toBe("float32");
    expect(constants("bool", 1)).toBe("int32");
    expect(constants("bool", 1.5)).toBe("float32");
    expect(constants("complex64", 1)).toBe("complex64");
    expect(constants("int32", 2n)).toBe("int32");
    expect(constants("bool", 2n)).toBe("int64");
    expect(constants("float64", true)).toBe("bool");
  });

  it("a number may come first", async () => {
    const f = engine.jit((x: Traced) => mx.subtract(10, x));
    expect(await (await f(new Int32Array([1, 2]))).toArray()).toEqual([9, 8]);
  });

  it("arrays and typed arrays are constants of their own type", () => {
    const [list, typed] = nodesOf(["float16[2]"], (x) => [
      mx.add(x, [1, 2]),
      mx.add(x, new Int16Array([1, 2])),
    ]).filter(({ op }) => op === "constant");
    expect(list?.attributes.dtype).toBe("float32");
    expect(typed?.attributes.dtype).toBe("int16");
  });

  it("indices are integers", async () => {
    const f = engine.jit((x: Traced) => mx.take(x, [2, 0], { axis: 0 }));
    expect(await (await f([5, 6, 7])).toArray()).toEqual([7, 5]);
  });

  it("optional ones are null, or left out", async () => {
    const f = engine.jit((x: Traced) => [
      mx.clip(x, null, 2),
      mx.clip(x, 2, null),
      mx.fast.rms_norm(x, null, { eps: 0 }),
    ]);
    const [upper, lower, norm] = await f([1, 2, 3]);
    expect(await upper?.toArray()).toEqual([1, 2, 2]);
    expect(await lower?.toArray()).toEqual([2, 2, 3]);
    expect((await norm?.toArray()) as number[]).toHaveLength(3);
  });

  it("any number of them is a list", async () => {
    const f = engine.jit((x: Traced, y: Traced) => [
      mx.concatenate([x, y, x], { axis: 0 }),
      mx.stack([x, y], { axis: 1 }),
      mx.einsum("i,i->", x, y),
    ]);
    const [joined, stacked, dot] = await f([1, 2], [3, 4]);
    expect(await joined?.toArray()).toEqual([1, 2, 3, 4, 1, 2]);
    expect(await stacked?.toArray()).toEqual([
      [1, 3],
      [2, 4],
    ]);
    expect(await dot?.toArray()).toBe(11);
  });

  it("several outputs are a list", async () => {
    const f = engine.jit((x: Traced) => {
      const [q, r] = mx.linalg.qr(x);
      const parts = mx.split(x, { sections: 2, axis: 0 });
      return { product: mx.matmul(q, r), parts };
    });
    const { product, parts } = await f([
      [2, 0],
      [0, 3],
    ]);
    const values = (await product.toArray()) as number[][];
    expect(values.flat().map((x) => Math.round(x * 1e4) / 1e4)).toEqual([2, 0, 0, 3]);
    expect(parts).toHaveLength(2);
    expect(await parts[1]?.toArray()).toEqual([[0, 3]]);
  });
});

describe("wrong calls name what is wrong", () => {
  const loose = mx as unknown as Record<string, (...args: unknown[]) => unknown>;

  it.each<[string, string[], (...args: Traced[]) => unknown, string | undefined, RegExp]>([
    [
      "shapes",
      ["float32[2]", "float32[3]"],
      (x, y) => mx.add(x as Traced, y as Traced),
      "op_refused",
      /\[op add\(float32\[2\], float32\[3\]\)\]/,
    ],
    [
      "dtypes",
      ["float32[2]"],
      (x) => mx.bitwise_and(x as Traced, x as Traced),
      "dtype_unsupported",
      /bitwise_and does not work on float32 on the cpu/,
    ],
    [
      "an unknown attribute",
      ["float32[2]"],
      (x) => loose.sum?.(x, { axis: [0] }),
      "attribute_unknown",
      /no attribute "axis", did you mean "axes"\?/,
    ],
    [
      "a missing attribute",
      ["float32[2]"],
      (x) => loose.reshape?.(x),
      "attribute_missing",
      /"shape" is missing; expected a list of integers/,
    ],
    [
      "an attribute of another kind",
      ["float32[2]"],
      (x) => loose.softmax?.(x, { axes: "all" }),
      "attribute_invalid",
      /attribute "axes" is "all"; expected a list of integers/,
    ],
    [
      "an axis that there is not",
      ["float32[2]"],
      (x) => mx.sum(x as Traced, { axes: [3] }),
      "axis_invalid",
      /axes is 3 for a tensor of rank 1|3/,
    ],
    [
      "a missing operand",
      ["float32[2]"],
      (x) => loose.add?.(x),
      "arity_invalid",
      /operand "b" is missing; expected mx\.add\(a, b\)/,
    ],
    [
      "attributes in place of operands",
      [],
      () => loose.arange?.(5),
      "arity_invalid",
      /1 operands were given; expected mx\.arange\(\{ start, stop, step, dtype \}\)/,
    ],
    [
      "einsum with its subscripts last",
      ["float32[2]"],
      (x) => loose.einsum?.([x], { subscripts: "i->" }),
      "attribute_invalid",
      /the first argument is .*; expected subscripts, as in mx\.einsum\("ij,jk->ik", a, b\)/,
    ],
    [
      "too many operands",
      ["float32[2]"],
      (x) => loose.exp?.(x, x),
      "arity_invalid",
      /2 operands were given; expected mx\.exp\(a\) \[op exp\]/,
    ],
    [
      "operands in a list where they are single",
      ["float32[2]"],
      (x) => loose.add?.([x, x]),
      "arity_invalid",
      /operand "b" is missing/,
    ],
    [
      "a single operand where a list is wanted",
      ["float32[2]"],
      (x) => loose.concatenate?.(x, { axis: 0 }),
      "operand_invalid",
      /operand "arrays" is no list; expected a list of operands/,
    ],
    [
      "an operand that is no tensor",
      ["float32[2]"],
      (x) => loose.add?.(x, "two"),
      "operand_invalid",
      /operand "b": "two" is not a number.*; expected a traced value, a tensor or numbers/,
    ],
    [
      "a list of traced values as an operand",
      ["float32[2]"],
      (x) => loose.exp?.([x, x]),
      "operand_invalid",
      /operand "a": a list of tensors; .*mx.stack/,
    ],
    [
      "arithmetic in JavaScript",
      ["float32[2]"],
      (x) => Number(x) + 1,
      undefined,
      /a traced float32\[2\] has no value yet; use the functions of mx/,
    ],
  ])("%s", (_name, types, fn, code, message) => {
    const error = failure(types, fn);
    expect(error.message).toMatch(message);
    if (code === undefined) expect(error).toBeInstanceOf(TypeError);
    else expect((error as DavitError).code).toBe(code);
  });

  it("the error's stack leads to the line of the call", () => {
    const error = failure(["float32[2]", "float32[3]"], (x, y) => mx.add(x as Traced, y as Traced));
    expect(error.stack).toMatch(/functions\.test\.ts/);
  });

  it("outside a traced function", () => {
    expect(() => mx.add(1, 2)).toThrow(/mx\.add was called outside a traced function/);
  });

  it("with a value of another trace", () => {
    let kept: Traced | undefined;
    traced(["float32[2]"], (x) => {
      kept = x as Traced;
      return mx.exp(x as Traced);
    });
    const error = failure(["float32[2]"], (x) => mx.add(x as Traced, kept as Traced));
    expect((error as DavitError).code).toBe("value_escaped");
    expect(error.message).toMatch(/float32\[2\] is used outside the function that made it/);
  });
});
