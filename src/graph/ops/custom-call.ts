import type { OpFamily } from "./spec.js";

const RECEIVER = {
  id: { kind: "bytes", doc: "16 bytes that name the receiver; see docs/hooks.md." },
  name: { kind: "string", optional: true, doc: "The name that people use." },
} as const;

/** Nodes that hand values to the host. Their ids are hashes, so a graph holds no function. */
export const CUSTOM_CALLS = {
  "custom_call.hook": {
    doc: "Returns its operands. Whoever subscribed gets them every time they are computed.",
    operands: ["...operands"],
    structural: true,
    attributes: {
      ...RECEIVER,
      destination: {
        kind: "bool",
        default: false,
        doc: "Whether the last operand, a uint8 vector, says who gets the others.",
      },
    },
    outputs: "operands",
  },
  "custom_call.hook_gradient": {
    doc: "Returns its operands. Whoever subscribed gets their cotangents every time a derivative computes them.",
    operands: ["...operands"],
    structural: true,
    attributes: RECEIVER,
    outputs: "operands",
  },
  "custom_call.print": {
    doc: "Returns its operands, and prints them every time they are computed.",
    operands: ["...operands"],
    structural: true,
    attributes: {
      ...RECEIVER,
      precision: { kind: "int", optional: true, doc: "Significant digits." },
      limit: { kind: "int", optional: true, doc: "Elements shown before it shortens." },
    },
    outputs: "operands",
  },
  "custom_call.callback": {
    doc: "Hands its operands to a handler, waits for its reply and returns that.",
    operands: ["...operands"],
    structural: true,
    attributes: { ...RECEIVER, results: { kind: "types", doc: "The types of the reply." } },
    outputs: "types",
  },
} as const satisfies OpFamily;

const FAMILY = "custom_call.";

/** What a custom call does with its operands: the name of its op without that of the family. */
export type CustomCallKind = keyof typeof CUSTOM_CALLS extends `${typeof FAMILY}${infer Kind}`
  ? Kind
  : never;

const KINDS: ReadonlyMap<string, CustomCallKind> = new Map(
  Object.keys(CUSTOM_CALLS).map((op) => [op, op.slice(FAMILY.length) as CustomCallKind]),
);

/** Returns the kind of a custom call, or nothing for any other node. */
export function customCallKind(node: { readonly op: string }): CustomCallKind | undefined {
  return KINDS.get(node.op);
}

/** Tells whether a node is a hook or a print, whose derivative is that of the identity. */
export function isHookOrPrint(node: { readonly op: string }): boolean {
  const kind = customCallKind(node);
  return kind === "hook" || kind === "print";
}
