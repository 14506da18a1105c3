import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../../src/index.js";

let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});
afterAll(() => engine.close());

describe("a tensor that is filled", () => {
  it("is written in the engine's memory", async () => {
    let given: Float32Array | undefined;
    const x = engine.fill({ dtype: "float32", shape: [2, 2] }, (array) => {
      given = array as Float32Array;
      given.set([1, 2, 3, 4]);
    });
    expect(await x.toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(given?.length).toBe(0);
  });

  it("has its memory to itself at once", () => {
    const x = engine.fill({ dtype: "float32", shape: [5000] }, (array) => {
      (array as Float32Array).fill(1);
    });
    expect(x.view({ writable: true })[4999]).toBe(1);
  });

  it("leaves the error of an async function to nobody", async () => {
    const late = async () => {
      throw new Error("late");
    };
    const reported: unknown[] = [];
    const report = (error: unknown) => reported.push(error);
    process.on("unhandledRejection", report);
    try {
      expect(() => engine.fill({ dtype: "float32", shape: [2] }, late)).toThrow(
        expect.objectContaining({ code: "function_async" }),
      );
      await new Promise(setImmediate);
      expect(reported).toEqual([]);
    } finally {
      process.off("unhandledRejection", report);
    }
  });

  it("is none where the function throws, or returns a promise", () => {
    const tensors = engine.info().counters.tensors;
    const type = { dtype: "float32", shape: [2] } as const;
    const fail = () => {
      throw new Error("no");
    };
    expect(() => engine.fill(type, fail)).toThrow("no");
    expect(() => engine.fill(type, async () => {})).toThrow(
      expect.objectContaining({ code: "function_async" }),
    );
    expect(() => engine.fill({ dtype: "float31" as "float32", shape: [2] }, () => {})).toThrow(
      expect.objectContaining({ code: "type_invalid" }),
    );
    expect(engine.info().counters.tensors).toBe(tensors);
  });
});
