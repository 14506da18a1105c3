import { closeSync, fstatSync } from "node:fs";
import { checkedByteLength, type FileRange } from "../files/array.js";
import { FileError, fromSystem } from "../files/error.js";
import { openRegularSync } from "../files/open.js";
import { DEFAULT_LIMITS } from "../graph/limits.js";
import type { TensorType } from "../tensor/dtype.js";
import {
  malformed,
  readBool,
  readDtype,
  readInts,
  readList,
  readState,
  type State,
} from "./state.js";
import { FileWindow } from "./window.js";

/** The structure of a .mlxfn file: functions as MLX exported them. Its constants stay in the file. */
export interface MlxFunctionFile {
  /** The path of the file. */
  readonly path: string;
  /** The version of MLX that wrote it. */
  readonly version: string;
  /** Whether it was exported for inputs of any sizes. */
  readonly shapeless: boolean;
  /** The text that was exported with it. */
  readonly metadata: string;
  /** The function as it was traced for each signature. */
  readonly traces: readonly Trace[];
  /** All constants, which the traces share. */
  readonly constants: readonly Constant[];
  /** How many bytes were read to learn this. */
  readonly bytesRead: number;
}

/** A constant of a file: where it is, and its bytes if they are few. */
export interface Constant extends FileRange {
  readonly bytes?: Uint8Array;
}

/** A function as it was traced for inputs of certain types. Values are numbered: inputs, then what steps make, in order. */
export interface Trace {
  /** The types of its inputs: those by position, then those by keyword. */
  readonly inputs: readonly TensorType[];
  /** The names of the last inputs. */
  readonly keywords: readonly string[];
  readonly steps: readonly Step[];
  /** The values that it returns. */
  readonly results: readonly number[];
}

/** What makes values of a trace. */
export type Step =
  | {
      readonly kind: "constant" /** Its place among the constants of the file. */;
      readonly constant: number;
    }
  | {
      readonly kind: "primitive";
      /** MLX's name of it. */
      readonly name: string;
      readonly inputs: readonly number[];
      readonly state: State;
      /** The types of the values that it makes. */
      readonly outputs: readonly TensorType[];
    };

/** The versions of MLX whose files are known to have this format. */
const VERSIONS = /^0\.(3[2-9])\.\d+/;
/** Constants of at most so many bytes, such as the numbers in an expression, are read at once. */
const FEW_BYTES = 64;
/** The fewest bytes of a trace, of a step and of a primitive among its inputs. */
const TRACE_BYTES = 40;
const STEP_BYTES = 10;
const ID_BYTES = 8;
const TYPE_BYTES = 13;

/** Reads the structure of a .mlxfn file, and none of its constants. @throws FileError */
export function openMlxFunction(path: string): MlxFunctionFile {
  const file = openRegularSync(path, "read");
  try {
    return new Reader(new FileWindow(file, fstatSync(file).size, path)).file();
  } catch (error) {
    throw fromSystem(error, path);
  } finally {
    closeSync(file);
  }
}

class Reader {
  readonly #constants: Constant[] = [];
  #arrays = 0;
  /** The constants by the id that the file gives them. */
  readonly #constantIds = new Map<bigint, number>();

  constructor(readonly cursor: FileWindow) {}

  file(): MlxFunctionFile {
    const { cursor } = this;
    const { path } = cursor;
    const version = cursor.text();
    if (!VERSIONS.test(version)) {
      const shown = JSON.stringify(version.slice(0, 32));
      throw this.#malformed(
        `it begins with ${shown} in place of the version of MLX that wrote it`,
        "a function exported by MLX 0.32 or newer",
      );
    }
    const count = cursor.int32();
    if (count < 0 || count > cursor.fileSize / TRACE_BYTES) {
      throw this.#malformed(`it announces ${count} functions`, "as many as it has room for");
    }
    const shapeless = readBool(cursor);
    const metadata = cursor.text();
    const traces = Array.from({ length: count }, () => new TraceReader(this).trace());
    const { bytesRead } = cursor;
    const constants = this.#constants;
    return { path, version, shapeless, metadata, traces, constants, bytesRead };
  }

  /** Reads how many arrays a trace has. All traces are read in one turn, so they have no more together than a graph may have nodes. */
  countArrays(): number {
    const count = this.cursor.count("arrays", STEP_BYTES);
    this.#arrays += count;
    if (this.#arrays <= DEFAULT_LIMITS.nodes) return count;
    throw new FileError(
      "file_too_large",
      this.cursor.path,
      `its traces have ${this.#arrays} arrays or more`,
      `at most ${DEFAULT_LIMITS.nodes} in all`,
    );
  }

  /** Returns the number of a constant; where the file has not said what it is, its type and bytes follow. */
  constant(id: bigint): number {
    const known = this.#constantIds.get(id);
    if (known !== undefined) return known;
    const type = this.type();
    const length = checkedByteLength(type, this.cursor.path);
    const { offset } = this.cursor;
    const few = length <= FEW_BYTES;
    const bytes = few ? { bytes: this.cursor.bytes(length) } : undefined;
    if (!few) this.cursor.skip(length);
    this.#constantIds.set(id, this.#constants.length);
    return this.#constants.push({ type, offset, ...bytes }) - 1;
  }

  typeOf(constant: number): TensorType {
    return (this.#constants[constant] as Constant).type;
  }

  type(): TensorType {
    const shape = readInts(this.cursor);
    const type = { dtype: readDtype(this.cursor), shape };
    checkedByteLength(type, this.cursor.path);
    return type;
  }

  ids(): bigint[] {
    return readList(this.cursor, "ids of arrays", ID_BYTES, () => this.cursor.uint64());
  }

  #malformed(problem: string, expected: string): FileError {
    return new FileError("file_malformed", this.cursor.path, problem, expected);
  }
}

/** Reads one trace. The file names arrays by ids, which are addresses in the process that wrote it. */
class TraceReader {
  readonly #values = new Map<bigint, number>();
  readonly #types: TensorType[] = [];

  constructor(private readonly reader: Reader) {}

  trace(): Trace {
    const cursor = this.reader.cursor;
    const keywords = readList(cursor, "keywords", 8, () => cursor.text());
    const ids = this.reader.ids();
    const inputs = readList(cursor, "inputs", TYPE_BYTES, () => this.reader.type());
    if (ids.length !== inputs.length || keywords.length > inputs.length) {
      const problem = `a function has ${ids.length} ids and ${inputs.length} types of inputs, ${keywords.length} with keywords`;
      throw malformed(cursor, problem, "an id and a type for each");
    }
    for (const [index, id] of ids.entries()) this.#define(id, inputs[index] as TensorType);
    const results = this.reader.ids();
    const steps: Step[] = [];
    for (let left = this.reader.countArrays(); left > 0; left--) {
      const step = this.#step();
      if (step !== undefined) steps.push(step);
    }
    return { inputs, keywords, steps, results: results.map((id) => this.#find(id)) };
  }

  /** Reads an array: what computes it, a constant, or an input, which needs no step. */
  #step(): Step | undefined {
    const cursor = this.reader.cursor;
    const id = cursor.uint64();
    if (readBool(cursor)) return this.#primitive(id);
    if (!readBool(cursor)) {
      this.#find(id);
      return undefined;
    }
    const constant = this.reader.constant(id);
    this.#define(id, this.reader.typeOf(constant));
    return { kind: "constant", constant };
  }

  #primitive(id: bigint): Step {
    const cursor = this.reader.cursor;
    const inputs = this.reader.ids().map((input) => this.#find(input));
    // The stream: its index, and the type and the index of its device. Davit chooses its own.
    for (let part = 0; part < 3; part++) cursor.int32();
    const name = cursor.text();
    const state = readState(cursor, name);
    const siblings = cursor.uint64();
    if (siblings === 0n) {
      const type = this.reader.type();
      this.#define(id, type);
      return { kind: "primitive", name, inputs, state, outputs: [type] };
    }
    const ids = this.reader.ids();
    const shapes = readList(cursor, "shapes", 8, () => readInts(cursor));
    const dtypes = readList(cursor, "element types", 5, () => readDtype(cursor));
    if (ids.length !== shapes.length || ids.length !== dtypes.length || !ids.includes(id)) {
      throw malformed(
        cursor,
        `${name} makes arrays with ${ids.length} ids, ${shapes.length} shapes and ${dtypes.length} types`,
        "an id, a shape and a type for each, its own among them",
      );
    }
    const outputs = shapes.map((shape, index) => ({ dtype: dtypes[index], shape }) as TensorType);
    for (const [index, type] of outputs.entries()) {
      checkedByteLength(type, cursor.path);
      this.#define(ids[index] as bigint, type);
    }
    return { kind: "primitive", name, inputs, state, outputs };
  }

  #define(id: bigint, type: TensorType): void {
    this.#values.set(id, this.#types.push(type) - 1);
  }

  #find(id: bigint): number {
    const value = this.#values.get(id);
    if (value !== undefined) return value;
    throw malformed(
      this.reader.cursor,
      `there is no array with the id ${id}`,
      "one that an earlier part makes",
    );
  }
}
