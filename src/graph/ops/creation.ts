import { elementCount } from "../../tensor/dtype.js";
import {
  checkNotEmpty,
  checkRange,
  checkRank,
  checkShape,
  has,
  input,
  int,
  ints,
  MAX_SIZE,
  refuse,
} from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

const SHAPE = { kind: "ints", doc: "Its sizes." } as const;
const DTYPE = { kind: "dtype", default: "float32", doc: "Its element type." } as const;
const SAME_DTYPE = {
  kind: "dtype",
  optional: true,
  doc: "Its element type; the operand's.",
} as const;
const DIAGONAL = {
  kind: "int",
  default: 0,
  doc: "The diagonal: 0 the main one, above it positive, below it negative.",
} as const;

const shapeGuard = (call: OpCall) => checkShape(call, "shape", ints(call, "shape"));

const window = (doc: string) =>
  ({
    doc,
    operands: [],
    attributes: { M: { kind: "int", doc: "Its size." } },
    guard: (call: OpCall) => {
      checkRange(call, "M", int(call, "M"), 0, MAX_SIZE);
    },
  }) as const;

/** MLX computes `n + k` and `m - k` in 32 bits. */
function diagonalGuard(call: OpCall, n: number, m: number): void {
  checkRange(call, "n", n, 0, MAX_SIZE);
  checkRange(call, "m", m, 0, MAX_SIZE);
  checkShape(call, "[n, m]", [n, m]);
  const k = has(call, "k") ? int(call, "k") : 0;
  if (Math.abs(k) >= 2 ** 30) {
    refuse(call, "attribute_invalid", `k is ${k}`, "a diagonal between -2^30 and 2^30");
  }
  if (m - k + 1 > MAX_SIZE)
    refuse(call, "value_too_large", `m - k is ${m - k}`, "less than 2^31 - 1");
}

function squareGuard(call: OpCall): void {
  const n = int(call, "n");
  diagonalGuard(call, n, has(call, "m") ? int(call, "m") : n);
}

function triangleGuard(call: OpCall): void {
  const type = input(call, 0);
  checkRank(call, type, 2);
  const [n, m] = type.shape.slice(-2) as [number, number];
  diagonalGuard(call, n, m);
}

function arangeGuard(call: OpCall): void {
  const { start, stop, step } = call.attributes as Record<"start" | "stop" | "step", number>;
  for (const [name, value] of Object.entries({ start, stop, step })) {
    if (!Number.isFinite(value)) {
      refuse(call, "attribute_invalid", `${name} is ${value}`, "a finite number");
    }
  }
  if (step === 0) refuse(call, "attribute_invalid", "step is 0", "a number other than 0");
  const count = Math.ceil((stop - start) / step);
  if (Math.abs(count) > MAX_SIZE) {
    refuse(call, "value_too_large", `${start} to ${stop} by ${step} is ${count} elements`, "fewer");
  }
}

const MOST_AXES = 32;

function meshgridGuard(call: OpCall): void {
  checkNotEmpty(call);
  // Every result has as many dimensions as there are operands.
  if (call.inputs.length > MOST_AXES) {
    refuse(
      call,
      "arity_invalid",
      `meshgrid has ${call.inputs.length} operands`,
      `at most ${MOST_AXES}`,
    );
  }
  const sizes = call.inputs.map((_, index) => {
    const type = input(call, index);
    if (type.shape.length > 1) {
      refuse(call, "shape_invalid", `operand ${index} has rank ${type.shape.length}`, "0 or 1");
    }
    return elementCount(type.shape);
  });
  checkShape(call, "the grid", sizes);
}

/** Tensors made from attributes alone, or with the shape of another. */
export const CREATION = {
  full: {
    doc: "A tensor of a shape, filled with values that are broadcast to it.",
    operands: ["vals"],
    type: { dtype: "attribute", shape: "attribute" },
    attributes: { shape: SHAPE, dtype: SAME_DTYPE },
    guard: shapeGuard,
  },
  zeros: {
    doc: "A tensor of zeros.",
    operands: [],
    type: { dtype: "attribute", shape: "attribute" },
    attributes: { shape: SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  ones: {
    doc: "A tensor of ones.",
    operands: [],
    type: { dtype: "attribute", shape: "attribute" },
    attributes: { shape: SHAPE, dtype: DTYPE },
    guard: shapeGuard,
  },
  full_like: {
    doc: "A tensor of the shape of `a`, filled with values that are broadcast to it.",
    operands: ["a", "vals"],
    type: { dtype: "attribute", shape: "same" },
    attributes: { dtype: SAME_DTYPE },
  },
  zeros_like: {
    doc: "Zeros of the shape of `a`.",
    operands: ["a"],
    type: { dtype: "attribute", shape: "same" },
    attributes: { dtype: SAME_DTYPE },
  },
  ones_like: {
    doc: "Ones of the shape of `a`.",
    operands: ["a"],
    type: { dtype: "attribute", shape: "same" },
    attributes: { dtype: SAME_DTYPE },
  },
  arange: {
    doc: "Numbers from `start` up to, not including, `stop`.",
    operands: [],
    attributes: {
      start: { kind: "float", default: 0, doc: "The first number." },
      stop: { kind: "float", doc: "Where it ends." },
      step: { kind: "float", default: 1, doc: "The distance." },
      dtype: {
        kind: "dtype",
        optional: true,
        doc: "Its element type; int32 where all three are whole numbers (int64 where they need it), else float32.",
      },
    },
    guard: arangeGuard,
  },
  linspace: {
    doc: "Evenly spaced numbers from `start` to `stop`.",
    operands: [],
    attributes: {
      start: { kind: "float", doc: "The first number." },
      stop: { kind: "float", doc: "The last number." },
      num: { kind: "int", default: 50, doc: "How many." },
      endpoint: { kind: "bool", default: true, doc: "Whether `stop` is among them." },
      dtype: DTYPE,
    },
    guard: (call: OpCall) => {
      checkRange(call, "num", int(call, "num"), 0, MAX_SIZE);
    },
  },
  eye: {
    doc: "A matrix of zeros with ones on a diagonal.",
    operands: [],
    attributes: {
      n: { kind: "int", doc: "Rows." },
      m: { kind: "int", optional: true, doc: "Columns; `n`." },
      k: DIAGONAL,
      dtype: DTYPE,
    },
    guard: squareGuard,
  },
  identity: {
    doc: "A square matrix of zeros with ones on the main diagonal.",
    operands: [],
    attributes: { n: { kind: "int", doc: "Rows and columns." }, dtype: DTYPE },
    guard: squareGuard,
  },
  tri: {
    doc: "A matrix of ones at and below a diagonal and zeros above it.",
    operands: [],
    attributes: {
      n: { kind: "int", doc: "Rows." },
      m: { kind: "int", optional: true, doc: "Columns; `n`." },
      k: DIAGONAL,
      dtype: DTYPE,
    },
    guard: squareGuard,
  },
  tril: {
    doc: "The lower triangle of the last two axes: what is above the diagonal becomes 0.",
    operands: ["x"],
    type: { dtype: "same", shape: "same" },
    attributes: { k: DIAGONAL },
    guard: triangleGuard,
  },
  triu: {
    doc: "The upper triangle of the last two axes: what is below the diagonal becomes 0.",
    operands: ["x"],
    type: { dtype: "same", shape: "same" },
    attributes: { k: DIAGONAL },
    guard: triangleGuard,
  },
  meshgrid: {
    doc: "Coordinate tensors from coordinate vectors.",
    operands: ["...arrays"],
    attributes: {
      sparse: {
        kind: "bool",
        default: false,
        doc: "Whether the outputs keep size 1 along the other axes.",
      },
      indexing: {
        kind: "string",
        default: "xy",
        values: ["xy", "ij"],
        doc: 'Cartesian ("xy") or matrix ("ij") order.',
      },
    },
    outputs: "operands",
    guard: meshgridGuard,
  },
  bartlett: window("The Bartlett window, a triangle, in float32."),
  blackman: window("The Blackman window, in float32."),
  hamming: window("The Hamming window, in float32."),
  hanning: window("The Hann window, in float32."),
} as const satisfies OpFamily;
