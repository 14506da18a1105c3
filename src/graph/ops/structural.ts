import type { OpFamily } from "./spec.js";

const DIFFERENTIATED = {
  kind: "function",
  doc: "The function; its results are floating or complex.",
} as const;

const WRT = {
  kind: "ints",
  optional: true,
  doc: "The arguments to differentiate by, which are floating or complex. Default all.",
} as const;

const VALUE_TYPE = {
  dtype: { kind: "dtype", doc: "Its element type." },
  shape: { kind: "ints", doc: "Its sizes." },
} as const;

/** Values without operands, and control flow. Their sub-functions are closed: they see only their parameters. */
export const STRUCTURAL = {
  constant: {
    doc: "A value whose bytes are part of the graph.",
    operands: [],
    structural: true,
    attributes: {
      ...VALUE_TYPE,
      data: { kind: "bytes", doc: "Its bytes: row by row, little-endian." },
    },
  },
  constant_by_hash: {
    doc: "A value that is named by its content. The tensor with this content is bound when the graph is loaded.",
    operands: [],
    structural: true,
    attributes: {
      ...VALUE_TYPE,
      hash: { kind: "bytes", doc: "The SHA-256 of its bytes: row by row, little-endian." },
    },
  },
  external: {
    doc: "A value with a name. Whoever loads the graph binds a tensor to the name; the graph's hash does not depend on that tensor.",
    operands: [],
    structural: true,
    attributes: {
      ...VALUE_TYPE,
      name: { kind: "string", doc: "The name; the same name is the same tensor in all functions." },
    },
  },
  call: {
    doc: "Calls a function of the graph.",
    operands: ["...operands"],
    structural: true,
    attributes: { function: { kind: "function", doc: "The function." } },
    outputs: "results",
  },
  vjp: {
    doc: "Calls a straight function (no control flow, no value that is bound when the graph is loaded) and computes vector-Jacobian products. The operands are its arguments, then a cotangent for each result; the outputs its results, then a gradient for each argument of `wrt`.",
    operands: ["...operands"],
    structural: true,
    attributes: { function: DIFFERENTIATED, wrt: WRT },
    outputs: "results",
  },
  jvp: {
    doc: "Calls a straight function and computes Jacobian-vector products. The operands are its arguments, then a tangent for each argument of `wrt`; the outputs its results, then a tangent for each result.",
    operands: ["...operands"],
    structural: true,
    attributes: { function: DIFFERENTIATED, wrt: WRT },
    outputs: "results",
  },
  cond: {
    doc: "Calls `then` where the predicate is true and `else` otherwise; the other is not computed.",
    operands: ["predicate", "...operands"],
    structural: true,
    attributes: {
      // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
      then: { kind: "function", doc: "Called with the operands where the predicate is true." },
      else: { kind: "function", doc: "Called where it is false; same parameters, same results." },
    },
    outputs: "results",
  },
  switch: {
    doc: "Calls the branch with the index's number, clamped to the first and the last; the others are not computed.",
    operands: ["index", "...operands"],
    structural: true,
    roles: { index: "index" },
    attributes: {
      branches: {
        kind: "functions",
        doc: "At least one; all with the same parameters and results.",
      },
    },
    outputs: "results",
  },
  while: {
    doc: "Repeats the body while the predicate returns true. The operands are the carries, then the invariants.",
    operands: ["...operands"],
    structural: true,
    attributes: {
      predicate: {
        kind: "function",
        doc: "Takes carries and invariants, returns one bool scalar.",
      },
      body: { kind: "function", doc: "Takes carries and invariants, returns the next carries." },
    },
    outputs: "results",
  },
  // MLX has an op `repeat` of another meaning.
  for: {
    doc: "Repeats the body a number of times. The operands are the count, unless it is an attribute, then carries, then invariants.",
    operands: ["...operands"],
    structural: true,
    attributes: {
      body: {
        kind: "function",
        doc: "Takes the iteration (an int32 scalar from 0), carries and invariants, returns the next carries.",
      },
      count: {
        kind: "int",
        optional: true,
        doc: "How often; absent: the first operand, an integer scalar, says it. Negative counts as 0.",
      },
    },
    outputs: "results",
  },
} as const satisfies OpFamily;
