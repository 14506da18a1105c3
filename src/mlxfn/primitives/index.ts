import type { Lowering, Lowerings } from "./call.js";
import { ELEMENTWISE } from "./elementwise.js";
import { PRODUCT } from "./product.js";
import { REDUCTION } from "./reduction.js";
import { SHAPE } from "./shape.js";
import { TRANSFORM } from "./transform.js";

const LOWERINGS: Lowerings = { ...ELEMENTWISE, ...REDUCTION, ...SHAPE, ...PRODUCT, ...TRANSFORM };

/** What a primitive becomes in a graph; undefined for one that no op stands for. */
export function loweringOf(primitive: string): Lowering | undefined {
  return Object.hasOwn(LOWERINGS, primitive) ? LOWERINGS[primitive] : undefined;
}
