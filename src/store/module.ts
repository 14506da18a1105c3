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

/** The most rows of a block of globals; a block of functions has about as many. */
const BLOCK = 16;

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
 * Writes a module: header, index, rows, data. Its id is the SHA-256 of the index, which has the checksums of all blocks of rows; a row has the
 * checksum of its data.
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
  const blocksOfFunctions = emptyBlocks(functions.length);
  for (const { name, data, functions: others = [], globals: needs = [] } of functions) {
    const row = rowOf(place(data));
    row.array(others.length);
    for (const other of others) row.text(other);
    row.array(needs.length);
    for (const need of needs) {
      const number = numbers.get(need);
      if (number === undefined) throw new TypeError(`${name} needs the global ${need}`);
      row.integer(number);
    }
    blocksOfFunctions[blockOf(name, blocksOfFunctions.length)]?.push([name, row.written]);
  }
  const blocksOfGlobals = emptyBlocks(globals.length);
  for (const [number, { name, data, constant = false }] of globals.entries()) {
    const range = constant ? { offset: 0, length: data.length, sha256: sha256(data) } : place(data);
    const row = rowOf(range);
    row.bool(constant);
    blocksOfGlobals[Math.floor(number / BLOCK)]?.push([name, row.written]);
  }
  const index = new MsgpackWriter();
  const rows: Uint8Array[] = [];
  for (const blocks of [blocksOfFunctions, blocksOfGlobals]) {
    index.array(2 * blocks.length);
    for (const block of blocks) {
      const bytes = encodeBlock(block);
      index.integer(bytes.length);
      index.binary(Buffer.from(sha256(bytes), "hex"));
      rows.push(bytes);
    }
  }
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(STORE_VERSION, 8);
  header.writeUInt32BE(index.length, 12);
  const bytes = Buffer.concat([header, index.written, ...rows, ...parts]);
  return { id: sha256(index.written), bytes };
}

/** A name and its row, as opaque bytes. */
type Entry = readonly [name: string, row: Uint8Array];

function emptyBlocks(rows: number): Entry[][] {
  return Array.from({ length: Math.ceil(rows / BLOCK) }, () => []);
}

/** Which of so many blocks has the row of a function. */
function blockOf(name: string, blocks: number): number {
  return Number.parseInt(sha256(name).slice(0, 8), 16) % blocks;
}

function rowOf({ offset, length, sha256: checksum }: Range): MsgpackWriter {
  const row = new MsgpackWriter();
  row.integer(offset);
  row.integer(length);
  row.binary(Buffer.from(checksum, "hex"));
  return row;
}

function encodeBlock(entries: readonly Entry[]): Uint8Array {
  const block = new MsgpackWriter();
  block.array(2 * entries.length);
  for (const [name, row] of entries) {
    block.text(name);
    block.binary(row);
  }
  return block.written;
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

/** The index of a module. A block of rows is read once, when one of them is asked for, and a row decoded each time. */
export class ModuleIndex {
  /** Bytes of all rows: what follows them is the data. */
  readonly rowBytes: number;
  readonly #functions: readonly Range[];
  readonly #globals: readonly Range[];
  readonly #read: (block: Range) => Uint8Array;
  readonly #known = new Map<Range, readonly Entry[]>();

  /**
   * `read` reads a block of rows, whose offset is that from the end of the index.
   * @throws Damage where it is not the index of this id
   */
  constructor(id: string, bytes: Uint8Array, read: (block: Range) => Uint8Array) {
    if (sha256(bytes) !== id) throw new Damage("the index is damaged");
    const reader = new IndexReader(bytes, "the index");
    this.#functions = reader.blocks(0);
    this.#globals = reader.blocks(endOf(this.#functions));
    reader.end();
    this.rowBytes = endOf([...this.#functions, ...this.#globals]);
    this.#read = read;
  }

  /** The names of all functions. @throws Damage */
  get functions(): string[] {
    return this.#functions.flatMap((block) => this.#entries(block).map(([name]) => name));
  }

  /** @throws Damage */
  get globals(): GlobalRow[] {
    return this.#globals.flatMap((block) => this.#entries(block).map(globalOf));
  }

  /** The row of a function; undefined where the module does not have it. @throws Damage */
  function(name: string): FunctionRow | undefined {
    const block = this.#functions[blockOf(name, this.#functions.length)];
    if (block === undefined) return undefined;
    const entry = this.#entries(block).find(([other]) => other === name);
    return entry && new IndexReader(entry[1], "a function").function();
  }

  /** @throws Damage */
  global(number: number): GlobalRow {
    const block = this.#globals[Math.floor(number / BLOCK)];
    const entry = block && this.#entries(block)[number % BLOCK];
    if (entry === undefined) throw new Damage(`there is no global ${number}`);
    return globalOf(entry);
  }

  #entries(block: Range): readonly Entry[] {
    let entries = this.#known.get(block);
    if (entries === undefined) {
      const reader = new IndexReader(this.#read(block), "rows");
      entries = reader.entries();
      reader.end();
      this.#known.set(block, entries);
    }
    return entries;
  }
}

function globalOf([name, row]: Entry): GlobalRow {
  return { name, ...new IndexReader(row, "a global").global() };
}

/** Where the last block ends. */
function endOf(blocks: readonly Range[]): number {
  const last = blocks.at(-1);
  return last === undefined ? 0 : last.offset + last.length;
}

class IndexReader extends MsgpackReader {
  override fail(message: string): never {
    throw new Damage(message);
  }

  /** Blocks that follow each other, the first at this offset. */
  blocks(first: number): Range[] {
    let offset = first;
    return Array.from({ length: this.listCount("blocks") / 2 }, () => {
      const block = { offset, length: this.index("a length"), sha256: this.checksum() };
      offset += block.length;
      return block;
    });
  }

  entries(): Entry[] {
    const count = this.listCount("rows") / 2;
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
    return { offset, length, sha256: this.checksum() };
  }

  checksum(): string {
    return Buffer.from(this.bytes("a checksum")).toString("hex");
  }

  text(): string {
    return this.decodeText("a name", this.textLength("a name"));
  }
}

function numbered(items: readonly { readonly name: string }[], what: string): Map<string, number> {
  const numbers = new Map(items.map(({ name }, number) => [name, number]));
  if (numbers.size < items.length) throw new TypeError(`a ${what} of the module is there twice`);
  return numbers;
}
