import { mx, type Operand, type Traced } from "../../trace/index.js";
import { Module } from "../module.js";
import type { Parameter } from "../walk.js";

/** Rows of mean 0 and variance 1, then scaled and shifted. */
export class LayerNorm extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** What is added to the variance, or to the mean square. */
    readonly eps: number,
    /** A factor for each column. */
    readonly weight: Parameter,
    /** What is added to each column. */
    readonly bias?: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(x: Operand): Traced {
    return mx.fast.layer_norm(x, this.weight, this.bias ?? null, { eps: this.eps });
  }
}

/** Rows of mean square 1, then scaled. */
export class RMSNorm extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** What is added to the variance, or to the mean square. */
    readonly eps: number,
    /** A factor for each column. */
    readonly weight: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(x: Operand): Traced {
    return mx.fast.rms_norm(x, this.weight, { eps: this.eps });
  }
}
