import { DavitError, toDavitError } from "../error.js";
import type { NativeEngine, ValueId } from "../native.js";
import { Tensor } from "../native-tensor.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";
import type { TypedArray } from "../tensor/values.js";
import { viewArray } from "../tensor/view.js";
import { isPromise } from "../trace/promise.js";

/** See {@link Engine.fill}. */
export function fillTensor(
  native: NativeEngine,
  type: TensorType,
  write: (array: TypedArray) => void,
): Tensor {
  const memory = allocated(native, type);
  try {
    const returned: unknown = write(viewArray(type.dtype, memory.bytes));
    if (isPromise(returned)) {
      const expected = "one that has written everything when it returns";
      const message = `the function that fills a tensor returned a promise; expected ${expected}`;
      throw new DavitError("function_async", message, { expected });
    }
  } catch (error) {
    memory.drop();
    throw error;
  }
  return new Tensor(native, memory.finish(), type);
}

/** Memory to be written to, and what becomes of it. */
interface Memory {
  readonly bytes: ArrayBuffer;
  finish(): ValueId;
  drop(): void;
}

function allocated(native: NativeEngine, type: TensorType): Memory {
  try {
    const { value, bytes } = native.allocate(type);
    return {
      bytes,
      finish: () => {
        native.release(bytes);
        native.publish(value);
        return value;
      },
      drop: () => {
        native.release(bytes);
        native.free(value);
      },
    };
  } catch (error) {
    if ((toDavitError(error) as DavitError).code !== "memory_external") throw error;
    // Where no views of the engine's memory are allowed, what is written is copied.
    const bytes = new ArrayBuffer(byteLength(type));
    return { bytes, finish: () => native.put(type, new Uint8Array(bytes)), drop: () => {} };
  }
}
