import { afterEach, describe, expect, it } from "vitest";
import { Engine, materialize, mx, type Tensor } from "../../../src/index.js";
import { type KeyValueCache, openLlama } from "../../../src/models/llama/index.js";
import type { Traced } from "../../../src/trace/index.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { writeTinyLlama } from "../tiny-llama.js";

const folder = temporaryFolder();
let engine: Engine;
afterEach(() => engine.close());

/** The most memory that tokens need beside the weights and a cache of this capacity, and what one of its tensors has. */
async function memoryOfTokens(capacity: number): Promise<{ most: number; part: number }> {
  engine = Engine.create();
  const path = await writeTinyLlama(folder(`llama-${capacity}`), { packed: true });
  const model = await materialize((await openLlama(engine, path)).model);
  const { layers, keyHeads, headSize } = model.config;
  const shape = [1, keyHeads, capacity, headSize];
  const parts = await engine.jit(() =>
    Array.from({ length: 2 * layers }, () => mx.zeros({ shape, dtype: "float32" })),
  )();
  const state = engine.state<KeyValueCache<Tensor>>({
    keys: parts.slice(0, layers),
    values: parts.slice(layers),
  });
  const step = engine.jit((cache: KeyValueCache, ids: Traced, position: Traced, last: Traced) =>
    model.forward(cache, ids, position, last),
  );
  const scalar = (value: number) => engine.tensor(value, "int32");
  const before = engine.memory().active;
  for (let token = 0; token < 4; token++) {
    const ids = engine.tensor([[65 + token]], "int32");
    const args = [ids, scalar(capacity - 8 + token), scalar(0)];
    const scores = await state.exclusive((held) => held.apply(step, args));
    await (scores as Tensor).ready;
    for (const tensor of [...args, scores as Tensor]) tensor.dispose();
  }
  return { most: engine.memory().peak - before, part: shape.reduce((a, b) => a * b) * 4 };
}

describe("a token of a language model", () => {
  it("is written into the cache, of which nothing is copied", async () => {
    const { most, part } = await memoryOfTokens(1 << 16);
    expect(part).toBe(8 * 2 ** 20);
    expect(most).toBeLessThan(part / 2);
  });
});
