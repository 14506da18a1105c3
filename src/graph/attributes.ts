import { nearest } from "../nearest.js";
import { isBytes } from "../realm.js";
import { show } from "../show.js";
import { EXPECTED_DTYPE, isDtype, type TensorType } from "../tensor/dtype.js";
import { GraphError, type GraphErrorDetails } from "./error.js";
import type { Attribute, Attributes } from "./graph.js";
import type { AttributeKind, AttributeSpec, OpSpec } from "./ops/spec.js";

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 64n - 1n;

/** Tells whether a value is an integer that the canonical encoding can hold exactly. */
export function isInteger(value: unknown): value is number | bigint {
  return typeof value === "bigint"
    ? value >= MIN_INT && value <= MAX_INT
    : Number.isSafeInteger(value);
}

/** Tells whether a value is a string without lone surrogates, which UTF-8 cannot hold. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && !/\p{Surrogate}/u.test(value);
}

/** Tells whether a value is a size of a dimension. */
export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Tells whether a value is the type of a tensor. */
export function isTensorType(value: unknown): value is TensorType {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape } = value as Partial<TensorType>;
  return isDtype(dtype) && Array.isArray(shape) && shape.every(isSize);
}

const listOf = (test: (value: unknown) => boolean) => (value: unknown) =>
  Array.isArray(value) && value.every(test);

const isIndex = isSize;

/** The values that each kind accepts, and its name in messages. */
const KINDS: Readonly<
  Record<AttributeKind, { readonly test: (value: unknown) => boolean; readonly name: string }>
> = {
  bool: { test: (value) => typeof value === "boolean", name: "a boolean" },
  int: { test: isInteger, name: "an integer of at most 64 bits" },
  ints: { test: listOf(isInteger), name: "a list of integers of at most 64 bits" },
  float: { test: (value) => typeof value === "number", name: "a number" },
  floats: { test: listOf((value) => typeof value === "number"), name: "a list of numbers" },
  string: { test: isText, name: "a string" },
  strings: { test: listOf(isText), name: "a list of strings" },
  dtype: { test: isDtype, name: EXPECTED_DTYPE },
  bytes: { test: (value) => isBytes(value), name: "bytes" },
  function: { test: isIndex, name: "the number of a function" },
  functions: { test: listOf(isIndex), name: "a list of numbers of functions" },
  types: { test: listOf(isTensorType), name: "a list of tensor types" },
};

/** Tells whether an attribute may be absent. */
export function isOptional(row: AttributeSpec): boolean {
  return row.optional === true || row.default !== undefined;
}

/**
 * Checks a node's attributes against its row of the op table.
 * @throws GraphError `attribute_unknown`, `attribute_missing` or `attribute_invalid`.
 */
export function checkAttributes(
  spec: OpSpec,
  attributes: Attributes,
  details: GraphErrorDetails,
): void {
  for (const name of Object.keys(attributes)) {
    if (attributes[name] === undefined) continue;
    const row = Object.hasOwn(spec.attributes, name) ? spec.attributes[name] : undefined;
    if (row === undefined) throw unknownAttribute(name, spec, details);
    checkAttribute(name, row, attributes[name], details);
  }
  for (const [name, row] of Object.entries(spec.attributes)) {
    if (attributes[name] === undefined && !isOptional(row)) {
      throw new GraphError("attribute_missing", `attribute "${name}" is missing`, {
        ...details,
        expected: KINDS[row.kind].name,
      });
    }
  }
}

/** The error for an attribute that an op does not have. */
export function unknownAttribute(
  name: string,
  spec: OpSpec,
  details: GraphErrorDetails,
): GraphError {
  const names = Object.keys(spec.attributes);
  const guess = nearest(name, names);
  const hint = guess === undefined ? "" : `, did you mean "${guess}"?`;
  return new GraphError("attribute_unknown", `there is no attribute "${name}"${hint}`, {
    ...details,
    expected: names.length === 0 ? "none" : `one of ${names.join(", ")}`,
  });
}

/** The error for an attribute with a value that its kind does not accept. */
export function invalidAttribute(
  name: string,
  kind: AttributeKind,
  value: unknown,
  details: GraphErrorDetails,
): GraphError {
  return new GraphError("attribute_invalid", `attribute "${name}" is ${show(value)}`, {
    ...details,
    expected: KINDS[kind].name,
  });
}

function checkAttribute(
  name: string,
  row: AttributeSpec,
  value: Attribute | undefined,
  details: GraphErrorDetails,
): void {
  if (!KINDS[row.kind].test(value)) throw invalidAttribute(name, row.kind, value, details);
  const allowed = row.values;
  if (allowed === undefined) return;
  for (const text of Array.isArray(value) ? value : [value]) {
    if (!allowed.includes(text as string)) {
      throw new GraphError("attribute_invalid", `attribute "${name}" is ${show(text)}`, {
        ...details,
        expected: `one of ${allowed.map((item) => `"${item}"`).join(", ")}`,
      });
    }
  }
}
