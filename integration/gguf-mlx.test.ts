import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FileArray, openGguf, readTensors } from "../src/files/index.js";
import golden from "../test/files/gguf/golden.json" with { type: "json" };
import { ggufFile } from "../test/support/gguf-file.js";
import { hasModule, python } from "./support/python.js";
import { smollm2 } from "./support/smollm2.js";

/** Hashes of what MLX loads, by name: dtype, shape and bytes. */
const HASHES = `
import sys, json, hashlib, numpy as np, mlx.core as mx
def bits(x): return np.array(x.view(mx.uint8) if x.size else x).tobytes()
arrays, _ = mx.load(sys.argv[1], return_metadata=True)
print(json.dumps({name: [str(x.dtype).split(".")[-1], list(x.shape), hashlib.sha256(bits(x)).hexdigest()]
                  for name, x in arrays.items()}))
`;

const WRITE = `
import sys, mlx.core as mx
arrays = {d: mx.arange(24).reshape(2, 3, 4).astype(getattr(mx, d)) for d in sys.argv[2].split(",")}
mx.save_gguf(sys.argv[1], arrays, {"text": "here", "texts": ["a", "b"], "number": mx.array(7, mx.uint32),
                                   "list": mx.array([1, -2], mx.int64)})
`;

type Hashes = Record<string, [dtype: string, shape: number[], hash: string]>;

function mlxLoads(path: string): Hashes {
  return JSON.parse(python(["-c", HASHES, path])) as Hashes;
}

async function davitLoads(path: string): Promise<Hashes> {
  const { createHash } = await import("node:crypto");
  const read = await readTensors(path);
  return Object.fromEntries(
    [...read].map(([name, { type, bytes }]) => [
      name,
      [type.dtype, [...type.shape], createHash("sha256").update(bytes).digest("hex")],
    ]),
  );
}

describe.skipIf(!hasModule("mlx.core"))("GGUF files and MLX", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "davit-gguf-mlx-"));
  });
  afterAll(() => rm(folder, { recursive: true }));

  it("reads what MLX writes", async () => {
    const path = join(folder, "written.gguf");
    const dtypes = ["float32", "float16", "int8", "int16", "int32"];
    python(["-c", WRITE, path, dtypes.join(",")]);
    const ours = await davitLoads(path);
    expect(Object.keys(ours).sort()).toEqual([...dtypes].sort());
    expect(ours).toEqual(mlxLoads(path));
    const { metadata } = await openGguf(path);
    expect(metadata.get("text")).toBe("here");
    expect(metadata.get("texts")).toEqual(["a", "b"]);
    expect(metadata.get("number")).toBe(7);
    expect(metadata.get("list")).toEqual([1, -2]);
  });

  it.each(["Q4_0", "Q4_1", "Q8_0", "Q2_K", "Q6_K"] as const)(
    "packs or converts %s to the bits that MLX has",
    async (name) => {
      const { kind, blocks, values } = golden[name];
      const columns = Buffer.from(values, "base64").length / 8;
      const bytes = Buffer.from(blocks, "base64");
      const path = join(folder, `${name}.gguf`);
      const tensors = { "a.weight": { shape: [2, columns], kind, bytes } };
      await writeFile(path, ggufFile({ tensors }));
      expect(await davitLoads(path)).toEqual(mlxLoads(path));
    },
  );

  it("reads a real model as MLX does", async () => {
    const ours = await davitLoads(smollm2);
    expect(ours).toEqual(mlxLoads(smollm2));
    expect(Object.keys(ours).length).toBe(694);
  });
});

it("reads the tokenizer of a real model", async () => {
  const { metadata, tensors } = await openGguf(smollm2);
  expect((metadata.get("tokenizer.ggml.tokens") as string[]).length).toBe(49152);
  expect(metadata.get("tokenizer.chat_template")).toContain("<|im_start|>");
  expect(tensors.get("token_embd.scales")?.type).toEqual({
    dtype: "float16",
    shape: [49152, 18],
  } satisfies FileArray["type"]);
});
