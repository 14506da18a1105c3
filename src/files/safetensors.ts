import { dtypeColumn } from "../contract/dtypes.js";
import { listNames, show } from "../show.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import { itemBytes } from "../tensor/dtype.js";
import { checkArray, checkedByteLength, type FileArray, type FileRange, toBools } from "./array.js";
import { FileError } from "./error.js";
import { Members } from "./members.js";
import { readAt, withRegular } from "./open.js";

/** The header of a .safetensors file; the tensors stay in the file. */
export interface Safetensors {
  /** The path of the file. */
  readonly path: string;
  /** The place of each tensor, in file order. A tensor of a type that MLX does not have throws when it is asked for. */
  readonly tensors: Members<FileRange>;
  /** The texts that the file holds beside its tensors. */
  readonly metadata: ReadonlyMap<string, string>;
}

const CODES = dtypeColumn("safetensors");
const DTYPES = new Map(Object.entries(CODES).map(([dtype, code]) => [code, dtype as Dtype]));

/** One-byte floating types, which MLX has no tensors of: its ops take their bits as uint8. */
const FLOAT8: ReadonlySet<unknown> = new Set([
  "F8_E4M3",
  "F8_E5M2",
  "F8_E8M0",
  "F8_E4M3FNUZ",
  "F8_E5M2FNUZ",
]);

/** Options of opening .safetensors files. */
export interface SafetensorsOptions {
  /**
   * `"bits"`: tensors of 8-bit floating types are uint8 tensors of their bits, as MLX's `from_fp8` (E4M3) and
   * `dequantize` (E8M0 scales) take them. Without it they cannot be used: as integers they would be wrong numbers.
   */
  readonly float8?: "bits";
}

/** The format's own limit. */
const MAX_HEADER = 100_000_000;
const METADATA = "__metadata__";
const EXPECTED_ENTRY = '{"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}';

/** Reads the header of a .safetensors file, and checks it against the file's length. Reads no tensor. */
export async function openSafetensors(
  path: string,
  options: SafetensorsOptions = {},
): Promise<Safetensors> {
  return await withRegular(path, "read", async (file) => {
    const { size } = await file.stat();
    const length = headerLength(await readAt(file, 0, Math.min(8, size), path), size, path);
    return parseSafetensors(await readAt(file, 8, length, path), size, path, options);
  });
}

/** Reads one tensor of an opened file. */
export async function readSafetensor(opened: Safetensors, name: string): Promise<FileArray> {
  const range = opened.tensors.get(name);
  if (range === undefined) {
    throw new FileError(
      "file_missing",
      opened.path,
      `it has no tensor "${name}"`,
      `one of ${listNames([...opened.tensors.keys()], name)}`,
    );
  }
  const { type, offset } = range;
  const length = checkedByteLength(type, opened.path);
  const bytes = await withRegular(opened.path, "read", (file) =>
    readAt(file, offset, length, opened.path),
  );
  return { type, bytes: type.dtype === "bool" ? toBools(bytes) : bytes };
}

/** Writes a .safetensors file, widest elements first, so that every tensor is aligned. */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, FileArray>,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const sorted = [...tensors].sort(
    ([a, { type: x }], [b, { type: y }]) =>
      itemBytes(y.dtype) - itemBytes(x.dtype) || (a < b ? -1 : 1),
  );
  const entries: [string, unknown][] = [];
  if (metadata.size > 0) entries.push([METADATA, Object.fromEntries(metadata)]);
  let offset = 0;
  for (const [name, array] of sorted) {
    checkArray(array, `${path}:${name}`);
    if (name === METADATA) {
      throw new FileError("file_malformed", path, `a tensor is named ${METADATA}`, "another name");
    }
    const end = offset + array.bytes.length;
    const { dtype, shape } = array.type;
    entries.push([name, { dtype: CODES[dtype], shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, " ");
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.set(json, 8);
  await withRegular(path, "write", async (file) => {
    await file.writeFile(header);
    for (const [, array] of sorted) await file.writeFile(array.bytes);
  });
}

/** The length that the first 8 bytes hold, checked. */
export function headerLength(start: Uint8Array, fileSize: number, path: string): number {
  if (start.length < 8) {
    throw new FileError("file_truncated", path, `it has ${start.length} bytes`, "8 bytes or more");
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    throw new FileError(
      "file_malformed",
      path,
      `its header would have ${length} bytes`,
      `at most ${MAX_HEADER}; is it a .safetensors file?`,
    );
  }
  if (8n + length > BigInt(fileSize)) {
    throw new FileError(
      "file_truncated",
      path,
      `it ends at byte ${fileSize}, inside its header`,
      `${8n + length} bytes of header`,
    );
  }
  return Number(length);
}

/** Parses and checks a header: types, shapes and lengths agree, and ranges tile the file without gap or overlap. */
export function parseSafetensors(
  header: Uint8Array,
  fileSize: number,
  path: string,
  options: SafetensorsOptions = {},
): Safetensors {
  const dataStart = 8 + header.length;
  const tensors: (Entry & { name: string })[] = [];
  const metadata = new Map<string, string>();
  for (const [name, value] of Object.entries(parseJson(header, path))) {
    if (name === METADATA) {
      for (const [key, text] of Object.entries(record(value ?? {}, `${path}:${name}`))) {
        metadata.set(key, String(text));
      }
    } else {
      tensors.push({ name, ...parseEntry(value, `${path}:${name}`, options) });
    }
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of tensors) {
    if (begin !== at) {
      throw new FileError(
        "file_malformed",
        `${path}:${name}`,
        begin < at ? `it starts at ${begin}, inside another tensor` : `a gap comes before ${begin}`,
        `that it starts at ${at}, where the one before it ends`,
      );
    }
    at = end;
  }
  if (dataStart + at !== fileSize) {
    throw new FileError(
      dataStart + at > fileSize ? "file_truncated" : "file_malformed",
      path,
      `it has ${fileSize} bytes`,
      `${dataStart + at}, where its last tensor ends`,
    );
  }
  return {
    path,
    metadata,
    tensors: new Members(
      new Map(
        tensors.map(({ name, type, begin }) => [
          name,
          () => ({ type: type(), offset: dataStart + begin }),
        ]),
      ),
    ),
  };
}

function parseJson(header: Uint8Array, path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(header));
  } catch (cause) {
    throw new FileError("file_malformed", path, "its header does not parse", "a JSON object", {
      cause,
    });
  }
  return record(value, path);
}

/** The entry of one tensor in a header. */
interface Entry {
  /** @throws FileError where MLX has no such tensor */
  readonly type: () => TensorType;
  readonly begin: number;
  readonly end: number;
}

function parseEntry(value: unknown, path: string, options: SafetensorsOptions): Entry {
  const { dtype: code, shape, data_offsets: offsets } = record(value, path);
  const range = isSizes(offsets) && offsets.length === 2 ? (offsets as [number, number]) : [];
  const [begin, end] = range;
  if (!isSizes(shape) || begin === undefined || end === undefined || begin > end) {
    throw new FileError("file_malformed", path, `its entry is ${show(value)}`, EXPECTED_ENTRY);
  }
  const float8 = FLOAT8.has(code);
  const dtype = float8 ? "uint8" : DTYPES.get(String(code));
  if (dtype === undefined || (float8 && options.float8 !== "bits")) {
    const way = float8
      ? '; in Node, openSafetensors(path, { float8: "bits" }) reads the bits as uint8'
      : "";
    const type = () => {
      const problem = `MLX has no elements of type ${JSON.stringify(code)}`;
      throw new FileError(
        "file_dtype_unsupported",
        path,
        problem,
        `${[...DTYPES.keys()].join(", ")}${way}`,
      );
    };
    return { type, begin, end };
  }
  let length: number;
  try {
    length = checkedByteLength({ dtype, shape }, path);
  } catch (error) {
    const type = () => {
      throw error;
    };
    return { type, begin, end };
  }
  if (end - begin !== length) {
    throw new FileError(
      "file_malformed",
      path,
      `its range [${begin}, ${end}] has ${end - begin} bytes`,
      `${length} for ${code}[${shape.join(", ")}]`,
    );
  }
  return { type: () => ({ dtype, shape }), begin, end };
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FileError("file_malformed", path, `found ${show(value)}`, "a JSON object");
  }
  return value as Record<string, unknown>;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
