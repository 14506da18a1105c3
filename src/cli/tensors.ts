import type { Engine } from "../engine/engine.js";
import type { Tensor } from "../native-tensor.js";
import type { InputSource } from "./inputs.js";

/** A tensor of an input. */
export function tensorOf(engine: Engine, source: InputSource): Tensor {
  return source.kind === "array"
    ? engine.fromBytes(source.array.bytes, source.array.type)
    : engine.fileTensor(source.path, source.range.offset, source.range.type);
}

/** Tensors of inputs, by their names. */
export function tensorsOf(
  engine: Engine,
  sources: ReadonlyMap<string, InputSource>,
): ReadonlyMap<string, Tensor> {
  return new Map([...sources].map(([name, source]) => [name, tensorOf(engine, source)]));
}
