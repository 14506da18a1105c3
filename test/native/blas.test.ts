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
});
