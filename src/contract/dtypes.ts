/** What is known of an element type, beside how MLX calls it (`native/dtypes.cpp`). */
export interface DtypeRow {
  readonly kind: "bool" | "unsigned" | "signed" | "float" | "complex";
  /** Bytes of an element. */
  readonly bytes: number;
  /** The typed array that elements are seen through: bits of 16-bit floats, pairs of complex numbers. */
  readonly array:
    | "Uint8Array"
    | "Uint16Array"
    | "Uint32Array"
    | "BigUint64Array"
    | "Int8Array"
    | "Int16Array"
    | "Int32Array"
    | "BigInt64Array"
    | "Float32Array"
    | "Float64Array";
  /** Nx's short name, whose letters are the class and whose digits the bits of `{:f, 32}`; null where Nx has none. */
  readonly nx: string | null;
  /** numpy's code. numpy has no bfloat16: like MLX, Davit keeps its two raw bytes as void items. */
  readonly npy: string;
  readonly safetensors: string;
}

/** MLX's element types, by MLX's names. */
export const DTYPE_ROWS = {
  bool: { kind: "bool", bytes: 1, array: "Uint8Array", nx: null, npy: "b1", safetensors: "BOOL" },
  uint8: {
    kind: "unsigned",
    bytes: 1,
    array: "Uint8Array",
    nx: "u8",
    npy: "u1",
    safetensors: "U8",
  },
  uint16: {
    kind: "unsigned",
    bytes: 2,
    array: "Uint16Array",
    nx: "u16",
    npy: "u2",
    safetensors: "U16",
  },
  uint32: {
    kind: "unsigned",
    bytes: 4,
    array: "Uint32Array",
    nx: "u32",
    npy: "u4",
    safetensors: "U32",
  },
  uint64: {
    kind: "unsigned",
    bytes: 8,
    array: "BigUint64Array",
    nx: "u64",
    npy: "u8",
    safetensors: "U64",
  },
  int8: { kind: "signed", bytes: 1, array: "Int8Array", nx: "s8", npy: "i1", safetensors: "I8" },
  int16: {
    kind: "signed",
    bytes: 2,
    array: "Int16Array",
    nx: "s16",
    npy: "i2",
    safetensors: "I16",
  },
  int32: {
    kind: "signed",
    bytes: 4,
    array: "Int32Array",
    nx: "s32",
    npy: "i4",
    safetensors: "I32",
  },
  int64: {
    kind: "signed",
    bytes: 8,
    array: "BigInt64Array",
    nx: "s64",
    npy: "i8",
    safetensors: "I64",
  },
  float16: {
    kind: "float",
    bytes: 2,
    array: "Uint16Array",
    nx: "f16",
    npy: "f2",
    safetensors: "F16",
  },
  bfloat16: {
    kind: "float",
    bytes: 2,
    array: "Uint16Array",
    nx: "bf16",
    npy: "V2",
    safetensors: "BF16",
  },
  float32: {
    kind: "float",
    bytes: 4,
    array: "Float32Array",
    nx: "f32",
    npy: "f4",
    safetensors: "F32",
  },
  float64: {
    kind: "float",
    bytes: 8,
    array: "Float64Array",
    nx: "f64",
    npy: "f8",
    safetensors: "F64",
  },
  complex64: {
    kind: "complex",
    bytes: 8,
    array: "Float32Array",
    nx: "c64",
    npy: "c8",
    safetensors: "C64",
  },
} as const satisfies Readonly<Record<string, DtypeRow>>;

/** An element type. */
export type Dtype = keyof typeof DTYPE_ROWS;

/** The names of all element types. */
export const DTYPES = Object.keys(DTYPE_ROWS) as readonly Dtype[];

/** One column of the table. */
export function dtypeColumn<K extends keyof DtypeRow>(
  key: K,
): Readonly<Record<Dtype, DtypeRow[K]>> {
  const entries = DTYPES.map((dtype) => [dtype, (DTYPE_ROWS[dtype] as DtypeRow)[key]] as const);
  return Object.fromEntries(entries) as Record<Dtype, DtypeRow[K]>;
}
