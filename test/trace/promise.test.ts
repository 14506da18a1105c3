import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  callback,
  cond,
  Engine,
  forLoop,
  grad,
  label,
  mx,
  switchCase,
  type Traced,
  whileLoop,
} from "../../src/index.js";

const engine = Engine.create({ lanes: 1 });
afterAll(() => engine.close());

let unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);
beforeEach(() => {
  unhandled = [];
  process.on("unhandledRejection", note);
});
afterEach(async () => {
  // Node reports what is unhandled after the microtasks of a turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off("unhandledRejection", note);
  expect(unhandled).toEqual([]);
});

describe("an async function is refused", () => {
  const later = async (x: Traced) => mx.add(x, 1);
  const failing = async (x: Traced) => {
    await Promise.resolve();
    return mx.add(x, 1); // outside of the trace by now
  };

  it.each([
    ["jit", (x: Traced) => later(x)],
    ["a function that fails later", failing],
    [
      "cond",
      (x: Traced) =>
        cond(
          mx.greater(x, 0),
          () => later(x) as never,
          () => x,
        ),
    ],
    ["switchCase", (x: Traced) => switchCase(0, [() => failing(x) as never])],
    ["repeat", (x: Traced) => forLoop(2, x, later as never)],
    ["whileLoop's body", (x: Traced) => whileLoop(x, (s) => mx.less(s, 3), failing as never)],
    ["whileLoop's predicate", (x: Traced) => whileLoop(x, failing as never, (s) => s)],
    ["grad", (x: Traced) => grad(later as never)(x as never)],
    ["label", (x: Traced) => label("part", () => later(x) as never)],
  ])("by %s", async (_, fn) => {
    await expect(engine.jit(fn as never)(1)).rejects.toMatchObject({
      code: "function_async",
      message: expect.stringMatching(
        /returned a promise; expected a function that is not async: tracing cannot wait/,
      ),
    });
  });

  it("and its name is told", async () => {
    await expect(engine.jit(later as never)(1)).rejects.toThrow('the function "later" returned');
  });
});

it.each([
  ["as an operand", async (x: Traced) => x, (x: Traced, p: unknown) => mx.add(x, p as never)],
  ["among results", () => Promise.reject(new Error("no")), (x: Traced, p: unknown) => [x, p]],
])("a promise %s is refused", async (_, make, use) => {
  const f = engine.jit(((x: Traced) => use(x, make(x))) as never);
  await expect(f(1)).rejects.toMatchObject({
    code: "operand_invalid",
    message: expect.stringContaining("is a promise; expected a traced value"),
  });
});

describe("a jitted function inside a traced one is refused", () => {
  const double = engine.jit(function twice(x: Traced) {
    return mx.multiply(x, 2);
  });

  it.each([
    ["with a traced value", (x: Traced) => double(x as never)],
    ["with numbers", () => double(1)],
    ["with a signal", (x: Traced) => double.with({}, x as never)],
    ["for its result", (x: Traced) => mx.add(x, double(x as never) as never)],
    ["in a loop", (x: Traced) => forLoop(2, x, (s) => double(s as never) as never)],
  ])("%s", async (_, fn) => {
    await expect(engine.jit(fn as never)(1)).rejects.toMatchObject({
      code: "jit_nested",
      message: expect.stringMatching(
        /the jitted function "twice" was called inside the traced function "[^"]*"; expected the function itself/,
      ),
    });
  });

  it("in an async function", async () => {
    const f = engine.jit((async (x: Traced) =>
      mx.add(x, (await double(x as never)) as never)) as never);
    await expect(f(1)).rejects.toMatchObject({ code: "function_async" });
  });

  it("though a handler may call it", async () => {
    const f = engine.jit((x: Traced) =>
      callback(x, async (v) => (await double(v)) as never, [x.type]),
    );
    expect(await (await f(3))[0]?.toArray()).toBe(6);
  });
});
