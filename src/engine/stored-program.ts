import { encodeGraph } from "../graph/encoding/canonical.js";
import { MsgpackReader } from "../msgpack/reader.js";
import { MsgpackWriter } from "../msgpack/writer.js";
import { formatType, isDtype, type TensorType } from "../tensor/dtype.js";
import type { KeptTypes } from "./kept-types.js";
import type { Program } from "./program.js";

/** A program as the store keeps it. */
export interface StoredProgram {
  /** The canonical bytes of its graph. */
  readonly graph: Uint8Array;
  readonly types: KeptTypes;
  /** What whoever kept it needs to use it. */
  readonly note: Uint8Array;
}

/** Writes a program: {@link decodeProgram} reads it. */
export function encodeProgram(program: Program, note: Uint8Array): Uint8Array {
  const types = new Map<string, readonly [number, TensorType]>();
  const numbers = program.typed.map(({ values }) =>
    values.map((type) => {
      const text = formatType(type);
      const known = types.get(text) ?? ([types.size, type] as const);
      types.set(text, known);
      return known[0];
    }),
  );
  const writer = new MsgpackWriter(64 * 1024);
  writer.binary(encodeGraph(program.graph));
  writer.binary(note);
  writer.array(types.size);
  for (const [, { dtype, shape }] of types.values()) {
    writer.text(dtype);
    writer.array(shape.length);
    for (const size of shape) writer.integer(size);
  }
  writer.array(numbers.length);
  for (const list of numbers) {
    writer.array(list.length);
    for (const number of list) writer.integer(number);
  }
  return writer.written.slice();
}

/** Reads what {@link encodeProgram} wrote. @throws Error where it is something else */
export function decodeProgram(data: Uint8Array): StoredProgram {
  const reader = new ProgramReader(data, "the stored program");
  const graph = reader.bytes("the graph");
  const note = reader.bytes("the note");
  const types = reader.list(() => reader.type());
  const kept = reader.list(() =>
    reader.list(() => types[reader.index("a type")] ?? reader.fail("there is no such type")),
  );
  reader.end();
  return { graph, note, types: kept };
}

class ProgramReader extends MsgpackReader {
  override fail(message: string): never {
    throw new Error(message);
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.listCount("a list") }, item);
  }

  type(): TensorType {
    const dtype = this.decodeText("a dtype", this.textLength("a dtype"));
    if (!isDtype(dtype)) return this.fail(`there is no dtype ${dtype}`);
    return { dtype, shape: this.list(() => this.index("a size")) };
  }
}
