import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readNpy, readNpz, writeNpy, writeNpz } from "../src/files/index.js";
import { byteLength, DTYPES } from "../src/tensor/dtype.js";
import { hasModule, python } from "./support/python.js";

// numpy has no bfloat16.
const NUMPY_DTYPES = DTYPES.filter((dtype) => dtype !== "bfloat16");

const WRITE = `
import sys, numpy as np
folder, dtypes = sys.argv[1], sys.argv[2].split(",")
arrays = {}
for dtype in dtypes:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    arrays[dtype] = x
    np.save(f"{folder}/{dtype}-c.npy", x)
    np.save(f"{folder}/{dtype}-f.npy", np.asfortranarray(x))
    np.save(f"{folder}/{dtype}-scalar.npy", x[1, 0, 1])
    np.save(f"{folder}/{dtype}-empty.npy", x[:0])
np.savez(f"{folder}/stored.npz", **arrays)
np.savez_compressed(f"{folder}/deflated.npz", **arrays)
`;

const READ = `
import sys, numpy as np
folder, dtypes = sys.argv[1], sys.argv[2].split(",")
for dtype in dtypes:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    archives = [np.load(f"{folder}/{name}.npz")[dtype] for name in ("stored-out", "deflated-out")]
    for y in [np.load(f"{folder}/{dtype}-out.npy"), *archives]:
        assert y.dtype == x.dtype and y.shape == x.shape and y.tobytes() == x.tobytes(), dtype
print("same")
`;

describe.skipIf(!hasModule("numpy"))("numpy's files", () => {
  let folder: string;
  const at = (name: string) => join(folder, name);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "davit-numpy-"));
    python(["-c", WRITE, folder, NUMPY_DTYPES.join(",")]);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it.each(NUMPY_DTYPES)("%s is read: C order, Fortran order, scalar, empty", async (dtype) => {
    const c = await readNpy(at(`${dtype}-c.npy`));
    const fortran = await readNpy(at(`${dtype}-f.npy`));
    expect(c.type).toEqual({ dtype, shape: [2, 3, 4] });
    expect(fortran.type).toEqual(c.type);
    expect([...fortran.bytes]).toEqual([...c.bytes]);
    const scalar = await readNpy(at(`${dtype}-scalar.npy`));
    expect(scalar.type.shape).toEqual([]);
    const item = byteLength(scalar.type);
    expect([...scalar.bytes]).toEqual([...c.bytes.subarray(13 * item, 14 * item)]);
    expect((await readNpy(at(`${dtype}-empty.npy`))).type.shape).toEqual([0, 3, 4]);
  });

  it("archives are read, and what Davit writes numpy reads", async () => {
    const arrays = await readNpz(at("stored.npz"));
    const deflated = await readNpz(at("deflated.npz"));
    expect([...arrays.keys()].sort()).toEqual([...NUMPY_DTYPES].sort());
    for (const [dtype, array] of arrays) {
      expect([...(deflated.get(dtype)?.bytes ?? [])]).toEqual([...array.bytes]);
      await writeNpy(at(`${dtype}-out.npy`), array);
    }
    await writeNpz(at("stored-out.npz"), arrays);
    await writeNpz(at("deflated-out.npz"), arrays, true);
    expect(python(["-c", READ, folder, NUMPY_DTYPES.join(",")]).trim()).toBe("same");
  });
});
