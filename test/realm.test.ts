import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { siteTest } from "../src/hooks/match.js";
import { callback, DavitError, Engine, hook, mx, type Traced } from "../src/index.js";
import { isBytes, isError, isPlainObject, typedArrayName } from "../src/realm.js";
import { describeThrown } from "../src/show.js";

const foreign = (code: string) => runInNewContext(code) as never;
const engine = Engine.create({ lanes: 1 });

describe("what a value of another realm is", () => {
  it.each([
    ["new Uint8Array(2)", "Uint8Array", true],
    ["new Uint8ClampedArray(2)", "Uint8ClampedArray", false],
    ["new Float32Array(2)", "Float32Array", false],
    ["new DataView(new ArrayBuffer(2))", undefined, false],
    ["new ArrayBuffer(2)", undefined, false],
    ["({ [Symbol.toStringTag]: 'Uint8Array' })", undefined, false],
    ["[1]", undefined, false],
    ["null", undefined, false],
  ])("%s", (code, name, bytes) => {
    expect(typedArrayName(foreign(code))).toBe(name);
    expect(isBytes(foreign(code))).toBe(bytes);
  });

  it.each([
    ["({ a: 1 })", true],
    ["Object.create(null)", true],
    ["new (class {})()", false],
    [
      "new (class extends null { constructor() { return Object.create(new.target.prototype); } })()",
      false,
    ],
    ["new Map()", false],
    ["new Uint8Array(1)", false],
    ["[]", false],
    ["(() => {})", false],
    ["'text'", false],
  ])("%s is a plain object: %s", (code, plain) => {
    expect(isPlainObject(foreign(code))).toBe(plain);
  });

  it("an error", () => {
    expect(isError(foreign("new TypeError('no')"))).toBe(true);
    expect(isError(foreign("({ message: 'no' })"))).toBe(false);
    expect(
      describeThrown(foreign("Object.assign(new Error('no'), { code: 'mine' })")),
    ).toMatchObject({ code: "mine", message: "no" });
  });
});

describe("the engine takes", () => {
  const double = engine.jit((x: Traced) => mx.multiply(x, 2));
  const shared = (numbers: number[]) => {
    const array = new Float32Array(new SharedArrayBuffer(4 * numbers.length));
    array.set(numbers);
    return array;
  };

  it.each([
    ["typed arrays of another realm", foreign("Float32Array.of(1, 2)"), "float32"],
    ["arrays of another realm", foreign("[1, 2]"), "float32"],
    ["a Uint8ClampedArray", Uint8ClampedArray.of(1, 2), "uint8"],
    ["shared memory", shared([1, 2]), "float32"],
    [
      "shared memory of another realm",
      foreign("new Int32Array(new SharedArrayBuffer(8)).fill(1)"),
      "int32",
    ],
  ])("%s as tensors, arguments and constants", async (_, value, dtype) => {
    const twice = Array.from(value as ArrayLike<number>, (item) => 2 * item);
    const tensor = engine.tensor(value);
    expect(tensor.dtype).toBe(dtype);
    for (const argument of [value, tensor]) {
      expect(await (await double(argument)).toArray()).toEqual(twice);
    }
    const constant = engine.jit((x: Traced) => mx.multiply(x, value));
    expect(await (await constant(engine.tensor(2, tensor.dtype))).toArray()).toEqual(twice);
  });

  it("bytes in shared memory", async () => {
    const bytes = new Uint8Array(shared([1, 2]).buffer);
    const tensor = engine.fromBytes(bytes, { dtype: "float32", shape: [2] });
    expect(await tensor.toArray()).toEqual([1, 2]);
  });

  it("any byte of a boolean but 0 as true", async () => {
    const type = { dtype: "bool", shape: [4] } as const;
    const bytes = Uint8Array.of(0, 1, 2, 255);
    expect([...(await engine.fromBytes(bytes, type).bytes())]).toEqual([0, 1, 1, 1]);
    const count = engine.jit((x: Traced) => mx.sum(mx.astype(x, { dtype: "int32" })));
    expect(await (await count(engine.fromBytes(bytes, type))).toArray()).toBe(3);
  });

  it("objects and lists of another realm as trees, and results of handlers", async () => {
    const f = engine.jit((p: { a: Traced; b: readonly { c: Traced }[] }) => ({
      sum: mx.add(p.a, p.b[0]?.c as Traced),
    }));
    const { sum } = await f(foreign("({ a: 1, b: [{ c: 2 }] })"));
    expect(await sum.toArray()).toBe(3);
    const attributes = foreign("({ axis: 0 })") as { axis: number };
    const total = engine.jit((x: Traced) => mx.cumsum(x, attributes));
    expect(await (await total([1, 2])).toArray()).toEqual([1, 3]);
    const g = engine.jit((x: Traced) => callback(x, () => foreign("Float32Array.of(5)"), [x.type]));
    expect(await (await g([1]))[0]?.toArray()).toEqual([5]);
  });

  it("graphs, ids and matches of another realm", () => {
    const { graph } = engine.jit((x: Traced) => hook(x, "seen")).trace(1);
    const text = JSON.stringify(graph, (_key, item) =>
      isBytes(item) ? { bytes: [...item] } : item,
    );
    const copy = runInNewContext(
      `JSON.parse(text, (_key, item) => (item?.bytes ? Uint8Array.from(item.bytes) : item))`,
      { text },
    );
    const program = engine.load(copy);
    expect(program.sites.some(({ name }) => name === "seen")).toBe(true);
    expect(() => siteTest(foreign("({ id: new Uint8Array(16) })"))).not.toThrow();
  });

  it.each([
    "new ArrayBuffer(8)",
    "new SharedArrayBuffer(8)",
    "new DataView(new ArrayBuffer(8))",
    "new Map()",
  ])("no %s: an error with a code", async (code) => {
    expect(() => engine.tensor(foreign(code))).toThrow(
      expect.objectContaining({ code: "value_invalid" }),
    );
    await expect(double(foreign(code))).rejects.toThrow(DavitError);
  });

  it.skipIf(!("Float16Array" in globalThis))("a Float16Array, in Node 24", async () => {
    const array = foreign("Float16Array.of(1.5, -2)");
    expect(engine.tensor(array).dtype).toBe("float16");
    expect(await engine.tensor(array).toArray()).toEqual([1.5, -2]);
    expect(await engine.tensor(array, "float32").toArray()).toEqual([1.5, -2]);
    expect(await engine.tensor(array, "bfloat16").toArray()).toEqual([1.5, -2]);
  });
});
