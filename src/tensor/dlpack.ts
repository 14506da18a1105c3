import { dtypeKind, itemBytes, type TensorType } from "./dtype.js";

/** The kinds of elements in DLPack, `DLDataTypeCode`. */
const CODES = { signed: 0, unsigned: 1, float: 2, complex: 5, bool: 6 } as const;
const BFLOAT = 4;
const CPU = 1;

/**
 * The memory of a tensor as it lies, with the fields of DLPack's `DLTensor`, for other addons. It is valid as long as `memory` is referred to.
 */
export interface TensorMemory {
  /** Keeps the memory alive: all bytes of the buffer that has the tensor, and perhaps others. */
  readonly memory: ArrayBuffer;
  /** The address of the buffer's first byte. The memory is the host's, whichever device computes. */
  readonly data: bigint;
  /** `DLDevice`: the host's memory is type 1, `kDLCPU`. */
  readonly device: { readonly type: number; readonly id: number };
  /** `DLDataType`: its code, bits and lanes. */
  readonly dtype: { readonly code: number; readonly bits: number; readonly lanes: number };
  /** Sizes, outermost first. */
  readonly shape: readonly number[];
  /** Elements from one to the next in each dimension; 0 where it is broadcast, negative where it is reversed. */
  readonly strides: readonly number[];
  /** The bytes from `data` to the first element. */
  readonly byteOffset: number;
  /** Always: others may have the memory. */
  readonly readOnly: true;
}

/** The memory of a tensor in the words of DLPack. */
export function tensorMemory(
  { dtype, shape }: TensorType,
  layout: {
    readonly memory: ArrayBuffer;
    readonly address: bigint;
    readonly offset: number;
    readonly strides: readonly number[];
  },
): TensorMemory {
  const code = dtype === "bfloat16" ? BFLOAT : CODES[dtypeKind(dtype)];
  return {
    memory: layout.memory,
    data: layout.address,
    device: { type: CPU, id: 0 },
    dtype: { code, bits: itemBytes(dtype) * 8, lanes: 1 },
    shape,
    strides: layout.strides,
    byteOffset: layout.offset,
    readOnly: true,
  };
}
