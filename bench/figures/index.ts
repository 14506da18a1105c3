import type { Figures } from "../figure.js";
import { bulkFigures } from "./bulk.js";
import { computeFigures } from "./compute.js";
import { functionFigures } from "./functions.js";
import { generateFigures } from "./generate.js";
import { hookFigures } from "./hooks.js";
import { kernelFigures } from "./kernels.js";
import { loadFigures } from "./load.js";
import { loopFigures } from "./loops.js";
import { memoryFigures } from "./memory.js";
import { nxFigures } from "./nx.js";
import { roundtripFigures } from "./roundtrip.js";
import { storeFigures } from "./store.js";

/** All figures, in the order of the table. */
export const figures: Figures = {
  ...roundtripFigures,
  ...bulkFigures,
  ...hookFigures,
  ...loopFigures,
  ...loadFigures,
  ...storeFigures,
  ...memoryFigures,
  ...computeFigures,
  ...generateFigures,
  ...functionFigures,
  ...kernelFigures,
  ...nxFigures,
};
