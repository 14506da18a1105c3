import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { Engine, mx, type Traced } from "../../src/index.js";
import { native } from "../../src/native.js";
import { built } from "../support/built.js";

/** Counts the threads of a process that makes, uses and closes engines. */
const SCRIPT = `
  import { readdirSync } from "node:fs";
  import { Engine, mx } from "davit";
  const counts = [];
  for (let round = 0; round < 12; round++) {
    const engine = Engine.create({ lanes: 3 });
    const f = engine.jit((x) => mx.sum(mx.matmul(x, x)));
    const x = new Float32Array(256 * 256).fill(1);
    const queues = [1, 2, 3].map(() => engine.createQueue());
    const a = engine.fromBytes(new Uint8Array(x.buffer), { dtype: "float32", shape: [256, 256] });
    const program = f.program(a);
    const runs = queues.map((queue) => engine.run(program, [a], { queue }));
    for (const { outputs } of runs) {
      const [value] = await outputs[0].toArray().then((one) => [one]);
      if (value !== 256 ** 3) throw new Error("the sum is " + value);
    }
    await engine.close();
    counts.push(readdirSync("/proc/self/task").length);
  }
  console.log(JSON.stringify(counts));
`;

describe("an engine that is closed", () => {
  it.runIf(process.platform === "linux").each([
    ["inline", {}],
    ["with threads", { DAVIT_STREAM_THREADS: "1" }],
  ])("leaves no thread behind, its streams %s", async (_, variables) => {
    const script = SCRIPT.replace('"davit"', JSON.stringify(await built("index.js")));
    const { DAVIT_STREAM_THREADS: _unset, ...env } = process.env;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--input-type=module", "--eval", script],
      { env: { ...env, ...variables } },
    );
    const counts = JSON.parse(stdout) as number[];
    // The first ones make what the process keeps: OpenBLAS's threads, MLX's default streams.
    expect(new Set(counts.slice(2)).size).toBe(1);
  });

  it("still tells the values of its tensors, and takes nothing more", async () => {
    const engine = Engine.create({ lanes: 2 });
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    const [small, large] = [await f([1, 2]), await f(new Float32Array(100_000).fill(3))];
    await Promise.all([engine.close(), engine.close()]);
    await engine.close();
    expect(await small.toArray()).toEqual([2, 3]);
    expect(large.view()[99_999]).toBe(4);
    await expect(f([1])).rejects.toMatchObject({ code: "engine_closed" });
    expect(engine.info().counters.tensors).toBe(2);
    small.dispose();
    f.dispose();
    native().collect();
    expect(large.view()[0]).toBe(4);
  });

  it("ends what is under way first, also where a handler closes it", async () => {
    const engine = Engine.create({ lanes: 1 });
    const f = engine.jit((x: Traced) => mx.add(x, 1));
    const closed = new Promise<void>((resolve, reject) => {
      const watch = engine.hooks.on({ match: { probe: "*" } }, () => {
        watch.close();
        engine.close().then(resolve, reject);
      });
    });
    const { label } = await import("../../src/index.js");
    const g = engine.jit((x: Traced) => label("here", () => mx.add(x, 1)));
    const runs = await Promise.allSettled([f([1]), g([1]), f(new Float32Array(100_000))]);
    await closed;
    for (const run of runs) {
      if (run.status === "rejected") expect(run.reason.code).toBe("engine_closed");
    }
  });

  it("is collected with all it has, once nobody refers to it", async () => {
    const before = native().collectorState().held;
    const active = await (async () => {
      const engine = Engine.create({ lanes: 1 });
      const start = engine.info().memory.active;
      const weights = engine.tensor(new Float32Array(2 ** 20));
      const f = engine.jit((x: Traced) => mx.add(x, mx.sum(weights)));
      await f([1]);
      await engine.close();
      return start;
    })();
    const other = Engine.create({ lanes: 1 });
    while (other.info().memory.active > active) {
      native().collect();
      await new Promise(setImmediate);
    }
    expect(native().collectorState().held).toBeLessThanOrEqual(before);
    await other.close();
  });
});
