import type { Dtype, TensorType } from "../../src/tensor/dtype.js";
import { DTYPES } from "../../src/tensor/dtype.js";
import type { Random } from "../random.js";

/** Elements that a drawn operand has at most. */
const MOST_ELEMENTS = 20_000;
const SIZES = [0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 9, 16, 17, 32, 33, 64];
const COMMON_FLOATS: readonly Dtype[] = [
  "float32",
  "float32",
  "float32",
  "float16",
  "bfloat16",
  "float64",
];
const INTEGERS: readonly Dtype[] = DTYPES.filter((dtype) => dtype.includes("int"));

/** Draws the types of operands: all dtypes, empty axes, sizes next to those that kernels are cut by. */
export class Types {
  /** `onStep` is told of every node that is tried, before it is. */
  constructor(
    readonly random: Random,
    readonly onStep?: (step: unknown) => void,
  ) {}

  /** A size of an axis. */
  size(): number {
    return this.random.pick(SIZES);
  }

  /** A size above 0. */
  positive(): number {
    return Math.max(1, this.size());
  }

  shape(rank = this.random.below(5)): number[] {
    let count = 1;
    return this.random.times(rank, () => {
      let size = this.size();
      while (size * count > MOST_ELEMENTS) size = this.random.below(4);
      count *= Math.max(1, size);
      return size;
    });
  }

  /** A few small axes, as batches have them; often none. */
  batch(): number[] {
    if (this.random.chance(0.6)) return [];
    return this.shape(this.random.below(3)).map((size) => Math.min(size, 4));
  }

  /** Mostly a shape as it is, at times one that fits nothing. */
  bent(shape: readonly number[]): number[] {
    const { random } = this;
    const bent = [...shape];
    if (!random.chance(0.1)) return bent;
    const axis = random.below(bent.length);
    switch (random.below(bent.length === 0 ? 1 : 5)) {
      case 0:
        bent.unshift(this.size());
        break;
      case 1:
        bent[axis] = 0;
        break;
      case 2:
        bent[axis] = 1;
        break;
      case 3:
        bent[axis] = this.size();
        break;
      default:
        bent.splice(axis, 1);
    }
    return bent;
  }

  /** What kernels are made for, at times any other. */
  float(): Dtype {
    return this.random.pick(this.random.chance(0.9) ? COMMON_FLOATS : DTYPES);
  }

  /** An integer, at times any other. */
  integer(): Dtype {
    return this.random.pick(this.random.chance(0.95) ? INTEGERS : DTYPES);
  }

  any(): Dtype {
    return this.random.pick(this.random.chance(0.5) ? COMMON_FLOATS : DTYPES);
  }

  /** A type of a shape, which may be bent. */
  type(dtype: Dtype, shape: readonly number[]): TensorType {
    return { dtype, shape: this.bent(shape) };
  }

  /** Any type. */
  anyType(): TensorType {
    return { dtype: this.any(), shape: this.shape() };
  }

  /** One of several, or null: of an optional operand. */
  maybe(probability: number, type: () => TensorType): TensorType | null {
    return this.random.chance(probability) ? type() : null;
  }
}
