import { types } from "node:util";

/**
 * Tests for values of any realm: code that runs in a `vm` context, as tests under Jest do, has classes
 * of its own, which `instanceof` does not know.
 */

const tag = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get as (this: unknown) => string | undefined;

/** The name of a typed array's class, such as `Float32Array`; undefined for any other value. */
export function typedArrayName(value: unknown): string | undefined {
  return tag.call(value);
}

/** Tells a Uint8Array, which a Buffer is too. */
export function isBytes(value: unknown): value is Uint8Array {
  return types.isUint8Array(value);
}

/** Tells an error. */
export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** Tells an object made by a literal, or one without a prototype. */
export function isPlainObject(value: unknown): value is { readonly [key: string]: unknown } {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  // Another realm's Object.prototype.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}
