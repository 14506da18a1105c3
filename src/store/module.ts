import { createHash } from "node:crypto";
import { MsgpackReader } from "../msgpack/reader.js";
import { MsgpackWriter } from "../msgpack/writer.js";

/** The version of the format; a folder holds one version. */
export const STORE_VERSION = 1;

const MAGIC = Buffer.from("DAVITMOD");

/** The magic, the version, and the length of the index. */
export const HEADER_BYTES = 16;

/** The most bytes of an index. */
const MAX_INDEX = 2 ** 28;

/** A function to keep: opaque bytes, and what it needs. */
export interface StoreFunction {
  /** By which it is asked for; the same name means the same function. */
  readonly name: string;
  readonly data: Uint8Array;
  /** Names of functions that it needs, of this module or another one. */
  readonly functions?: readonly string[];
  /** Names of globals of this module that it needs. */
  readonly globals?: readonly string[];
}

/** A value that functions need. */
export interface StoreGlobal {
  readonly name: string;
  readonly data: Uint8Array;
  /** Whether it is a constant: kept once by its SHA-256, whichever modules have it. */
  readonly constant?: boolean;
}

/** Functions and globals that are added at once. */
export interface StoreModule {
  readonly functions: readonly StoreFunction[];
  readonly globals?: readonly StoreGlobal[];
}

/** Bytes of a module's data, or of a constant. */
export interface Range {
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

/** A function in the index of a module. */
export interface FunctionRow extends Range {
  readonly functions: readonly string[];
  readonly globals: readonly number[];
}

/** A global in the index of a module. */
export interface GlobalRow extends Range {
  readonly name: string;
  readonly constant: boolean;
}

/** A file of the store that is not as it was written. */
export class Damage extends Error {
  override readonly name = "Damage";
}

/** The SHA-256 of bytes, in hex. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Writes a module: header, index, data. Its id is the SHA-256 of the index, which has the checksums of all data.
 * @throws TypeError where a name is there twice, or a function needs a global that is not there
 */
export function encodeModule({ functions, globals = [] }: StoreModule): {
  readonly id: string;
  readonly bytes: Uint8Array;
} {
  const numbers = numbered(globals, "global");
  numbered(functions, "function");
  const parts: Uint8Array[] = [];
  let offset = 0;
  const place = (data: Uint8Array) => {
    const range = { offset, length: data.length, sha256: sha256(data) };
    parts.push(data);
    offset += data.length;
    return range;
  };
  const index = new MsgpackWriter();
  const row = new MsgpackWriter();
  const entry = (name: string, range: Range, rest: () => void) => {
    row.truncate(0);
    row.integer(range.offset);
    row.integer(range.length);
    row.binary(Buffer.from(range.sha256, "hex"));
    rest();
    index.text(name);
    index.binary(row.written);
  };
  index.array(2 * functions.length);
  for (const item of functions) {
    const needs = item.globals?.map((name) => {
      const number = numbers.get(name);
      if (number === undefined) throw new TypeError(`${item.name} needs the global ${name}`);
      return number;
    });
    entry(item.name, place(item.data), () => {
      row.array(item.functions?.length ?? 0);
      for (const name of item.functions ?? []) row.text(name);
      row.array(needs?.length ?? 0);
      for (const number of needs ?? []) row.integer(number);
    });
  }
  index.array(2 * globals.length);
  for (const { name, data, constant = false } of globals) {
    const range = constant ? { offset: 0, length: data.length, sha256: sha256(data) } : place(data);
    entry(name, range, () => row.bool(constant));
  }
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(STORE_VERSION, 8);
  header.writeUInt32BE(index.length, 12);
  return { id: sha256(index.written), bytes: Buffer.concat([header, index.written, ...parts]) };
}

/**
 * Reads a header; returns the length of the index. Undefined for another version, which is no damage.
 * @throws Damage
 */
export function readHeader(header: Buffer): number | undefined {
  if (header.length < HEADER_BYTES || !header.subarray(0, 8).equals(MAGIC)) {
    throw new Damage("the file is no module");
  }
  if (header.readUInt32BE(8) !== STORE_VERSION) return undefined;
  const length = header.readUInt32BE(12);
  if (length > MAX_INDEX) throw new Damage(`the index has ${length} bytes`);
  return length;
}

/** The index of a module. Rows are decoded when they are asked for. */
export class ModuleIndex {
  readonly #functions = new Map<string, Uint8Array>();
  readonly #globals: (readonly [name: string, row: Uint8Array])[] = [];

  /** @throws Damage where it is not the index of this id */
  constructor(id: string, bytes: Uint8Array) {
    if (sha256(bytes) !== id) throw new Damage("the index is damaged");
    const reader = new IndexReader(bytes, "the index");
    for (const [name, row] of reader.entries()) this.#functions.set(name, row);
    this.#globals = reader.entries();
    reader.end();
  }

  get functions(): string[] {
    return [...this.#functions.keys()];
  }

  get globals(): GlobalRow[] {
    return this.#globals.map((_, number) => this.global(number));
  }

  function(name: string): FunctionRow | undefined {
    const row = this.#functions.get(name);
    return row === undefined ? undefined : new IndexReader(row, "a function").function();
  }

  /** @throws Damage */
  global(number: number): GlobalRow {
    const entry = this.#globals[number];
    if (entry === undefined) throw new Damage(`there is no global ${number}`);
    return { name: entry[0], ...new IndexReader(entry[1], "a global").global() };
  }
}

class IndexReader extends MsgpackReader {
  override fail(message: string): never {
    throw new Damage(message);
  }

  entries(): [string, Uint8Array][] {
    const count = this.listCount("the index") / 2;
    return Array.from({ length: count }, () => [this.text(), this.bytes("a row")]);
  }

  function(): FunctionRow {
    const range = this.range();
    const functions = Array.from({ length: this.listCount("functions") }, () => this.text());
    const globals = Array.from({ length: this.listCount("globals") }, () => this.index("a global"));
    return { ...range, functions, globals };
  }

  global(): Omit<GlobalRow, "name"> {
    return { ...this.range(), constant: this.bool("a kind") };
  }

  range(): Range {
    const offset = this.index("an offset");
    const length = this.index("a length");
    return { offset, length, sha256: Buffer.from(this.bytes("a checksum")).toString("hex") };
  }

  text(): string {
    return this.decodeText("a name", this.textBytes("a name"));
  }
}

function numbered(items: readonly { readonly name: string }[], what: string): Map<string, number> {
  const numbers = new Map(items.map(({ name }, number) => [name, number]));
  if (numbers.size < items.length) throw new TypeError(`a ${what} of the module is there twice`);
  return numbers;
}
