import type { Cursor } from "../files/cursor.js";
import { FileError } from "../files/error.js";
import { type Dtype, itemBytes } from "../tensor/dtype.js";

/** How a part of a primitive's state is written. Enumerations of MLX are ints, sizes are unsigned and have 8 bytes. */
export type StateKind =
  | "bool"
  | "int"
  | "size"
  | "float"
  | "double"
  | "dtype"
  | "text"
  | "ints"
  | "sizes"
  | "strides";

/** A part of a primitive's state. */
export type StateValue = boolean | number | string | readonly number[];

/** The state of a primitive: what it has beside its operands. */
export type State = Readonly<Record<string, StateValue>>;

type Layout = Readonly<Record<string, StateKind>>;

/** MLX's element types, in the order of its enumeration `Dtype::Val`. */
export const MLX_DTYPES =
  "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 bfloat16 complex64".split(
    " ",
  ) as readonly Dtype[];

const NONE: Layout = {};
const AXIS: Layout = { axis: "int" };
const AXES: Layout = { axes: "ints" };
const SHAPE: Layout = { shape: "ints" };
const KIND_AND_AXES: Layout = { kind: "int", axes: "ints" };
const KIND_AND_AXIS: Layout = { kind: "int", axis: "int" };
const KTH: Layout = { kth: "int", axis: "int" };
const SLICE: Layout = { start: "ints", stop: "ints", strides: "ints" };
const EPS: Layout = { eps: "float" };
const QUANTIZATION: Layout = { groupSize: "int", bits: "int", mode: "int" };

const WITHOUT_STATE =
  "Abs Add ArcCos ArcCosh ArcSin ArcSinh ArcTan ArcTan2 ArcTanh Ceil Conjugate Copy Cos Cosh Depends Divide DivMod " +
  "Erf ErfInv Exp Expm1 Floor FloorDivide Full Greater GreaterEqual Imag Less LessEqual Log1p LogicalNot LogicalAnd " +
  "LogicalOr LogAddExp LogSumExp MaskedScatter Matmul Maximum Minimum Multiply Negative NotEqual Power QRF Real " +
  "Remainder Round Select Sigmoid Sign Sin Sinh Square StopGradient Subtract Tan Tanh";

/**
 * What MLX 0.32.4 writes for each primitive: `state()` of mlx/primitives.h and mlx/fast_primitives.h, in order. The
 * functions that fast primitives fall back on are not written.
 */
export const LAYOUTS: ReadonlyMap<string, Layout> = new Map<string, Layout>([
  ...WITHOUT_STATE.split(" ").map((name): [string, Layout] => [name, NONE]),
  ["AddMM", { alpha: "float", beta: "float" }],
  ["Arange", { start: "double", stop: "double", step: "double" }],
  ["ArgPartition", KTH],
  ["ArgReduce", KIND_AND_AXIS],
  ["ArgSort", AXIS],
  ["AsStrided", { shape: "ints", strides: "strides", offset: "size" }],
  ["AsType", { dtype: "dtype" }],
  ["BitwiseBinary", { kind: "int" }],
  ["BlockMaskedMM", { blockSize: "int" }],
  ["Broadcast", SHAPE],
  ["BroadcastAxes", AXES],
  ["Cholesky", { upper: "bool" }],
  ["Concatenate", AXIS],
  [
    "Convolution",
    {
      strides: "ints",
      paddingLow: "ints",
      paddingHigh: "ints",
      kernelDilation: "ints",
      inputDilation: "ints",
      groups: "int",
      flip: "bool",
    },
  ],
  ["DynamicSlice", { axes: "ints", sizes: "ints" }],
  ["DynamicSliceUpdate", AXES],
  ["Eig", { vectors: "bool" }],
  ["Eigh", { uplo: "text", vectors: "bool" }],
  ["Equal", { nan: "bool" }],
  ["ExpandDims", AXES],
  ["FFT", { axes: "sizes", inverse: "bool", real: "bool", oddOutput: "bool" }],
  ["Flatten", { start: "int", end: "int" }],
  ["Gather", { axes: "ints", sizes: "ints" }],
  ["GatherAxis", AXIS],
  ["GatherMM", { leftSorted: "bool", rightSorted: "bool" }],
  ["GatherQMM", { ...QUANTIZATION, transpose: "bool", leftSorted: "bool", rightSorted: "bool" }],
  ["Hadamard", { scale: "float" }],
  ["Inverse", { triangular: "bool", upper: "bool" }],
  ["LayerNorm", EPS],
  ["LayerNormVJP", EPS],
  ["Log", { base: "int" }],
  ["NumberOfElements", { axes: "ints", inverted: "bool", dtype: "dtype" }],
  ["Pad", { axes: "ints", low: "ints", high: "ints" }],
  ["Partition", KTH],
  ["Quantize", { ...QUANTIZATION, dequantize: "bool" }],
  ["QuantizedMatmul", { ...QUANTIZATION, transpose: "bool" }],
  ["RMSNorm", EPS],
  ["RMSNormVJP", EPS],
  ["RandomBits", { shape: "ints", width: "int" }],
  ["Reduce", KIND_AND_AXES],
  ["Reshape", SHAPE],
  ["RoPE", { dims: "int", traditional: "bool", base: "float", scale: "float", forward: "bool" }],
  ["SVD", { vectors: "bool" }],
  [
    "ScaledDotProductAttention",
    { scale: "float", causal: "bool", sinks: "bool", logsumexp: "bool", fused: "bool" },
  ],
  ["Scan", { kind: "int", axis: "int", reverse: "bool", inclusive: "bool" }],
  ["Scatter", KIND_AND_AXES],
  ["ScatterAxis", KIND_AND_AXIS],
  ["SearchSorted", { right: "bool" }],
  ["Slice", SLICE],
  ["SliceUpdate", { kind: "int", ...SLICE }],
  ["Softmax", { precise: "bool" }],
  ["Sort", AXIS],
  ["Split", { indices: "ints", axis: "int" }],
  ["Sqrt", { reciprocal: "bool" }],
  ["Squeeze", AXES],
  ["Transpose", AXES],
  ["Unflatten", { axis: "int", shape: "ints" }],
  ["View", { dtype: "dtype" }],
]);

/** Reads the state of a primitive. @throws FileError where MLX writes no such primitive, or it is none that can be read */
export function readState(cursor: Cursor, primitive: string): State {
  const layout = LAYOUTS.get(primitive);
  if (layout === undefined) {
    throw new FileError(
      "file_malformed",
      cursor.path,
      `byte ${cursor.offset} is behind the primitive ${JSON.stringify(primitive.slice(0, 64))}`,
      "a primitive whose state is known: docs/mlxfn.md lists them",
    );
  }
  const state: Record<string, StateValue> = {};
  for (const [name, kind] of Object.entries(layout)) state[name] = READ[kind](cursor);
  return state;
}

const READ: Readonly<Record<StateKind, (cursor: Cursor) => StateValue>> = {
  bool: readBool,
  int: (cursor) => cursor.int32(),
  size: (cursor) => readSize(cursor, cursor.uint64()),
  float: (cursor) => cursor.float32(),
  double: (cursor) => cursor.float64(),
  dtype: readDtype,
  text: (cursor) => cursor.text(),
  ints: readInts,
  sizes: (cursor) => readList(cursor, "sizes", 8, () => readSize(cursor, cursor.uint64())),
  strides: (cursor) => readList(cursor, "strides", 8, () => readSize(cursor, cursor.int64())),
};

/** Reads a list: its length, and then its items, each of `bytes` or more. */
export function readList<T>(cursor: Cursor, what: string, bytes: number, read: () => T): T[] {
  return Array.from({ length: cursor.count(what, bytes) }, read);
}

/** Reads a list of ints, as shapes and axes are written. */
export function readInts(cursor: Cursor): number[] {
  return readList(cursor, "integers", 4, () => cursor.int32());
}

/** Reads a boolean. @throws FileError for another byte than 0 and 1 */
export function readBool(cursor: Cursor): boolean {
  const byte = cursor.uint8();
  if (byte > 1) throw malformed(cursor, `the boolean before it is ${byte}`, "0 or 1");
  return byte === 1;
}

/** Reads an element type. @throws FileError where it is none of MLX's */
export function readDtype(cursor: Cursor): Dtype {
  const number = cursor.int32();
  const bytes = cursor.uint8();
  const dtype = MLX_DTYPES[number];
  if (dtype === undefined || itemBytes(dtype) !== bytes) {
    const problem = `the element type before it is ${number}, with ${bytes} bytes`;
    throw malformed(cursor, problem, `a number from 0 to ${MLX_DTYPES.length - 1} and its bytes`);
  }
  return dtype;
}

function readSize(cursor: Cursor, size: bigint): number {
  const number = Number(size);
  if (!Number.isSafeInteger(number)) {
    throw malformed(cursor, `the size before it is ${size}`, "less than 2^53");
  }
  return number;
}

/** What is wrong with a file at the place that was read last. */
export function malformed(cursor: Cursor, problem: string, expected: string): FileError {
  return new FileError(
    "file_malformed",
    cursor.path,
    `byte ${cursor.offset}: ${problem}`,
    expected,
  );
}
