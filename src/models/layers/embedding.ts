import { mx, type Operand, type Traced } from "../../trace/index.js";
import { Module } from "../module.js";
import type { Parameter } from "../walk.js";
import type { Quantization } from "./linear.js";

/** A vector for each id: the rows of the weight. */
export class Embedding extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** One row for each id. */
    readonly weight: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(ids: Operand): Traced {
    return mx.take(this.weight, ids, { axis: 0 });
  }

  /** The product with all rows, as a language model with tied embeddings ends. */
  asLinear(x: Operand): Traced {
    return mx.matmul(x, mx.transpose(this.weight));
  }
}

/** As {@link Embedding}, with packed rows. */
export class QuantizedEmbedding extends Module {
  /** Makes a layer of tensors. */
  constructor(
    /** How it is packed. */
    readonly quantization: Quantization,
    /** One row for each id. */
    readonly weight: Parameter,
    /** A scale for each group of elements. */
    readonly scales: Parameter,
    /** What is added to each group, where it is not 0. */
    readonly biases?: Parameter,
  ) {
    super();
  }

  /** Computes the layer. */
  forward(ids: Operand): Traced {
    const { bits, groupSize } = this.quantization;
    const rows = (of: Parameter) => mx.take(of, ids, { axis: 0 });
    const biases = this.biases === undefined ? null : rows(this.biases);
    return mx.dequantize(rows(this.weight), rows(this.scales), biases, null, {
      bits,
      group_size: groupSize,
    });
  }

  /** The product with all rows, as a language model with tied embeddings ends. */
  asLinear(x: Operand): Traced {
    const { bits, groupSize } = this.quantization;
    const { weight, scales, biases } = this;
    return mx.quantized_matmul(x, weight, scales, biases ?? null, { bits, group_size: groupSize });
  }
}
