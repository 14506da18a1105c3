import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import { addonPath, type NativeEngine, type NativeNode, native } from "../../src/native.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { itInline } from "../support/streams.js";

const vector: TensorType = { dtype: "float32", shape: [4] };
const matrix: TensorType = { dtype: "float32", shape: [256, 256] };

const node = (
  op: string,
  inputs: number[],
  outputs: TensorType[],
  attributes: NativeNode["attributes"] = {},
): NativeNode => ({ op, inputs, attributes, outputs, watchable: false });

/** A native engine without the host around it, and what it tells of runs that are over. */
function open(): { engine: NativeEngine; over: () => Promise<string> } {
  const told: string[] = [];
  const waiting: ((text: string) => void)[] = [];
  const { Engine } = native();
  const engine = new Engine({
    lanes: 1,
    memoryLimit: 0,
    cacheLimit: 0,
    device: "cpu",
    onMore: () => setImmediate(() => engine.poll()),
    onBatch: (words, count, _bytes, _blobs, texts) => {
      // Records of other kinds come before these, and are not of interest.
      if (words[count - 6] !== 0) return;
      const text = words[count - 4] === 0 ? "done" : String(texts?.[words[count - 3] as number]);
      const next = waiting.shift();
      if (next === undefined) told.push(text);
      else next(text);
    },
  });
  engine.setAlive(true);
  opened.push(engine);
  const over = () =>
    new Promise<string>((resolve) => {
      const text = told.shift();
      if (text === undefined) waiting.push(resolve);
      else resolve(text);
    });
  return { engine, over };
}

const opened: NativeEngine[] = [];
afterEach(() => {
  for (const engine of opened.splice(0)) engine.setAlive(false);
});

describe("native engine", () => {
  itInline(
    "with streams inline, runs at once what has no control flow and was over soon the last time",
    async () => {
      const { engine, over } = open();
      const big: TensorType = { dtype: "float32", shape: [512, 512] };
      const chain = (
        length: number,
        op: string,
        type: TensorType,
        inputs: (at: number) => number[],
      ) =>
        engine.loadProgram([
          {
            parameters: [type],
            nodes: Array.from({ length }, (_, at) => node(op, inputs(at), [type])),
            results: [length],
          },
        ]);
      const brief = chain(20, "negative", vector, (at) => [at]);
      const long = chain(20, "matmul", big, (at) => [at, at]);
      const queue = engine.createQueue();
      const x = engine.put(vector, new Uint8Array(16));
      const y = engine.put(big, new Uint8Array(4 * 512 * 512));
      expect(engine.runHere(brief, queue, [x])).toBeUndefined();
      // A machine that is busy with something else may take its time.
      for (let run = 1; engine.runHere(brief, queue, [x]) === undefined; run++) {
        expect(run).toBeLessThan(1000);
        engine.run(run, brief, queue, [x]);
        engine.poll();
        await over();
      }
      for (let run = 1; run < 4; run++) {
        engine.run(run, long, queue, [y]);
        await over();
        expect(engine.runHere(long, queue, [y])).toBeUndefined();
      }
    },
  );

  itInline(
    "with streams inline, tells of runs that end on a lane while small ones are run at once",
    async () => {
      const { engine, over } = open();
      const product = engine.loadProgram([
        { parameters: [matrix], nodes: [node("matmul", [0, 0], [matrix])], results: [1] },
      ]);
      const small = engine.loadProgram([
        { parameters: [vector], nodes: [node("negative", [0], [vector])], results: [1] },
      ]);
      const x = engine.put(vector, new Uint8Array(16));
      const y = engine.put(matrix, new Uint8Array(4 * 256 * 256));
      const [queue, other] = [engine.createQueue(), engine.createQueue()];
      for (let run = 1; run <= 200; run++) {
        const [output] = engine.run(run, product, queue, [y]);
        const begin = performance.now();
        while (performance.now() - begin < 1) engine.runHere(small, other, [x]);
        expect(await over()).toBe("done");
        engine.free(output as number);
      }
    },
  );

  it("fills and fails allocated tensors alone", async () => {
    const { engine, over } = open();
    const program = engine.loadProgram([
      { parameters: [vector], nodes: [node("negative", [0], [vector])], results: [1] },
    ]);
    const { value } = engine.allocate(vector);
    const [output = 0] = engine.run(1, program, engine.createQueue(), [value]);
    for (const id of [output, engine.put(vector, new Uint8Array(16))]) {
      expect(() => engine.fail(id, "lost", "")).toThrow(/only an allocated tensor/);
      expect(() => engine.publish(id)).toThrow(/only an allocated tensor/);
    }
    engine.fail(value, "lost", "it did not come");
    expect(() => engine.fail(value, "lost", "")).toThrow(/only an allocated tensor/);
    expect(await over()).toBe("lost");
  });

  it("takes no reply for a call that there is not", async () => {
    const { engine, over } = open();
    const program = engine.loadProgram([
      { parameters: [matrix], nodes: [node("negative", [0], [matrix])], results: [1] },
    ]);
    const { value } = engine.allocate(matrix);
    engine.run(1, program, engine.createQueue(), [value]);
    for (const call of [0, 1, -1]) engine.reply(1, call, []);
    engine.publish(value);
    expect(await over()).toBe("done");
  });

  it("gives credit back where a loop's constant turns out to have failed", async () => {
    const { engine, over } = open();
    const { value } = engine.allocate(vector);
    engine.fail(value, "lost", "it did not come");
    const index: TensorType = { dtype: "int32", shape: [] };
    const hook = (operand: number) => node("custom_call.hook", [operand], [vector], {});
    const loop = engine.loadProgram([
      {
        parameters: [vector],
        nodes: [node("for", [0], [vector], { count: 3, body: 1 })],
        results: [1],
      },
      {
        parameters: [index, vector],
        nodes: [node("constant", [], [vector], { value }), node("add", [1, 2], [vector]), hook(3)],
        results: [4],
      },
    ]);
    const straight = engine.loadProgram([{ parameters: [vector], nodes: [hook(0)], results: [1] }]);
    // An event costs 80 bytes.
    const budget = engine.createCreditBudget(100, 0);
    const every = () =>
      engine.createSubscription({ budget, policy: "every", argument: 0, view: { kind: "full" } });
    engine.subscribe(loop, every(), [3]);
    engine.subscribe(straight, every(), [0]);
    const x = engine.put(vector, new Uint8Array(16));
    const queue = engine.createQueue();
    engine.run(1, loop, queue, [x]);
    expect(await over()).toBe("lost");
    engine.run(2, straight, queue, [x]);
    expect(await over()).toBe("done");
  });

  // AddressSanitizer itself takes more addresses than are left here.
  const sanitized = process.env.LD_PRELOAD?.includes("asan") ?? false;
  const limitable = process.platform === "linux" && !sanitized;
  it.runIf(limitable)("tells that a lane's thread does not start", () => {
    // Each lane has a stack of 64 MiB.
    const script = `
      const { Engine } = require(${JSON.stringify(addonPath)});
      const limits = { lanes: 4000, memoryLimit: 0, cacheLimit: 0, device: "cpu" };
      try {
        new Engine({ ...limits, onBatch() {}, onMore() {} });
      } catch (error) {
        process.stdout.write(error.code);
      }`;
    const { stdout, status } = spawnSync(
      "prlimit",
      [`--as=${150 * 2 ** 30}`, process.execPath, "-e", script],
      { encoding: "utf8", timeout: 20_000 },
    );
    expect([stdout, status]).toEqual(["lane_failed", 0]);
  });
});
