import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FileError } from "../../src/files/error.js";
import { openMlxFunction } from "../../src/mlxfn/file.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { type MlxFunctionParts, mlxFunctionFile, primitive } from "../support/mlxfn-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const inFolder = temporaryFolder();

/** The path of a file with these bytes. */
function written(bytes: Uint8Array): string {
  const path = inFolder("case.mlxfn");
  writeFileSync(path, bytes);
  return path;
}

const matrix: TensorType = { dtype: "float32", shape: [2, 2] };
const large: TensorType = { dtype: "float32", shape: [64, 64] };

const parts: MlxFunctionParts = {
  metadata: "from a test",
  constants: [
    { type: { dtype: "float32", shape: [] }, bytes: new Uint8Array(Float32Array.of(2).buffer) },
    { type: large, bytes: new Uint8Array(4 * 64 * 64) },
  ],
  traces: [
    {
      inputs: [matrix, matrix],
      keywords: ["scale"],
      steps: [
        { kind: "constant", constant: 0 },
        { kind: "constant", constant: 1 },
        primitive("Broadcast", [2], [matrix], { shape: [2, 2] }),
        primitive("DivMod", [0, 4], [matrix, matrix]),
        primitive("Softmax", [6], [matrix], { precise: true }),
      ],
      results: [7, 5],
    },
    {
      inputs: [large],
      keywords: [],
      steps: [{ kind: "constant", constant: 1 }, primitive("Add", [0, 1], [large])],
      results: [2],
    },
  ],
};

describe("the structure of a .mlxfn file", () => {
  it("is read as it was written, without the constants", () => {
    const bytes = mlxFunctionFile(parts);
    const file = openMlxFunction(written(bytes));
    expect(file).toMatchObject({
      version: "0.32.4",
      shapeless: false,
      metadata: "from a test",
      traces: parts.traces,
    });
    const [few, many] = file.constants;
    expect(few?.bytes).toEqual(parts.constants[0]?.bytes);
    expect(many?.bytes).toBeUndefined();
    const { offset = 0 } = many ?? {};
    expect(bytes.subarray(offset, offset + 16384)).toEqual(parts.constants[1]?.bytes);
    expect(file.bytesRead).toBeLessThan(bytes.length - 8192);
  });

  it("is refused where it was cut, with the place", () => {
    const bytes = mlxFunctionFile(parts);
    for (let length = 0; length < bytes.length; length += length < 1200 ? 7 : 997) {
      const path = written(bytes.subarray(0, length));
      expect(() => openMlxFunction(path), `${length} bytes`).toThrow(FileError);
    }
  });

  it.each([
    ["another version", { ...parts, version: "0.20.1" }, /"0.20.1" in place of the version/],
    ["no version", { ...parts, version: "GGUF" }, /"GGUF" in place of the version of MLX/],
    [
      "an unknown primitive",
      {
        ...parts,
        traces: [{ ...parts.traces[1], steps: [primitive("Wonder", [0])], results: [1] }],
      },
      /behind the primitive "Wonder"/,
    ],
  ])("is refused for %s", (_, broken, message) => {
    const path = written(mlxFunctionFile(broken as MlxFunctionParts));
    expect(() => openMlxFunction(path)).toThrow(message);
  });

  it("is refused where all traces together have too many arrays", () => {
    const steps = Array.from({ length: 30_000 }, (_, index) => primitive("Exp", [index]));
    const trace = { inputs: [matrix], keywords: [], steps, results: [1] };
    const path = written(mlxFunctionFile({ constants: [], traces: Array(4).fill(trace) }));
    expect(() => openMlxFunction(path)).toThrow(
      /its traces have 120004 arrays or more \(expected at most 100000 in all\)/,
    );
  });

  it("is refused or read, whatever a byte of it is", () => {
    const bytes = mlxFunctionFile({ ...parts, traces: parts.traces.slice(0, 1) });
    let refused = 0;
    for (let at = 0; at < 700; at += 3) {
      for (const value of [0, 1, 0x7f, 0xff]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = value;
        const path = written(changed);
        try {
          openMlxFunction(path);
        } catch (error) {
          expect(error).toBeInstanceOf(FileError);
          refused++;
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  });
});
