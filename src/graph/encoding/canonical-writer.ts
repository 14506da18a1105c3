import { MsgpackWriter } from "../../msgpack/writer.js";
import type { TensorType } from "../../tensor/dtype.js";
import type { Attribute } from "../graph.js";
import type { AttributeKind } from "../ops/spec.js";

const FLOAT = new DataView(new ArrayBuffer(8));

/** Writes the canonical msgpack of a graph: floats are 8 raw bytes in a bin. */
export class CanonicalWriter extends MsgpackWriter {
  /** What was written, in memory of its own. */
  finish(): Uint8Array {
    return this.written.slice();
  }

  /** Eight big-endian bytes of IEEE 754; every NaN is the same one. */
  override float(value: number): void {
    if (Number.isNaN(value)) FLOAT.setBigUint64(0, 0x7ff8000000000000n);
    else FLOAT.setFloat64(0, value);
    this.binary(new Uint8Array(FLOAT.buffer));
  }

  type(value: TensorType): void {
    this.array(2);
    this.text(value.dtype);
    this.list(value.shape, (size) => this.integer(size));
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.array(values.length);
    values.forEach(write);
  }

  /** Writes an attribute that was checked against its kind. */
  attribute(kind: AttributeKind, value: Attribute): void {
    switch (kind) {
      case "bool":
        this.bool(value as boolean);
        break;
      case "int":
      case "function":
        this.integer(value as number | bigint);
        break;
      case "ints":
      case "functions":
        this.list(value as readonly number[], (item) => this.integer(item));
        break;
      case "float":
        this.float(value as number);
        break;
      case "floats":
        this.list(value as readonly number[], (item) => this.float(item));
        break;
      case "string":
      case "dtype":
        this.text(value as string);
        break;
      case "strings":
        this.list(value as readonly string[], (item) => this.text(item));
        break;
      case "bytes":
        this.binary(value as Uint8Array);
        break;
      case "types":
        this.list(value as readonly TensorType[], (item) => this.type(item));
        break;
    }
  }
}
