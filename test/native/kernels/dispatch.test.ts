import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { built } from "../../support/built.js";
import { instructionSets } from "../../support/kernels.js";

async function withKernels(kernels: string): Promise<string> {
  const script = `
    import { Engine } from ${JSON.stringify(await built("index.js"))};
    import { native } from ${JSON.stringify(await built("native.js"))};
    function create() {
      try {
        return Engine.create();
      } catch ({ code, message }) {
        throw new Error(code + ": " + message);
      }
    }
    const engine = create();
    console.log(native().versions().kernels);
    await engine.close();
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--input-type=module", "--eval", script],
    { env: { ...process.env, DAVIT_KERNELS: kernels } },
  );
  return stdout.trim();
}

describe("DAVIT_KERNELS", () => {
  it.each(["mlx", ...instructionSets()])("chooses %s", async (name) => {
    expect(await withKernels(name)).toBe(name);
  });

  it("is refused where it names none that the machine can run", async () => {
    const names = [...instructionSets().reverse(), "mlx"].join(", ");
    const message = `DAVIT_KERNELS is "avx2" (expected one of those that this machine can run: ${names})`;
    await expect(withKernels("avx2")).rejects.toThrow(`option_invalid: ${message}`);
  });
});
