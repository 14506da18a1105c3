import type { Types } from "../types.js";
import type { Suggestion, Suggestions } from "./suggestion.js";

const WIDE = new Set(["linalg.qr", "linalg.svd", "linalg.pinv", "linalg.lu", "linalg.lu_factor"]);

function dtypeOf(types: Types) {
  return types.random.pick(["float32", "float32", "float64", "complex64", types.any()] as const);
}

function decomposition(types: Types, op: string): Suggestion {
  const { random } = types;
  const rows = random.pick([0, 1, 2, 3, 4, 7, 8, 16, 33]);
  const columns = WIDE.has(op) ? random.pick([0, 1, 2, 3, 5, 8, rows]) : rows;
  return { types: [types.type(dtypeOf(types), [...types.batch(), rows, columns])] };
}

function solve(types: Types): Suggestion {
  const { random } = types;
  const size = random.pick([0, 1, 2, 3, 4, 8, 17]);
  const batch = types.batch();
  const dtype = dtypeOf(types);
  const right = random.chance(0.3) ? [size] : [...batch, size, random.below(4)];
  return { types: [types.type(dtype, [...batch, size, size]), types.type(dtype, right)] };
}

function cross(types: Types): Suggestion {
  const shape = types.shape(types.random.below(3));
  const side = () => types.type(types.any(), [...shape, types.random.pick([2, 3])]);
  return { types: [side(), side()] };
}

const names = ["qr", "svd", "inv", "tri_inv", "pinv", "cholesky", "cholesky_inv", "lu"];
const more = ["lu_factor", "eig", "eigvals", "eigh", "eigvalsh", "det", "slogdet"];

/** Linear algebra. */
export const LINALG_SUGGESTIONS: Suggestions = {
  ...Object.fromEntries([...names, ...more].map((name) => [`linalg.${name}`, decomposition])),
  "linalg.solve": solve,
  "linalg.solve_triangular": solve,
  "linalg.cross": cross,
};
