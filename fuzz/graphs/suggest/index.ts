import { CONVOLUTION_SUGGESTIONS } from "./convolution.js";
import { FAST_SUGGESTIONS } from "./fast.js";
import { INDEXING_SUGGESTIONS } from "./indexing.js";
import { LINALG_SUGGESTIONS } from "./linalg.js";
import { MATMUL_SUGGESTIONS } from "./matmul.js";
import { OTHER_SUGGESTIONS } from "./others.js";
import { QUANTIZATION_SUGGESTIONS } from "./quantization.js";
import type { Suggestions } from "./suggestion.js";

export type { Suggestion } from "./suggestion.js";

/** For ops that operands drawn without knowledge would hardly ever fit. */
export const SUGGESTIONS: Suggestions = {
  ...MATMUL_SUGGESTIONS,
  ...CONVOLUTION_SUGGESTIONS,
  ...INDEXING_SUGGESTIONS,
  ...LINALG_SUGGESTIONS,
  ...QUANTIZATION_SUGGESTIONS,
  ...FAST_SUGGESTIONS,
  ...OTHER_SUGGESTIONS,
};
