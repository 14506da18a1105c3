import { elementCount, formatType } from "../../tensor/dtype.js";
import { checkRank, has, input, refuse } from "./guards.js";
import { checkIntegers, checkShapeIs, optional } from "./operands.js";
import type { OpCall, OpFamily } from "./spec.js";

function ropeGuard(call: OpCall): void {
  if (optional(call, 1) !== undefined) checkIntegers(call, 1, "the offset");
  if (has(call, "base") === (optional(call, 2) !== undefined)) {
    refuse(
      call,
      "attribute_invalid",
      has(call, "base") ? "base and freqs are both given" : "neither base nor freqs is given",
      "one of them",
    );
  }
}

function attentionGuard(call: OpCall): void {
  const [q, k, v] = [input(call, 0), input(call, 1), input(call, 2)];
  for (const type of [q, k, v]) {
    if (type.shape.length !== 4) {
      refuse(call, "shape_invalid", formatType(type), "[batch, heads, length, size]");
    }
  }
  // MLX takes the remainder by the number of heads.
  if (k.shape[1] === 0) {
    refuse(call, "shape_invalid", `${formatType(k)} has no heads`, "one head or more");
  }
  if (k.shape[2] !== v.shape[2]) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(k)} and ${formatType(v)}`,
      "keys and values of one length",
    );
  }
  if (has(call, "mask_mode") && optional(call, 3) !== undefined) {
    refuse(call, "attribute_invalid", "mask_mode and a mask are both given", "one of them");
  }
}

function crossEntropyGuard(call: OpCall): void {
  const logits = input(call, 0);
  checkRank(call, logits, 1);
  checkShapeIs(
    call,
    "the targets",
    checkIntegers(call, 1, "the targets"),
    logits.shape.slice(0, -1),
  );
  if (logits.shape.at(-1) === 0 && elementCount(logits.shape.slice(0, -1)) > 0) {
    refuse(call, "shape_invalid", `${formatType(logits)} has no classes`, "one class or more");
  }
}

/** MLX checks none of these shapes on the CPU, and takes a remainder by the number of heads. */
function gatedDeltaGuard(call: OpCall): void {
  const [q, v] = [input(call, 0), input(call, 2)];
  for (const type of [q, v]) {
    if (type.shape.length !== 4) {
      refuse(call, "shape_invalid", formatType(type), "[batch, length, heads, size]");
    }
  }
  const [batch, length, keyHeads, keySize] = q.shape as [number, number, number, number];
  const [, , heads, size] = v.shape as [number, number, number, number];
  if (length === 0 || keyHeads === 0 || heads % keyHeads !== 0) {
    refuse(
      call,
      "shape_invalid",
      `${formatType(q)} and ${formatType(v)}`,
      "a step or more, and a multiple of one head or more",
    );
  }
  checkShapeIs(call, "k", input(call, 1), q.shape);
  checkShapeIs(call, "v", v, [batch, length, heads, size]);
  checkShapeIs(call, "gates", input(call, 3), [batch, length, heads]);
  checkShapeIs(call, "beta", input(call, 4), [batch, length, heads]);
  const [state, mask] = [optional(call, 5), optional(call, 6)];
  if (state !== undefined) checkShapeIs(call, "the state", state, [batch, heads, size, keySize]);
  if (mask !== undefined) checkShapeIs(call, "the mask", mask, [batch, length]);
}

const EPS = { kind: "float", doc: "What is added before dividing." } as const;

/** Fused ops of neural networks. */
export const FAST = {
  "fast.rms_norm": {
    doc: "The last axis divided by the root of its mean square, times the weight.",
    operands: ["x", "weight?"],
    type: { dtype: "same", shape: "same" },
    attributes: { eps: EPS },
  },
  "fast.layer_norm": {
    doc: "The last axis with mean 0 and variance 1, times the weight, plus the bias.",
    operands: ["x", "weight?", "bias?"],
    type: { dtype: "same", shape: "same" },
    attributes: { eps: EPS },
  },
  "fast.rope": {
    doc: "Rotary positions: pairs of the last axis turned by angles that grow with the position, on the axis before it.",
    operands: ["a", "offset?", "freqs?"],
    roles: { offset: "index" },
    attributes: {
      dims: { kind: "int", doc: "How many of the last axis are turned." },
      traditional: { kind: "bool", doc: "Whether neighbours make a pair; else halves do." },
      base: { kind: "float", optional: true, doc: "The base of the frequencies, unless `freqs`." },
      scale: { kind: "float", doc: "A factor of the positions." },
    },
    guard: ropeGuard,
  },
  "fast.scaled_dot_product_attention": {
    doc: "`softmax(scale * q @ k.T + mask) @ v` over [batch, heads, length, size]; keys and values may have fewer heads.",
    operands: ["q", "k", "v", "mask?", "sinks?"],
    work: "matmul",
    attributes: {
      scale: { kind: "float", doc: "The factor of the scores." },
      mask_mode: {
        kind: "string",
        optional: true,
        values: ["causal"],
        doc: "A mask that has a name, in place of one that is given.",
      },
    },
    guard: attentionGuard,
  },
  "fast.cross_entropy": {
    doc: "`logsumexp(logits) - logits[target]` over the last axis, in float32. Targets are clamped into range.",
    operands: ["logits", "targets"],
    work: "reduction",
    attributes: {},
    guard: crossEntropyGuard,
  },
  "fast.gated_delta_update": {
    doc: "A gated delta network over [batch, length, heads, size]: its outputs and its last state, [batch, heads, size of v, size of k].",
    operands: ["q", "k", "v", "gates", "beta", "state?", "mask?"],
    work: "contraction",
    attributes: {},
    outputs: 2,
    guard: gatedDeltaGuard,
  },
} as const satisfies OpFamily;
