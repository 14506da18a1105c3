import { MsgpackReader } from "../../msgpack/reader.js";
import type { Steps } from "../../steps.js";
import { isDtype, type TensorType } from "../../tensor/dtype.js";
import { GraphError } from "../error.js";
import type { Attribute } from "../graph.js";
import type { GraphLimits } from "../limits.js";
import type { AttributeKind } from "../ops/spec.js";

const CANONICAL_NAN = 0x7ff8000000000000n;

/** An item of more bytes is read each time that it comes. */
const LONGEST_KNOWN = 256;

const SURROGATE = /[\ud800-\udfff]/;

/** Orders texts by the bytes of their UTF-8. */
export function compareText(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : Number(a > b);
}

/** Reads the canonical msgpack of a graph from an untrusted sender, within limits. */
export class CanonicalReader extends MsgpackReader {
  readonly #limits: GraphLimits;
  /** Items of all lists so far: each takes some bytes only here, and far more as a value. */
  #items = 0;
  readonly #known = new Map<string, { readonly value: unknown; readonly items: number }>();

  constructor(bytes: Uint8Array, limits: GraphLimits) {
    super(bytes, "the graph");
    this.#limits = limits;
  }

  override fail(message: string): never {
    throw new GraphError("graph_invalid", `${message} at byte ${this.offset}`);
  }

  /** Reads a map whose keys are in order; `field` reads the value of a key, or returns false for an unknown one. */
  map(what: string, field: (key: string) => unknown): void {
    const count = this.mapCount(what);
    let key: string | undefined;
    for (let i = 0; i < count; i++) {
      key = this.#key(what, key);
      if (field(key) === false) this.#unknown(what, key);
    }
  }

  /** As {@link map}, with values that are read in steps. */
  *mapSteps(what: string, field: (key: string) => Steps<unknown>): Steps<void> {
    const count = this.mapCount(what);
    let key: string | undefined;
    for (let i = 0; i < count; i++) {
      key = this.#key(what, key);
      if ((yield* field(key)) === false) this.#unknown(what, key);
    }
  }

  #unknown(what: string, key: string): never {
    this.fail(`${what} has an unknown key "${key}"`);
  }

  /** The next key, which has to come after the one before it. */
  #key(what: string, previous: string | undefined): string {
    const key = this.text(`a key of ${what}`);
    if (previous !== undefined && compareText(previous, key) >= 0) {
      this.fail(`the keys of ${what} are not in order at "${key}"`);
    }
    return key;
  }

  /**
   * What `read` makes of an item that was passed over; once for a name and the item's bytes: the nodes of a graph repeat their
   * attributes, layer by layer.
   */
  once<T>(name: string, start: number, end: number, read: () => T): T {
    if (end - start > LONGEST_KNOWN) return this.at(start, read);
    const key = name + this.latin1(start, end);
    const known = this.#known.get(key);
    if (known !== undefined) {
      this.#countItems(known.items, name);
      return known.value as T;
    }
    const before = this.#items;
    const value = this.at(start, read);
    this.#known.set(key, { value, items: this.#items - before });
    return value;
  }

  list<T>(what: string, item: () => T, limit = this.#limits.list): T[] {
    const count = this.#listCount(what, limit);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(item());
    return items;
  }

  /** As {@link list}, with items that are read in steps. */
  *listSteps<T>(what: string, item: () => Steps<T>, limit: number): Steps<T[]> {
    const count = this.#listCount(what, limit);
    const items: T[] = [];
    for (let i = 0; i < count; i++) items.push(yield* item());
    return items;
  }

  #listCount(what: string, limit: number): number {
    const count = this.listCount(what);
    if (count > limit) {
      throw new GraphError("limit_exceeded", `${what} has ${count} items`, {
        expected: `at most ${limit}`,
      });
    }
    this.#countItems(count, what);
    return count;
  }

  #countItems(count: number, what: string): void {
    this.#items += count;
    if (this.#items > this.#limits.items) {
      throw new GraphError("limit_exceeded", `${what} has ${count} items`, {
        expected: `at most ${this.#limits.items} in all lists of the graph`,
      });
    }
  }

  text(what: string): string {
    const length = this.textLength(what);
    if (length > this.#limits.textBytes) {
      throw new GraphError("limit_exceeded", `${what} has ${length} bytes`, {
        expected: `at most ${this.#limits.textBytes}`,
      });
    }
    return this.decodeText(what, length);
  }

  /** The eight bytes of a float. */
  float(what: string): number {
    const bytes = this.bytes(what);
    if (bytes.length !== 8) this.fail(`${what} is not the 8 bytes of a float`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    const value = view.getFloat64(0);
    if (Number.isNaN(value) && view.getBigUint64(0) !== CANONICAL_NAN) {
      this.fail(`${what} is not the canonical NaN`);
    }
    return value;
  }

  type(what: string): TensorType {
    if (this.listCount(what) !== 2) this.fail(`${what} is not a pair of dtype and sizes`);
    const dtype = this.text(what);
    if (!isDtype(dtype)) return this.fail(`${what} has an unknown dtype "${dtype}"`);
    const shape = this.list(`the shape of ${what}`, () => this.index(`a size of ${what}`));
    if (shape.some((size) => size < 0)) this.fail(`${what} has a negative size`);
    return { dtype, shape };
  }

  attribute(what: string, kind: AttributeKind): Attribute {
    switch (kind) {
      case "bool":
        return this.bool(what);
      case "int":
        return this.integer(what);
      case "function":
        return this.index(what);
      case "ints":
        return this.list(what, () => this.integer(what));
      case "functions":
        return this.list(what, () => this.index(what));
      case "float":
        return this.float(what);
      case "floats":
        return this.list(what, () => this.float(what));
      case "string":
      case "dtype":
        return this.text(what);
      case "strings":
        return this.list(what, () => this.text(what));
      case "bytes":
        return this.bytes(what);
      case "types":
        return this.list(what, () => this.type(what));
    }
  }
}
