import { dtypeColumn } from "../contract/dtypes.js";
import { shorten } from "../show.js";
import { type Dtype, elementCount, formatType, itemBytes } from "../tensor/dtype.js";
import { checkArray, checkedByteLength, type FileArray, toBools } from "./array.js";
import { FileError } from "./error.js";
import { readRegular, writeRegular } from "./open.js";

const MAGIC = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59); // "\x93NUMPY"

const CODES = dtypeColumn("npy");
const DTYPES = new Map(Object.entries(CODES).map(([dtype, code]) => [code, dtype as Dtype]));

interface NpyHeader {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

/** Reads a .npy file. */
export async function readNpy(path: string): Promise<FileArray> {
  return decodeNpy(await readRegular(path), path);
}

/** Writes a .npy file. */
export async function writeNpy(path: string, array: FileArray): Promise<void> {
  await writeRegular(path, encodeNpy(array, path));
}

/**
 * Takes the bytes of a .npy file apart: versions 1 to 3, C and Fortran order.
 * `path` is only for messages. The result shares the memory of `file` where the order allows it.
 */
export function decodeNpy(file: Uint8Array, path: string): FileArray {
  const { text, dataOffset } = headerText(file, path);
  const header = parseHeader(text, path);
  const { dtype, bigEndian } = elementsOf(header.descr, path);
  const type = { dtype, shape: header.shape };
  const length = checkedByteLength(type, path);
  const data = file.subarray(dataOffset);
  if (data.length !== length) {
    throw new FileError(
      data.length < length ? "file_truncated" : "file_malformed",
      path,
      `it has ${data.length} bytes of elements`,
      `${length} for ${formatType(type)}`,
    );
  }
  const little = bigEndian ? toLittleEndian(data, dtype) : data;
  const rows = header.fortran ? toRowMajor(little, type.shape, itemBytes(dtype)) : little;
  return { type, bytes: dtype === "bool" ? toBools(rows) : rows };
}

/** Tells whether bytes begin as a .npy file does. */
export function isNpy(file: Uint8Array): boolean {
  return MAGIC.every((byte, index) => file[index] === byte);
}

/** Makes the bytes of a .npy file, version 1 where the header fits, else 2. `path` is only for messages. */
export function encodeNpy(array: FileArray, path = "array"): Uint8Array {
  checkArray(array, path);
  const code = CODES[array.type.dtype];
  const order = itemBytes(array.type.dtype) === 1 ? "|" : "<";
  const { shape } = array.type;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const text = `{'descr': '${order}${code}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const wide = text.length > 60_000;
  const before = MAGIC.length + 2 + (wide ? 4 : 2);
  // Elements start at a multiple of 64, as numpy does it, so that the file can be mapped.
  const dataOffset = Math.ceil((before + text.length + 1) / 64) * 64;
  const file = new Uint8Array(dataOffset + array.bytes.length);
  file.set(MAGIC);
  file[6] = wide ? 2 : 1;
  const view = new DataView(file.buffer);
  if (wide) view.setUint32(8, dataOffset - before, true);
  else view.setUint16(8, dataOffset - before, true);
  file.set(new TextEncoder().encode(`${text.padEnd(dataOffset - before - 1)}\n`), before);
  file.set(array.bytes, dataOffset);
  return file;
}

function headerText(file: Uint8Array, path: string): { text: string; dataOffset: number } {
  if (!isNpy(file)) {
    throw new FileError("file_malformed", path, "it is no .npy file", "the bytes \\x93NUMPY first");
  }
  const major = file[6];
  if (major !== undefined && (major < 1 || major > 3)) {
    throw new FileError("file_malformed", path, `version ${major} is unknown`, "version 1, 2 or 3");
  }
  const start = major === 1 ? 10 : 12;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length =
    file.length < start ? 0 : major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  if (file.length < start + length) {
    throw new FileError(
      "file_truncated",
      path,
      `it ends at byte ${file.length}, inside its header`,
      `${start + length} bytes of header or more`,
    );
  }
  const decoder = new TextDecoder(major === 3 ? "utf-8" : "latin1");
  return {
    text: decoder.decode(file.subarray(start, start + length)),
    dataOffset: start + length,
  };
}

/** The header is a Python dictionary with exactly three keys. */
function parseHeader(text: string, path: string): NpyHeader {
  const malformed = (problem: string) =>
    new FileError(
      "file_malformed",
      path,
      problem,
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    );
  const body = /^\s*\{(.*)\}\s*$/s.exec(text)?.[1];
  if (body === undefined) throw malformed("its header is no dictionary");
  const entries = new Map<string, string>();
  const entry = /\s*(?:'(\w+)'|"(\w+)")\s*:\s*('[^']*'|"[^"]*"|\w+|\([^()]*\)|\[.*\])\s*(?:,|$)/sy;
  while (/\S/.test(body.slice(entry.lastIndex))) {
    const at = entry.lastIndex;
    const match = entry.exec(body);
    if (match === null)
      throw malformed(`its header does not parse at "${body.slice(at, at + 40)}"`);
    const key = (match[1] ?? match[2]) as string;
    if (entries.has(key)) throw malformed(`its header has "${key}" twice`);
    entries.set(key, match[3] as string);
  }
  const keys = [...entries.keys()].sort().join(", ");
  if (keys !== "descr, fortran_order, shape") throw malformed(`its header has the keys ${keys}`);
  const order = entries.get("fortran_order");
  if (order !== "True" && order !== "False") throw malformed(`fortran_order is ${order}`);
  return {
    descr: entries.get("descr") as string,
    fortran: order === "True",
    shape: parseShape(entries.get("shape") as string, malformed),
  };
}

function parseShape(text: string, malformed: (problem: string) => FileError): number[] {
  // Python 2 wrote long integers as 3L.
  if (!/^\(\s*(?:\d+L?\s*(?:,\s*\d+L?\s*)*,?\s*)?\)$/.test(text)) {
    throw malformed(`the shape is ${shorten(text)}`);
  }
  return (text.match(/\d+/g) ?? []).map(Number);
}

function elementsOf(descr: string, path: string): { dtype: Dtype; bigEndian: boolean } {
  const refused = (problem: string) =>
    new FileError(
      "file_dtype_unsupported",
      path,
      problem,
      `one of ${Object.keys(CODES).join(", ")}`,
    );
  const match = /^['"]([<>|=]?)([a-zA-Z]\d*)['"]$/.exec(descr);
  if (match === null) throw refused(`elements of type ${shorten(descr)} are not numbers`);
  const dtype = DTYPES.get(match[2] as string);
  if (dtype === undefined) throw refused(`MLX has no elements of type ${descr}`);
  return { dtype, bigEndian: match[1] === ">" };
}

/** Copies big-endian elements with their bytes turned round; bfloat16, as numpy's void items, has no byte order. */
function toLittleEndian(data: Uint8Array, dtype: Dtype): Uint8Array {
  if (dtype === "bfloat16") return data;
  const copy = Buffer.from(data);
  // A complex element is two numbers.
  switch (dtype === "complex64" ? 4 : itemBytes(dtype)) {
    case 2:
      return copy.swap16();
    case 4:
      return copy.swap32();
    case 8:
      return copy.swap64();
    default:
      return data;
  }
}

/** Copies elements that lie column by column into row by row. */
function toRowMajor(data: Uint8Array, shape: readonly number[], item: number): Uint8Array {
  if (shape.length < 2 || elementCount(shape) === 0) return data;
  // Eight-byte elements go as pairs of words: a trip through a double could change a NaN's bits.
  const word = Math.min(item, 4);
  const words = item / word;
  const Words = word === 1 ? Uint8Array : word === 2 ? Uint16Array : Uint32Array;
  const aligned = data.byteOffset % word === 0 ? data : new Uint8Array(data);
  const source = new Words(
    aligned.buffer as ArrayBuffer,
    aligned.byteOffset,
    aligned.length / word,
  );
  const result = new Words(source.length);
  const strides: number[] = [];
  let stride = words;
  for (const size of shape) {
    strides.push(stride);
    stride *= size;
  }
  const index = new Array<number>(shape.length).fill(0);
  let from = 0;
  for (let to = 0; to < result.length; to += words) {
    for (let part = 0; part < words; part++) result[to + part] = source[from + part] as number;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis] as number;
      if (++(index[axis] as number) < (shape[axis] as number)) break;
      from -= (strides[axis] as number) * (shape[axis] as number);
      index[axis] = 0;
    }
  }
  return new Uint8Array(result.buffer);
}
