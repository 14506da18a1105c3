import type { CaseTable } from "../../../support/op-cases.js";
import { ELEMENTWISE_CASES } from "./elementwise.js";

/** The cases of every op: tested one family a file, probed by scripts/probe-dtypes.mjs. */
export const CASES: CaseTable = {
  ...ELEMENTWISE_CASES,
};
