import { formatType } from "../../tensor/dtype.js";
import {
  checkAxes,
  checkAxis,
  checkRange,
  checkRank,
  has,
  input,
  int,
  MAX_SIZE,
  refuse,
} from "./guards.js";
import type { OpCall, OpFamily } from "./spec.js";

function matrixGuard(call: OpCall): void {
  checkRank(call, input(call, 0), 2);
}

function squareGuard(call: OpCall): void {
  const type = input(call, 0);
  checkRank(call, type, 2);
  if (type.shape.at(-1) !== type.shape.at(-2)) {
    refuse(call, "shape_invalid", formatType(type), "square matrices");
  }
}

/** MLX expands determinants up to 3 by 3, in any dtype, and factors larger ones. */
function determinantGuard(call: OpCall): void {
  squareGuard(call);
  const { dtype, shape } = input(call, 0);
  if (/^b?float16$/.test(dtype) && (shape.at(-1) as number) > 3) {
    refuse(
      call,
      "dtype_unsupported",
      `${call.op} does not work on ${dtype} beyond 3 by 3`,
      "float32",
    );
  }
}

function normGuard(call: OpCall): void {
  const { shape } = input(call, 0);
  const axes = checkAxes(call, "axes", shape.length);
  if (has(call, "ord") && has(call, "ord_name")) {
    refuse(call, "attribute_invalid", "ord and ord_name are both given", "one of them");
  }
  const least = has(call, "ord_name") ? 2 : 1;
  if (has(call, "axes") || has(call, "ord") || has(call, "ord_name")) {
    checkRange(call, "the number of axes", axes.length, least, 2);
  } else {
    checkRange(
      call,
      "the number of elements",
      shape.reduce((product, size) => product * size, 1),
      0,
      MAX_SIZE,
    );
  }
}

function solveGuard(call: OpCall): void {
  squareGuard(call);
  checkRank(call, input(call, 1), 1);
}

/** MLX lays axes counted from the front on top of each other, whatever the ranks. */
function crossGuard(call: OpCall): void {
  if (input(call, 0).dtype === "bool" && input(call, 1).dtype === "bool") {
    refuse(call, "dtype_unsupported", "linalg.cross does not work on bool", "numbers");
  }
  const fromEnd = [input(call, 0), input(call, 1)].map(({ shape }) => {
    const axis = checkAxis(call, "axis", int(call, "axis"), shape.length);
    if (shape[axis] !== 2 && shape[axis] !== 3) {
      refuse(call, "shape_invalid", `axis ${axis} is of size ${shape[axis]}`, "2 or 3");
    }
    return axis - shape.length;
  });
  if (fromEnd[0] !== fromEnd[1]) {
    refuse(
      call,
      "axis_invalid",
      `axis ${int(call, "axis")} of both counts from the front of different ranks`,
      "an axis counted from the end",
    );
  }
}

const UPPER = {
  kind: "bool",
  default: false,
  doc: "Whether the upper triangle is meant.",
} as const;
const UPLO = {
  kind: "string",
  default: "L",
  values: ["L", "U"],
  doc: "Which triangle is read, lower or upper.",
} as const;

const square = <const D extends string>(doc: D) =>
  ({ doc, operands: ["a"], work: "factorization", attributes: {}, guard: squareGuard }) as const;
const triangular = <const D extends string>(doc: D) =>
  ({
    doc,
    operands: ["a"],
    work: "factorization",
    attributes: { upper: UPPER },
    guard: squareGuard,
  }) as const;

/**
 * Linear algebra of matrices, and of batches of them. A matrix with a NaN or an infinity where it is read has NaN for a
 * result (native/primitives/matrices.cpp): LAPACK does not survive all of them, and the other matrices of its batch are fine.
 */
export const LINALG = {
  "linalg.norm": {
    doc: "The norm of vectors or matrices: the 2-norm of all elements unless told otherwise.",
    operands: ["a"],
    work: "factorization",
    attributes: {
      ord: { kind: "float", optional: true, doc: "The order; 2, or Frobenius for matrices." },
      ord_name: {
        kind: "string",
        optional: true,
        values: ["fro", "nuc"],
        doc: "A norm of matrices that has a name, in place of `ord`.",
      },
      axes: { kind: "ints", optional: true, doc: "The axis of vectors, or the two of matrices." },
      keepdims: { kind: "bool", default: false, doc: "Whether the axes stay, with size 1." },
    },
    guard: normGuard,
  },
  "linalg.qr": {
    doc: "The QR factorization: an orthonormal and an upper triangular matrix; of a matrix that is not finite, NaN.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    outputs: 2,
    guard: matrixGuard,
  },
  "linalg.svd": {
    doc: "The singular value decomposition: U, the singular values, V transposed; or the values alone. Of a matrix that is not finite, NaN.",
    operands: ["a"],
    work: "factorization",
    attributes: {
      compute_uv: { kind: "bool", default: true, doc: "Whether U and V are computed too." },
    },
    outputs: { attribute: "compute_uv", equals: false, count: 1, otherwise: 3 },
    guard: matrixGuard,
  },
  "linalg.inv": square(
    "The inverse; of a matrix that is not finite, NaN. A singular matrix fails the run.",
  ),
  "linalg.tri_inv": triangular(
    "The inverse of a triangular matrix; of a triangle that is not finite, NaN. A singular one fails the run.",
  ),
  "linalg.pinv": {
    doc: "The pseudo-inverse; of a matrix that is not finite, NaN.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    guard: matrixGuard,
  },
  "linalg.cholesky": triangular(
    "The Cholesky factor, from one triangle; of a triangle that is not finite, NaN. Of a matrix that is not positive definite it is undefined.",
  ),
  "linalg.cholesky_inv": triangular(
    "The inverse of a matrix, from its Cholesky factor; of a triangle that is not finite, NaN.",
  ),
  "linalg.lu": {
    doc: "The LU factorization P, L and U: row i of the matrix is row P[i] of `L @ U`. Of a matrix that is not finite L and U are NaN, and no row is moved.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    outputs: 3,
    guard: matrixGuard,
  },
  "linalg.lu_factor": {
    doc: "The LU factorization as LAPACK returns it: L and U in one matrix, and the row swapped at each step. Of a matrix that is not finite the factors are NaN, and no row is swapped.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    outputs: 2,
    guard: matrixGuard,
  },
  "linalg.solve": {
    doc: "The solution x of `a @ x = b`; batches are broadcast; a vector b is one right-hand side. With a matrix that is not finite, NaN.",
    operands: ["a", "b"],
    work: "factorization",
    attributes: {},
    guard: solveGuard,
  },
  "linalg.solve_triangular": {
    doc: "The solution x of `a @ x = b` with a triangular; with a triangle that is not finite, NaN.",
    operands: ["a", "b"],
    work: "factorization",
    attributes: { upper: UPPER },
    guard: solveGuard,
  },
  "linalg.eig": {
    ...square("Eigenvalues and eigenvectors, complex; of a matrix that is not finite, NaN."),
    outputs: 2,
  },
  "linalg.eigvals": square("Eigenvalues, complex; of a matrix that is not finite, NaN."),
  "linalg.eigh": {
    doc: "Eigenvalues, ascending, and eigenvectors of a symmetric or Hermitian matrix, from one triangle; of a triangle that is not finite, NaN.",
    operands: ["a"],
    work: "factorization",
    attributes: { UPLO },
    outputs: 2,
    guard: squareGuard,
  },
  "linalg.eigvalsh": {
    doc: "Eigenvalues, ascending, of a symmetric or Hermitian matrix, from one triangle; of a triangle that is not finite, NaN.",
    operands: ["a"],
    work: "factorization",
    attributes: { UPLO },
    guard: squareGuard,
  },
  "linalg.det": {
    doc: "The determinant.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    guard: determinantGuard,
  },
  "linalg.slogdet": {
    doc: "The sign of the determinant and the logarithm of its magnitude.",
    operands: ["a"],
    work: "factorization",
    attributes: {},
    outputs: 2,
    guard: determinantGuard,
  },
  "linalg.cross": {
    doc: "The cross product of vectors of 2 or 3 elements.",
    operands: ["a", "b"],
    attributes: {
      axis: { kind: "int", default: -1, doc: "The axis of the vectors." },
    },
    guard: crossGuard,
  },
} as const satisfies OpFamily;
