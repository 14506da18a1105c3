import { statSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Engine } from "../src/engine/engine.js";
import { readTensors } from "../src/files/index.js";
import { ImportedFunction, mx, type Tensor, type Traced } from "../src/index.js";
import type { Signature } from "../src/mlxfn/index.js";
import { byteLength, type TensorType } from "../src/tensor/dtype.js";
import { fromBytes } from "../src/tensor/values.js";
import { root } from "../test/support/root.js";
import { temporaryFolder } from "../test/support/temporary-folder.js";
import { hasModule, python } from "./support/python.js";

const at = temporaryFolder();

describe.runIf(hasModule("mlx.core"))(
  "a Llama that Python exported, with a trace for a prompt and one for a token",
  () => {
    let engine: Engine;
    beforeAll(() => {
      python([`${root}/integration/support/export_llama.py`, at("")]);
      engine = Engine.create({ lanes: 1 });
    });
    afterAll(() => engine.close());

    it("has its weights once", () => {
      using f = ImportedFunction.open(engine, at("llama.mlxfn"));
      const bytes = [...f.opened.constants.values()].map(({ type }) => byteLength(type));
      expect(statSync(at("llama.mlxfn")).size).toBeLessThan(
        1.5 * bytes.reduce((sum, one) => sum + one, 0),
      );
      expect(f.signatures.map(({ inputs: [tokens] }) => tokens?.shape)).toEqual([
        [1, 5],
        [1, 1],
      ]);
    });

    it("goes on with the tokens that Python goes on with, and probes see its layers", async () => {
      const example = await readTensors(at("llama.safetensors"));
      const list = (name: string) => {
        const { bytes, type } = example.get(name) as { bytes: Uint8Array; type: TensorType };
        return fromBytes(bytes, type);
      };
      using f = ImportedFunction.open(engine, at("llama.mlxfn"));
      let softmaxes = 0;
      f.probe("softmax.*", () => {
        softmaxes++;
      });
      const choose = engine.jit((logits: Traced) =>
        mx.reshape(mx.astype(mx.argmax(logits, { axis: -1 }), { dtype: "int32" }), {
          shape: [1, 1],
        }),
      );
      const [{ inputs }] = f.signatures as [Signature];
      const { shape } = inputs[1] as TensorType;
      const empty = engine.jit(() => mx.full(0, { shape, dtype: "float32" }));
      let [keys, values, offset] = [await empty(), await empty(), 0];
      let tokens = engine.tensor(list("prompt"), "int32");
      const generated: number[] = [];
      for (let index = 0; index < 20; index++) {
        const [logits, ...cache] = await f.call([tokens, keys, values], { offset });
        offset += tokens.shape[1] as number;
        [keys, values] = cache as [Tensor, Tensor];
        tokens = await choose(logits as Tensor);
        generated.push(Number(new Int32Array((await tokens.bytes()).slice().buffer)[0]));
      }
      expect(generated).toEqual(list("tokens"));
      expect(softmaxes).toBe(3 * 20);
    });
  },
);
