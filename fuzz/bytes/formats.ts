import { KINDS } from "../../src/files/gguf/kinds.js";
import { encodeNpy, encodeNpz, type FileArray } from "../../src/files/index.js";
import { encodeRecord, SIGNATURE } from "../../src/record/format.js";
import type { Dtype } from "../../src/tensor/dtype.js";
import { DTYPES } from "../../src/tensor/dtype.js";
import {
  type GgufEntry,
  ggufFile,
  list,
  type MetadataKind,
  value,
} from "../../test/support/gguf-file.js";
import { filled } from "../graphs/fill.js";
import { Types } from "../graphs/types.js";
import type { Random } from "../random.js";
import { mlxfn } from "./mlxfn.js";
import { join, mutateBytes } from "./mutate-bytes.js";
import { mutateValue } from "./mutate-value.js";

/** Files that are read, by their suffix. */
export const FORMATS = ["npy", "npz", "safetensors", "gguf", "mlxfn", "rec", "davit"] as const;

/** The kind of a file. */
export type Format = (typeof FORMATS)[number];

/** Draws a file of tensors that is broken, or almost: in its bytes, or in what they say. */
export function drawTensorFile(random: Random, format: Exclude<Format, "davit">): Uint8Array {
  const inside = random.chance(0.5);
  const file = inside ? DRAW[format](random, true) : DRAW[format](random, false);
  return inside && random.chance(0.8) ? file : mutateBytes(random, file);
}

const DRAW = {
  npy: npyFile,
  npz: npzFile,
  safetensors: safetensorsFile,
  gguf,
  mlxfn,
  rec: recording,
};

function array(random: Random, dtypes: readonly Dtype[]): FileArray {
  const types = new Types(random);
  const shape = types.shape(random.below(4)).map((size) => Math.min(size, 5));
  const type = { dtype: random.pick(dtypes), shape };
  return { type, bytes: filled(type, { style: "rare", seed: random.seed() }) };
}

const NPY_DTYPES = DTYPES.filter((dtype) => dtype !== "bfloat16");

/** `broken`: the header says something else, in as many bytes or not. */
function npyFile(random: Random, broken: boolean): Uint8Array {
  const file = encodeNpy(array(random, NPY_DTYPES));
  if (!broken) return file;
  const text = Buffer.from(file).toString("latin1", 10, file.length);
  const end = text.indexOf("\n") + 1;
  const header = mutateText(random, text.slice(0, end));
  const start = Buffer.from(file.subarray(0, 10));
  if (random.chance(0.8)) start.writeUInt16LE(header.length & 0xffff, 8);
  return join(start, Buffer.from(header, "latin1"), file.subarray(10 + end));
}

const WORDS = [
  "'descr'",
  "'shape'",
  "'fortran_order'",
  "True",
  "False",
  "None",
  "'<f4'",
  "'>i8'",
  "'|b1'",
  "'<U3'",
  "'|O'",
  "()",
  "(3,)",
  "(",
  ")",
  ",",
  ":",
  "{",
  "}",
  "0",
  "-1",
  "99999999999999999999",
  "2147483648",
  " ",
  "L",
  "'",
  "\\",
  "[('a', '<f4')]",
];

function mutateText(random: Random, text: string): string {
  const tokens = text.match(/'[^']*'|\w+|\s+|./g) ?? [];
  const at = random.below(tokens.length + 1);
  const word = random.pick(WORDS);
  return [...tokens.slice(0, at), word, ...tokens.slice(at + random.below(2))].join("");
}

function npzFile(random: Random, broken: boolean): Uint8Array {
  const names = ["a", "b", "layer.weight", "__proto__"].slice(0, random.below(4));
  const arrays = new Map(names.map((name) => [name, array(random, NPY_DTYPES)]));
  const file = encodeNpz(arrays, "a.npz", random.chance(0.5));
  return broken ? brokenDirectory(random, file) : file;
}

const CENTRAL = Buffer.from([0x50, 0x4b, 1, 2]);
const END = Buffer.from([0x50, 0x4b, 5, 6]);

/** A zip archive with a wrong number in its directory, where all its lengths and places stand. */
function brokenDirectory(random: Random, file: Uint8Array): Uint8Array {
  const buffer = Buffer.from(file);
  const begin = buffer.indexOf(random.chance(0.6) ? CENTRAL : END);
  if (begin === -1) return file;
  return join(file.subarray(0, begin), mutateBytes(random, file.subarray(begin)));
}

const CODES = ["BOOL", "U8", "I8", "U16", "F16", "BF16", "U32", "I32", "F32", "U64", "F64", "C64"];
const WIDTHS = [1, 1, 1, 2, 2, 2, 4, 4, 4, 8, 8, 8];

function safetensorsFile(random: Random, broken: boolean): Uint8Array {
  let at = 0;
  const entries = random.times(random.below(4), (index) => {
    const kind = random.below(CODES.length);
    const shape = random.times(random.below(3), () => random.below(4));
    const from = at;
    at += shape.reduce((product, size) => product * size, WIDTHS[kind] as number);
    return [`t${index}`, { dtype: CODES[kind], shape, data_offsets: [from, at] }] as const;
  });
  const header: unknown = { __metadata__: { format: "pt" }, ...Object.fromEntries(entries) };
  const told = broken ? mutateValue(random, header) : header;
  const text = Buffer.from(JSON.stringify(told) ?? "");
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const data = Uint8Array.from(random.times(at, () => random.below(256)));
  return join(length, text, data);
}

const METADATA_KINDS: readonly MetadataKind[] = ["uint8", "int32", "float32", "bool", "string"];

/** `broken`: tensors of kinds, sizes and places that do not fit. */
function gguf(random: Random, broken: boolean): Uint8Array {
  const metadata = random.times(random.below(3), (index): [string, ReturnType<typeof value>] => {
    const kind = random.pick(METADATA_KINDS);
    const values = random.times(random.below(3), () => value(kind, random.below(256)));
    return [`key${index}`, random.chance(0.5) ? list(values) : value(kind, random.below(256))];
  });
  const kinds = [...KINDS];
  const tensors = random.times(random.below(4), (index): [string, GgufEntry] => {
    const [number, { elements, bytes }] = random.pick(kinds);
    const blocks = random.below(3);
    const rows = random.below(3);
    const data = random.times(rows * blocks * bytes, () => random.below(256));
    const good = {
      shape: [rows, blocks * elements],
      kind: number,
      bytes: Uint8Array.from(data),
    };
    const bad = {
      shape: random.times(random.below(6), () => random.pick([0, 1, 32, 256, 2 ** 31, 2 ** 53])),
      kind: random.below(40),
      offset: random.pick([0, 1, 32, 2 ** 40]),
    };
    const name = random.pick([`t${index}.weight`, `t${index}`, "t.scales", "t.weight"]);
    return [name, broken && random.chance(0.5) ? { ...good, ...bad } : good];
  });
  return ggufFile({ version: broken ? random.below(5) : 3, metadata, tensors });
}

function recording(random: Random, broken: boolean): Uint8Array {
  const { type, bytes } = array(random, DTYPES);
  const place = {
    site: 0,
    function: "main",
    node: 0,
    kind: random.pick(["node", "callback", "print"] as const),
    label: "here",
    types: [type],
    ordinal: 0,
  };
  const events = random.below(4);
  const headers: [unknown, Uint8Array[]][] = [
    [["recording", 1], []],
    [["place", 0, place], []],
    ...random.times(events, (seq): [unknown, Uint8Array[]] => [
      ["event", 0, 1, 1, seq, [seq]],
      [bytes],
    ]),
    [["end", events], []],
  ];
  const at = broken ? random.below(headers.length) : -1;
  const records = headers.flatMap(([header, values], index) => {
    const told = index === at ? mutateValue(random, header) : header;
    return encodeRecord((told ?? null) as never, values);
  });
  return join(SIGNATURE, ...records);
}
