import { afterAll, beforeAll, expect, it } from "vitest";
import {
  Embedding,
  Engine,
  type FileArray,
  Linear,
  mx,
  openWeights,
  QuantizedEmbedding,
  QuantizedLinear,
  type Tensor,
  type Traced,
  WeightReader,
  type WeightsError,
  writeTensors,
} from "../../src/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = temporaryFolder();
let engine: Engine;
beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
});
afterAll(() => engine.close());

let files = 0;

/** Writes tensors to a file of its own and opens it as weights. */
async function weightsOf(tensors: Record<string, Tensor>) {
  const path = at(`weights${files++}.safetensors`);
  const arrays = new Map<string, FileArray>();
  for (const [name, tensor] of Object.entries(tensors)) {
    arrays.set(name, { type: tensor.type, bytes: await tensor.bytes() });
  }
  await writeTensors(path, arrays);
  return await openWeights(engine, path);
}

const matrix = (rows: number, columns: number) =>
  engine.tensor(
    Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => Math.sin(row * columns + column)),
    ),
  );
const arrays = async (...tensors: Tensor[]) =>
  await Promise.all(tensors.map(async (tensor) => (await tensor.toArray()) as number[][]));

it.each([
  [4, 32],
  [4, 64],
  [8, 128],
  [3, 64],
])(
  "packed layers of %i bits in groups of %i compute what the dequantized ones do",
  async (bits, group_size) => {
    const scheme = { bits, group_size };
    const bias = engine.tensor(new Float32Array(8).fill(0.5));
    const [packed, scales, biases] = (await engine.jit((w: Traced) => mx.quantize(w, null, scheme))(
      matrix(8, 256),
    )) as [Tensor, Tensor, Tensor];
    const weight = await engine.jit((w: Traced, s: Traced, b: Traced) =>
      mx.dequantize(w, s, b, null, scheme),
    )(packed, scales, biases);
    const quantized = await weightsOf({
      "x.weight": packed,
      "x.scales": scales,
      "x.biases": biases,
      "x.bias": bias,
    });
    const plain = await weightsOf({ "x.weight": weight, "x.bias": bias });
    const sizes = { inputs: 256, outputs: 8, bias: true };
    const linears = [quantized, plain].map((weights) =>
      WeightReader.of(weights).linear("x", sizes),
    );
    expect(linears[0]).toBeInstanceOf(QuantizedLinear);
    expect((linears[0] as QuantizedLinear).quantization).toEqual({ bits, groupSize: group_size });
    expect(linears[1]).toBeInstanceOf(Linear);
    const x = matrix(3, 256);
    const [ours, theirs] = await arrays(
      await engine.jit((x: Traced) => (linears[0] as QuantizedLinear).forward(x))(x),
      await engine.jit((x: Traced) => (linears[1] as Linear).forward(x))(x),
    );
    (ours as number[][]).flat().forEach((element, i) => {
      expect(element).toBeCloseTo((theirs as number[][]).flat()[i] as number, 3);
    });

    const embeddings = [quantized, plain].map((w) => WeightReader.of(w).embedding("x", 8, 256));
    expect(embeddings[0]).toBeInstanceOf(QuantizedEmbedding);
    expect(embeddings[1]).toBeInstanceOf(Embedding);
    const ids = engine.tensor([7, 0, 3], "int32");
    const [rows, plainRows] = await arrays(
      await engine.jit((i: Traced) => (embeddings[0] as QuantizedEmbedding).forward(i))(ids),
      await engine.jit((i: Traced) => (embeddings[1] as Embedding).forward(i))(ids),
    );
    expect(rows).toEqual(plainRows);
    const [scores, plainScores] = await arrays(
      await engine.jit((x: Traced) => (embeddings[0] as QuantizedEmbedding).asLinear(x))(x),
      await engine.jit((x: Traced) => (embeddings[1] as Embedding).asLinear(x))(x),
    );
    expect(scores?.[2]?.[5]).toBeCloseTo(plainScores?.[2]?.[5] as number, 3);
  },
);

it("tells everything that is wrong with the weights at once", async () => {
  const weights = await weightsOf({
    "encoder.0.weight": matrix(4, 3),
    "encoder.0.bias": engine.tensor([1, 2, 3], "int32"),
    "encoder.1.scales": matrix(4, 1),
    "encoder.1.weight": engine.tensor([[1, 2, 3]], "uint32"),
    "norm.weight": engine.tensor([1]),
    extra: engine.tensor([1]),
    position_ids: engine.tensor([1], "int32"),
  });
  const reader = WeightReader.of(weights);
  const encoder = reader.at("encoder");
  encoder.linear("0", { inputs: 4, outputs: 4, bias: true });
  encoder.linear("1", { inputs: 64, outputs: 4, bias: false });
  encoder.linear("2", { inputs: 4, outputs: 4, bias: true });
  reader.layerNorm("norm", 1, 1e-5);
  reader.rmsNorm("final", 1, 1e-5);
  reader.ignore((name) => name.endsWith("position_ids"));
  let error: WeightsError | undefined;
  try {
    reader.finish();
  } catch (thrown) {
    error = thrown as WeightsError;
  }
  expect(error?.code).toBe("weights_invalid");
  expect(error?.missing).toEqual([
    ...["encoder.2.bias", "encoder.2.weight", "norm.bias", "final.weight"],
  ]);
  expect(error?.surplus).toEqual(["extra"]);
  expect(error?.misshapen.map(({ name, expected }) => [name, expected])).toEqual([
    ["encoder.0.bias", "[4]"],
    ["encoder.0.weight", "[4, 4]"],
    ["encoder.1.weight", "[4, 8]"],
  ]);
  expect(error?.message).toContain(".safetensors: 4 missing (encoder.2.bias, ");
});

it("finds nothing wrong with weights that are right", async () => {
  const reader = WeightReader.of(await weightsOf({ "norm.weight": engine.tensor([1, 1]) }));
  const norm = reader.rmsNorm("norm", 2, 1e-6);
  reader.finish();
  const result = await engine.jit((x: Traced) => norm.forward(x))([3, 4]);
  const [a, b] = (await result.toArray()) as [number, number];
  expect(a / b).toBeCloseTo(0.75, 5);
  expect(a * a + b * b).toBeCloseTo(2, 4);
});
