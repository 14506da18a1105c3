import { boundValuesOf } from "../graph/bound-values.js";
import type { TypedFunction } from "../graph/checking/infer.js";
import { encodeGraph, hashBytes } from "../graph/encoding/canonical.js";
import type { Graph } from "../graph/graph.js";
import { MsgpackReader } from "../msgpack/reader.js";
import { MsgpackWriter } from "../msgpack/writer.js";
import type { NativeEngine, ValueId } from "../native.js";
import type { StoreGlobal, StoreModule } from "../store/index.js";
import { type Dtype, formatType, isDtype, type TensorType } from "../tensor/dtype.js";
import type { Program } from "./program.js";

/** A program as the store keeps it. */
export interface StoredProgram {
  /** The canonical bytes of its graph. */
  readonly graph: Uint8Array;
  /** The types of all its values. */
  readonly typed: readonly TypedFunction[];
  /** What whoever kept it needs to use it. */
  readonly note: Uint8Array;
}

/** Writes a program, with its constants as globals: {@link decodeProgram} reads it. */
export function encodeProgram(
  name: string,
  program: Program,
  constants: ReadonlyMap<string, Uint8Array>,
  note: Uint8Array,
): StoreModule {
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
  const globals = [...constants].map(
    ([hash, data]): StoreGlobal => ({ name: hash, data, constant: true }),
  );
  const data = writer.written.slice();
  return { functions: [{ name, data, globals: [...constants.keys()] }], globals };
}

/** Reads what {@link encodeProgram} wrote. @throws Error where it is something else */
export function decodeProgram(data: Uint8Array): StoredProgram {
  const reader = new ProgramReader(data, "the stored program");
  const graph = reader.bytes("the graph");
  const note = reader.bytes("the note");
  const types = reader.list(() => reader.type());
  const values = reader.list(() =>
    reader.list(() => types[reader.index("a type")] ?? reader.fail("there is no such type")),
  );
  reader.end();
  return { graph, note, typed: values.map((list) => ({ values: list, results: [] })) };
}

class ProgramReader extends MsgpackReader {
  override fail(message: string): never {
    throw new Error(message);
  }

  list<T>(item: () => T): T[] {
    return Array.from({ length: this.listCount("a list") }, item);
  }

  type(): TensorType {
    const dtype = this.decodeText("a dtype", this.textBytes("a dtype"));
    if (!isDtype(dtype)) return this.fail(`there is no dtype ${dtype}`);
    return { dtype: dtype as Dtype, shape: this.list(() => this.index("a size")) };
  }
}

/** The bytes of a graph's constants, by their hashes; undefined where some are not there yet. */
export function constantBytes(
  graph: Graph,
  values: ReadonlyMap<string, ValueId>,
  native: NativeEngine,
): Map<string, Uint8Array> | undefined {
  const found = new Map<string, Uint8Array>();
  try {
    for (const { name } of boundValuesOf(graph, "constant")) {
      const value = values.get(name);
      if (value === undefined) return undefined;
      const bytes = new Uint8Array(native.read(value));
      // The name is the sender's word.
      if (hashBytes(bytes) !== name) return undefined;
      found.set(name, bytes);
    }
    return found;
  } catch {
    return undefined;
  }
}
