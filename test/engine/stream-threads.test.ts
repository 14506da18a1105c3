import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { built } from "../support/built.js";

// What other platforms do: streams with threads of their own, mx::eval, checkpoints, batches of lazy iterations.
const SCRIPT = `
  import { Engine, hook, mx, forLoop, whileLoop } from "davit";
  const engine = Engine.create({ lanes: 2, hookCredit: 4096 });
  const seen = { dynamic: [], counted: [] };
  const dynamic = engine.jit((x) =>
    whileLoop(x, (v) => mx.less(mx.max(v), 500), (v) => hook(mx.add(v, 1), "dynamic")));
  const counted = engine.jit((x) =>
    forLoop(500, x, (v) => hook(mx.add(v, 1), "counted")));
  for (const [name, f] of [["dynamic", dynamic], ["counted", counted]])
    f.on(name, ({ value, path }) => seen[name].push([value[0], ...path]));
  const results = [await dynamic([0]), await counted([0])];
  const inverse = engine.jit((x) => mx.linalg.inv(mx.multiply(x, 0)));
  const failed = await inverse([[1, 2], [3, 4]]).catch(({ op }) => op);
  const size = 1200;
  const matrix = engine.fromBytes(new Uint8Array(size * size * 4), { dtype: "float32", shape: [size, size] });
  const long = engine.jit((x) => { let y = x; for (let i = 0; i < 60; i++) y = mx.matmul(y, x); return y; });
  const abort = new AbortController();
  const cancelled = long.with({ signal: abort.signal }, matrix).catch(({ code }) => code);
  setImmediate(() => abort.abort());
  console.log(JSON.stringify({ results: [await results[0].toArray(), await results[1].toArray()], seen, failed, cancelled: await cancelled }));
  await engine.close();
`;

it("computes, hooks in order, finds failures and cancels with stream threads too", async () => {
  const script = SCRIPT.replace('"davit"', JSON.stringify(await built("index.js")));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { env: { ...process.env, DAVIT_STREAM_THREADS: "1" } },
  );
  const { results, seen, failed, cancelled } = JSON.parse(stdout);
  expect(results).toEqual([[500], [500]]);
  const expected = Array.from({ length: 500 }, (_, i) => [i + 1, i]);
  expect(seen.dynamic).toEqual(expected);
  expect(seen.counted).toEqual(expected);
  expect(failed).toBe("linalg.inv");
  expect(cancelled).toBe("cancelled");
});
