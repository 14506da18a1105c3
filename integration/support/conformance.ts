import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { decode } from "@msgpack/msgpack";
import { elementCount, isInexact, type TensorType } from "../../src/tensor/dtype.js";
import { elementReader } from "../../src/tensor/values.js";

/** A tensor: its dtype, shape and bytes. */
type Recorded = [TensorType["dtype"], number[], Uint8Array];

/**
 * A recorded tensor with the tolerance: which part of a number a result may differ by. Numbers below 0.001 count as that. A
 * tolerance of 0 asks for the same bytes.
 */
type Expected = [...Recorded, number];

/** What `mix davit.record` writes of a function of Nx. */
interface RecordedCase {
  readonly name: string;
  readonly graph: Uint8Array;
  readonly constants: Readonly<Record<string, Recorded>>;
  readonly inputs: readonly Recorded[];
  readonly outputs: readonly Expected[];
  readonly events: readonly (readonly [name: string, values: readonly Expected[]])[];
}

const folder = fileURLToPath(new URL("../conformance", import.meta.url));

/** All cases, by the family of operations that they are of. */
export function recordedCases(): Map<string, RecordedCase[]> {
  const files = readdirSync(folder).filter((name) => name.endsWith(".msgpack.gz"));
  return new Map(
    files.map((file) => {
      const cases = decode(gunzipSync(readFileSync(`${folder}/${file}`))) as RecordedCase[];
      return [file.replace(".msgpack.gz", ""), cases];
    }),
  );
}

/** The type of a recorded tensor. */
export function typeOf([dtype, shape]: readonly [
  TensorType["dtype"],
  number[],
  ...unknown[],
]): TensorType {
  return { dtype, shape };
}

const LEAST = 1e-3;

/** How the bytes of a result differ from what is expected; undefined where they do not. */
export function difference(bytes: Uint8Array, expected: Expected): string | undefined {
  const [dtype, shape, expectedBytes, tolerance] = expected;
  const read = elementReader(aligned(bytes), dtype);
  const readExpected = elementReader(aligned(expectedBytes), dtype);
  for (let index = 0; index < elementCount(shape); index++) {
    const [value, wanted] = [[read(index)].flat(), [readExpected(index)].flat()];
    const close = value.every((part, place) =>
      near(part, wanted[place], isInexact(dtype) ? tolerance : 0),
    );
    if (!close) return `element ${index} of ${dtype}[${shape}] is ${value}; expected ${wanted}`;
  }
  return undefined;
}

function near(value: unknown, wanted: unknown, tolerance: number): boolean {
  if (Object.is(value, wanted) || value === wanted) return true;
  if (typeof value !== "number" || typeof wanted !== "number") return false;
  return Math.abs(value - wanted) <= tolerance * Math.max(Math.abs(wanted), LEAST);
}

/** Views of typed arrays begin at a multiple of their element's size. */
const aligned = (bytes: Uint8Array) => Uint8Array.from(bytes);
