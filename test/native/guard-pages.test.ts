import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { built } from "../support/built.js";

const SCRIPT = `
  import { Engine, mx, native } from "davit";
  const checks = native().allocationChecks();
  const engine = Engine.create();
  const before = engine.info().memory.active;
  const f = engine.jit((x) => mx.cumsum(mx.add(x, 1)));
  const x = engine.fromBytes(new Uint8Array(4 * 3001), { dtype: "float32", shape: [3001] });
  const sum = await f(x);
  const last = (await sum.toArray()).at(-1);
  const held = engine.info().memory.active - before;
  console.log(JSON.stringify({ checks, last, held }));
  await engine.close();
`;

async function run(environment: Record<string, string>) {
  const script = SCRIPT.replace(
    'import { Engine, mx, native } from "davit";',
    `import { Engine, mx } from ${JSON.stringify(await built("index.js"))};
     import { native } from ${JSON.stringify(await built("native.js"))};`,
  );
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { env: { ...process.env, ...environment } },
  );
  return JSON.parse(stdout);
}

describe.runIf(process.platform === "linux")("guard pages", () => {
  it("close the page behind every buffer and fill fresh memory", async () => {
    const { checks, last, held } = await run({ DAVIT_GUARD_PAGES: "1", DAVIT_POISON: "7" });
    expect(checks).toEqual({ guardPages: true, poison: 7 });
    expect(last).toBe(3001);
    // MLX's accounts count each tensor once.
    expect(held).toBeGreaterThanOrEqual(2 * 4 * 3001);
    expect(held).toBeLessThan(3 * 4 * 3001);
  });

  it("are off otherwise", async () => {
    const { checks } = await run({ DAVIT_GUARD_PAGES: "0" });
    expect(checks).toEqual({ guardPages: false, poison: null });
  });

  it("poison alone fills fresh memory", async () => {
    const { checks, last } = await run({ DAVIT_GUARD_PAGES: "0", DAVIT_POISON: "0xff" });
    expect(checks).toEqual({ guardPages: false, poison: 255 });
    expect(last).toBe(3001);
  });

  it("refuse a poison that is no byte", async () => {
    await expect(run({ DAVIT_GUARD_PAGES: "0", DAVIT_POISON: "256" })).rejects.toThrow(
      'DAVIT_POISON is "256" (expected a byte, 0 to 255)',
    );
  });
});
