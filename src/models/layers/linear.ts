import { mx, type Operand, type Traced } from "../../trace/index.js";
import { Module } from "../module.js";
import type { Parameter } from "../walk.js";

/** How many bits an element of a packed weight has, and how many elements share a scale. */
export interface Quantization {
  /** Bits of an element. */
  readonly bits: number;
  /** Elements that have a scale in common. */
  readonly groupSize: number;
}

/** `x @ weight.T + bias`. The weight is [outputs, inputs]. */
export class Linear extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** One row for each output. */
    readonly weight: Parameter,
    /** What is added to the product. */
    readonly bias?: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(x: Operand): Traced {
    const weight = mx.transpose(this.weight);
    return this.bias === undefined ? mx.matmul(x, weight) : mx.addmm(this.bias, x, weight);
  }
}

/** As {@link Linear}, with a packed weight: `mx.quantize` makes one, and files hold them. */
export class QuantizedLinear extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** How it is packed. */
    readonly quantization: Quantization,
    /** One row for each output. */
    readonly weight: Parameter,
    /** A scale for each group of elements. */
    readonly scales: Parameter,
    /** What is added to each group, where it is not 0. */
    readonly biases?: Parameter,
    /** What is added to the product. */
    readonly bias?: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(x: Operand): Traced {
    const { bits, groupSize } = this.quantization;
    const { weight, scales, biases } = this;
    const product = mx.quantized_matmul(x, weight, scales, biases ?? null, {
      bits,
      group_size: groupSize,
    });
    return this.bias === undefined ? product : mx.add(product, this.bias);
  }
}
