import type { CaseTable } from "../../../support/op-cases.js";
import { CONVOLUTION_CASES } from "./convolution.js";
import { CREATION_CASES } from "./creation.js";
import { ELEMENTWISE_CASES } from "./elementwise.js";
import { FAST_CASES } from "./fast.js";
import { FFT_CASES } from "./fft.js";
import { INDEXING_CASES } from "./indexing.js";
import { JOINING_CASES } from "./joining.js";
import { LINALG_CASES } from "./linalg.js";
import { MATMUL_CASES } from "./matmul.js";
import { QUANTIZATION_CASES } from "./quantization.js";
import { RANDOM_CASES } from "./random.js";
import { REDUCTION_CASES } from "./reduction.js";
import { SHAPE_CASES } from "./shape.js";
import { SLICING_CASES } from "./slicing.js";
import { SORTING_CASES } from "./sorting.js";

/** The cases of every op: tested one family a file, probed by scripts/probe-dtypes.mjs. */
export const CASES: CaseTable = {
  ...CREATION_CASES,
  ...ELEMENTWISE_CASES,
  ...REDUCTION_CASES,
  ...SORTING_CASES,
  ...SHAPE_CASES,
  ...JOINING_CASES,
  ...RANDOM_CASES,
  ...CONVOLUTION_CASES,
  ...FAST_CASES,
  ...FFT_CASES,
  ...INDEXING_CASES,
  ...SLICING_CASES,
  ...LINALG_CASES,
  ...MATMUL_CASES,
  ...QUANTIZATION_CASES,
};
