import type { FileArray } from "../../src/files/index.js";
import type { Step, Trace } from "../../src/mlxfn/file.js";
import { LAYOUTS, MLX_DTYPES, type StateKind, type StateValue } from "../../src/mlxfn/state.js";
import { type Dtype, itemBytes, type TensorType } from "../../src/tensor/dtype.js";

/** What a .mlxfn file is made of. */
export interface MlxFunctionParts {
  readonly version?: string;
  readonly shapeless?: boolean;
  readonly metadata?: string;
  readonly traces: readonly Trace[];
  readonly constants: readonly FileArray[];
}

type Primitive = Extract<Step, { kind: "primitive" }>;

/** A step that computes values, float32[2, 2] where nothing else is said. */
export function primitive(
  name: string,
  inputs: readonly number[],
  outputs: readonly TensorType[] = [{ dtype: "float32", shape: [2, 2] }],
  state: Primitive["state"] = {},
): Primitive {
  return { kind: "primitive", name, inputs, state, outputs };
}

/** A .mlxfn file as MLX 0.32.4 writes it. */
export function mlxFunctionFile(parts: MlxFunctionParts): Uint8Array {
  return new Writer(parts).file();
}

/** The ids of constants, which are the same in all traces, begin here. */
const CONSTANT_IDS = 1_000_000;

class Writer {
  readonly #pieces: Uint8Array[] = [];
  readonly #written = new Set<number>();

  constructor(private readonly parts: MlxFunctionParts) {}

  file(): Uint8Array {
    const { version = "0.32.4", shapeless = false, metadata = "", traces } = this.parts;
    this.#text(version);
    this.#int(traces.length);
    this.#bool(shapeless);
    this.#text(metadata);
    for (const trace of traces) this.#trace(trace);
    return new Uint8Array(Buffer.concat(this.#pieces));
  }

  #trace({ inputs, keywords, steps, results }: Trace): void {
    const ids = inputs.map((_, index) => index);
    for (const step of steps) {
      if (step.kind === "constant") ids.push(CONSTANT_IDS + step.constant);
      else for (const _ of step.outputs) ids.push(ids.length);
    }
    this.#list(keywords, (keyword) => this.#text(keyword));
    this.#ids(ids.slice(0, inputs.length));
    this.#list(inputs, (type) => this.#type(type));
    this.#ids(results.map((result) => ids[result] as number));
    this.#size(inputs.length + steps.length);
    for (const index of inputs.keys()) {
      this.#size(index);
      this.#bool(false);
      this.#bool(false);
    }
    let next = inputs.length;
    for (const step of steps) {
      this.#size(ids[next] as number);
      this.#bool(step.kind === "primitive");
      if (step.kind === "constant") {
        this.#constant(step.constant);
        next++;
        continue;
      }
      this.#ids(step.inputs.map((input) => ids[input] as number));
      for (let part = 0; part < 3; part++) this.#int(0);
      this.#text(step.name);
      for (const [name, kind] of Object.entries(LAYOUTS.get(step.name) ?? {})) {
        this.#state(kind, step.state[name] as StateValue);
      }
      this.#outputs(step.outputs, ids.slice(next, next + step.outputs.length));
      next += step.outputs.length;
    }
  }

  #constant(index: number): void {
    this.#bool(true);
    if (this.#written.has(index)) return;
    this.#written.add(index);
    const { type, bytes } = this.parts.constants[index] as FileArray;
    this.#type(type);
    this.#pieces.push(bytes);
  }

  #outputs(types: readonly TensorType[], ids: readonly number[]): void {
    if (types.length === 1) {
      this.#size(0);
      this.#type(types[0] as TensorType);
      return;
    }
    this.#size(types.length - 1);
    this.#ids(ids);
    this.#list(types, ({ shape }) => this.#list(shape, (size) => this.#int(size)));
    this.#list(types, ({ dtype }) => this.#dtype(dtype));
  }

  #state(kind: StateKind, value: StateValue): void {
    const list = value as readonly number[];
    const write: Readonly<Record<StateKind, () => void>> = {
      bool: () => this.#bool(value as boolean),
      int: () => this.#int(value as number),
      size: () => this.#size(value as number),
      float: () => this.#put(4, (bytes) => bytes.writeFloatLE(value as number)),
      double: () => this.#put(8, (bytes) => bytes.writeDoubleLE(value as number)),
      dtype: () => this.#dtype(value as Dtype),
      text: () => this.#text(value as string),
      ints: () => this.#list(list, (item) => this.#int(item)),
      sizes: () => this.#ids(list),
      strides: () =>
        this.#list(list, (item) => this.#put(8, (b) => b.writeBigInt64LE(BigInt(item)))),
    };
    write[kind]();
  }

  #type({ dtype, shape }: TensorType): void {
    this.#list(shape, (size) => this.#int(size));
    this.#dtype(dtype);
  }

  #dtype(dtype: Dtype): void {
    this.#int(MLX_DTYPES.indexOf(dtype));
    this.#put(1, (bytes) => bytes.writeUInt8(itemBytes(dtype)));
  }

  #ids(ids: readonly number[]): void {
    this.#list(ids, (id) => this.#size(id));
  }

  #list<T>(items: readonly T[], write: (item: T) => void): void {
    this.#size(items.length);
    for (const item of items) write(item);
  }

  #text(text: string): void {
    const bytes = Buffer.from(text);
    this.#size(bytes.length);
    this.#pieces.push(bytes);
  }

  #size(value: number): void {
    this.#put(8, (bytes) => bytes.writeBigUInt64LE(BigInt(value)));
  }

  #int(value: number): void {
    this.#put(4, (bytes) => bytes.writeInt32LE(value));
  }

  #bool(value: boolean): void {
    this.#put(1, (bytes) => bytes.writeUInt8(Number(value)));
  }

  #put(length: number, write: (bytes: Buffer) => void): void {
    const bytes = Buffer.alloc(length);
    write(bytes);
    this.#pieces.push(bytes);
  }
}
