import type { Tensor } from "../native-tensor.js";
import type { TensorType } from "../tensor/dtype.js";
import { type ExpectedType, WeightFaults } from "./faults.js";
import {
  Embedding,
  LayerNorm,
  Linear,
  type Quantization,
  QuantizedEmbedding,
  QuantizedLinear,
  RMSNorm,
} from "./layers/index.js";
import type { Weights } from "./weights.js";

/** The sizes of a linear layer. */
export interface LinearSizes {
  /** The innermost size of what it takes. */
  readonly inputs: number;
  /** The innermost size of what it returns. */
  readonly outputs: number;
  /** Whether it has a bias. */
  readonly bias: boolean;
}

/** What the readers of one file's weights have in common. */
interface Shared {
  readonly weights: Weights;
  readonly faults: WeightFaults;
  readonly unused: Set<string>;
}

const BITS: readonly number[] = [2, 3, 4, 5, 6, 8];
const GROUP_SIZES: readonly number[] = [32, 64, 128];

/**
 * Builds the layers of a model from its weights: packed ones where the weights are packed. What is wrong is collected, and told all at once by
 * {@link WeightReader.finish}, before which no layer may be used.
 */
export class WeightReader {
  private constructor(
    private readonly shared: Shared,
    private readonly prefix: string,
  ) {}

  /** A reader of all weights of a model. */
  static of(weights: Weights): WeightReader {
    const unused = new Set(weights.keys());
    return new WeightReader({ weights, faults: new WeightFaults(), unused }, "");
  }

  /** A reader of the weights whose names begin with this and a dot. */
  at(prefix: string): WeightReader {
    return new WeightReader(this.shared, `${this.prefix}${prefix}.`);
  }

  /** Returns whether there is a weight of this name. */
  has(name: string): boolean {
    return this.shared.weights.has(this.prefix + name);
  }

  /** Takes a weight of this shape, of any floating dtype unless one is given. */
  tensor(
    name: string,
    shape: readonly number[],
    dtype: ExpectedType["dtype"] = "floating",
  ): Tensor {
    return this.#take(name, (found, whole) => {
      this.shared.faults.check(whole, found, { shape, dtype });
    });
  }

  /** A linear layer of `NAME.weight` and, where it has one, `NAME.bias`; a packed one where there is `NAME.scales`. */
  linear(name: string, { inputs, outputs, bias }: LinearSizes): Linear | QuantizedLinear {
    const layer = this.at(name);
    const added = bias ? layer.tensor("bias", [outputs]) : undefined;
    if (!layer.has("scales")) return new Linear(layer.tensor("weight", [outputs, inputs]), added);
    const { quantization, weight, scales, biases } = layer.#packed(outputs, inputs);
    return new QuantizedLinear(quantization, weight, scales, biases, added);
  }

  /** Vectors of this size for `count` ids, of `NAME.weight`; packed ones where there is `NAME.scales`. */
  embedding(name: string, count: number, size: number): Embedding | QuantizedEmbedding {
    const layer = this.at(name);
    if (!layer.has("scales")) return new Embedding(layer.tensor("weight", [count, size]));
    const { quantization, weight, scales, biases } = layer.#packed(count, size);
    return new QuantizedEmbedding(quantization, weight, scales, biases);
  }

  /** A layer norm of `NAME.weight` and `NAME.bias`. */
  layerNorm(name: string, size: number, eps: number): LayerNorm {
    const layer = this.at(name);
    return new LayerNorm(eps, layer.tensor("weight", [size]), layer.tensor("bias", [size]));
  }

  /** An RMS norm of `NAME.weight`. */
  rmsNorm(name: string, size: number, eps: number): RMSNorm {
    return new RMSNorm(eps, this.at(name).tensor("weight", [size]));
  }

  /** Passes over weights that the model has no use for, by the whole name. */
  ignore(unneeded: (name: string) => boolean): void {
    for (const name of this.shared.unused) if (unneeded(name)) this.shared.unused.delete(name);
  }

  /** @throws WeightsError that names everything that is missing, surplus, or of another shape or dtype */
  finish(): void {
    const { faults, unused, weights } = this.shared;
    faults.surplus.push(...unused);
    unused.clear();
    faults.throwIfAny(weights.source);
  }

  #take(name: string, check: (found: TensorType, whole: string) => void): Tensor {
    const whole = this.prefix + name;
    const { weights, faults, unused } = this.shared;
    unused.delete(whole);
    try {
      const weight = weights.tensors.get(whole);
      if (weight !== undefined) {
        check(weight.type, whole);
        return weight.tensor();
      }
      faults.missing.push(whole);
    } catch (error) {
      faults.refused(whole, error);
    }
    return UNUSABLE;
  }

  /** The innermost size of a weight; 0 where it has none or cannot be read, which taking it tells. */
  #lastSize(name: string): number {
    try {
      return this.shared.weights.tensors.get(this.prefix + name)?.type.shape.at(-1) ?? 0;
    } catch {
      return 0;
    }
  }

  /** The parts of a packed matrix; how it is packed follows from their shapes. */
  #packed(rows: number, columns: number) {
    let quantization: Quantization = { bits: 0, groupSize: 0 };
    const found = columns / this.#lastSize("scales");
    // With another number of scales the weight is not to blame.
    const groupSize = GROUP_SIZES.includes(found) ? found : 32;
    const groups = columns / groupSize;
    const weight = this.#take("weight", (found, whole) => {
      const bits = ((found.shape.at(-1) ?? 0) * 32) / columns;
      quantization = { bits, groupSize };
      const words = (columns * (BITS.includes(bits) ? bits : 4)) / 32;
      this.shared.faults.check(whole, found, { shape: [rows, words], dtype: "uint32" });
    });
    const scales = this.tensor("scales", [rows, groups]);
    const biases = this.has("biases") ? this.tensor("biases", [rows, groups]) : undefined;
    return { quantization, weight, scales, biases };
  }
}

/** In the place of a weight that was refused: {@link WeightReader.finish} throws before anybody uses it. */
const UNUSABLE = undefined as unknown as Tensor;
