import type { Dtype } from "../../tensor/dtype.js";
import { type Dequantize, dequantizers } from "./dequantize.js";
import { type Packing, packings } from "./pack.js";

/** How the tensors of a kind are read. */
export type KindReading =
  /** As they are in the file. */
  | { readonly dtype: Dtype }
  /** As a packed weight with scales and biases, see {@link Packing}. */
  | { readonly packing: Packing }
  /** As float16 numbers. */
  | { readonly dequantize: Dequantize };

/** A kind of tensors of a GGUF file: blocks of a fixed number of elements and of bytes. */
export interface GgufKind {
  /** llama.cpp's name. */
  readonly name: string;
  /** Elements of a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** How its tensors are read. */
  readonly reading: KindReading;
}

function plain(dtype: Dtype, name: string, bytes: number): GgufKind {
  return { name, elements: 1, bytes, reading: { dtype } };
}

function packed(name: keyof typeof packings): GgufKind {
  const packing = packings[name];
  return { name, elements: packing.elements, bytes: packing.bytes, reading: { packing } };
}

function dequantized(name: keyof typeof dequantizers): GgufKind {
  const { elements, bytes, block } = dequantizers[name];
  return { name, elements, bytes, reading: { dequantize: block } };
}

/** The kinds that are read, by their numbers in the file. */
export const KINDS: ReadonlyMap<number, GgufKind> = new Map([
  [0, plain("float32", "F32", 4)],
  [1, plain("float16", "F16", 2)],
  [2, packed("Q4_0")],
  [3, packed("Q4_1")],
  [6, dequantized("Q5_0")],
  [7, dequantized("Q5_1")],
  [8, packed("Q8_0")],
  [10, dequantized("Q2_K")],
  [11, dequantized("Q3_K")],
  [12, packed("Q4_K")],
  [13, dequantized("Q5_K")],
  [14, dequantized("Q6_K")],
  [15, dequantized("Q8_K")],
  [24, plain("int8", "I8", 1)],
  [25, plain("int16", "I16", 2)],
  [26, plain("int32", "I32", 4)],
  [27, plain("int64", "I64", 8)],
  [28, plain("float64", "F64", 8)],
  [30, plain("bfloat16", "BF16", 2)],
]);

/** Names of kinds that are not read, for messages. */
const OTHERS: ReadonlyMap<number, string> = new Map([
  [9, "Q8_1"],
  [16, "IQ2_XXS"],
  [17, "IQ2_XS"],
  [18, "IQ3_XXS"],
  [19, "IQ1_S"],
  [20, "IQ4_NL"],
  [21, "IQ3_S"],
  [22, "IQ2_S"],
  [23, "IQ4_XS"],
  [29, "IQ1_M"],
  [34, "TQ1_0"],
  [35, "TQ2_0"],
  [39, "MXFP4"],
]);

/** The name of a kind for messages, also of one that is not read. */
export function kindName(number: number): string {
  const other = OTHERS.get(number);
  return KINDS.get(number)?.name ?? (other === undefined ? `${number}` : `${other} (${number})`);
}
