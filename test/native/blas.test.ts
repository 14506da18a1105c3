import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { addonPath } from "../../src/native.js";

/** What the dynamic linker gives libmlx for each BLAS and LAPACK symbol: [symbol, library]. */
function bindings(): [string, string][] {
  const program = `require(${JSON.stringify(addonPath)})`;
  const { stderr } = spawnSync(process.execPath, ["-e", program], {
    env: { ...process.env, LD_BIND_NOW: "1", LD_DEBUG: "bindings" },
    encoding: "utf8",
    maxBuffer: 1 << 28,
  });
  const line = /libmlx\.so \[0\] to (\S+) \[0\]: normal symbol `(cblas_\w+|[a-z0-9]+_)'/g;
  return [...stderr.matchAll(line)].map(([, library = "", symbol = ""]) => [symbol, library]);
}

describe.runIf(process.platform === "linux")("BLAS forwarding", () => {
  it("gives libmlx the addon's symbol for every BLAS and LAPACK function", () => {
    const found = bindings();
    expect(found.map(([symbol]) => symbol)).toEqual(
      expect.arrayContaining(["cblas_sgemm", "cblas_dgemm", "sgetrf_", "ssyevd_"]),
    );
    expect(found.filter(([, library]) => !library.endsWith("/davit.node"))).toEqual([]);
  });

  it("uses no more threads than the process may have cores", () => {
    const script = `
      const { readdirSync } = require("node:fs");
      const { Engine } = require(${JSON.stringify(addonPath)});
      const limits = { lanes: 1, memoryLimit: 0, cacheLimit: 0, device: "cpu" };
      const engine = new Engine({ ...limits, onBatch: done, onMore() {} });
      const type = { dtype: "float32", shape: [512, 512] };
      const node = { op: "matmul", inputs: [0, 1], attributes: {}, outputs: [type] };
      const program = engine.loadProgram([{ parameters: [type, type], nodes: [node], results: [2] }]);
      const x = engine.put(type, new Uint8Array(512 * 512 * 4));
      const negative = { op: "negative", inputs: [0], attributes: {}, outputs: [type] };
      const first = engine.loadProgram([{ parameters: [type], nodes: [negative], results: [1] }]);
      const threads = () => readdirSync("/proc/self/task").length;
      const queue = engine.createQueue();
      let before;
      engine.setAlive(true);
      // A stream's own thread begins with its first operation.
      engine.run(1, first, queue, [x]);
      function done() {
        if (before === undefined) {
          before = threads();
          engine.run(2, program, queue, [x, x]);
        } else {
          process.stdout.write(String(threads() - before));
          engine.setAlive(false);
        }
      }`;
    const { stdout, stderr } = spawnSync("taskset", ["-c", "0", process.execPath, "-e", script], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    expect(stdout).toBe("0");
  });
});
