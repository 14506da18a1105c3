import type { Engine } from "../engine/engine.js";
import type { Gguf, GgufPart, GgufParts, GgufTensor, Members } from "../files/index.js";
import { readGgufSourceSync } from "../files/index.js";
import { once } from "../files/members.js";
import type { Tensor } from "../native-tensor.js";
import type { TensorType } from "../tensor/dtype.js";

/** The tensors of a GGUF file in an engine. Each is read when it is first needed, with its other parts where it is packed. */
export function ggufTensors(
  engine: Engine,
  { path, tensors }: Gguf,
): Members<{ type: TensorType; tensor: () => Tensor }> {
  const readers = new Map<object, PartReader>();
  return tensors.map(({ type, part, source }: GgufTensor) => {
    const { reading } = source.kind;
    if ("dtype" in reading) {
      return { type, tensor: once(() => engine.fileTensor(path, source.offset, type)) };
    }
    const read = readers.get(source) ?? partReader(() => readGgufSourceSync(path, source));
    readers.set(source, read);
    return { type, tensor: once(() => engine.lazyTensor(type, () => read(part))) };
  });
}

type PartReader = (part: GgufPart) => Uint8Array;

/** Reads all parts at once, and keeps each one until it is taken. */
function partReader(read: () => GgufParts): PartReader {
  let kept: Partial<Record<GgufPart, Uint8Array>> = {};
  return (part) => {
    if (kept[part] === undefined) kept = { ...read() };
    const bytes = kept[part] as Uint8Array;
    delete kept[part];
    return bytes;
  };
}
