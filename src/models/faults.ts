import { DavitError } from "../error.js";
import { describeThrown, listNames } from "../show.js";
import { dtypeKind, formatType, type TensorType } from "../tensor/dtype.js";

/** A weight that is not of the type that the model has there. */
export interface WrongWeight {
  /** The name of the weight. */
  readonly name: string;
  /** The shape, or the dtype, that the model has there. */
  readonly expected: string;
  /** The type of the tensor that was given. */
  readonly found: TensorType;
}

/** Everything that is wrong with the weights of a model, found at once. */
export class WeightsError extends DavitError {
  /** The stable code of the error. */
  declare readonly code: "weights_invalid";
  /** Names of weights that the model has and the file does not. */
  readonly missing: readonly string[];
  /** Names of tensors in the file that the model does not have. */
  readonly surplus: readonly string[];
  /** Weights of another shape. */
  readonly misshapen: readonly WrongWeight[];
  /** Weights of another dtype. */
  readonly mistyped: readonly WrongWeight[];
  /** Names of tensors that the file has and that cannot be read, with the reason. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];

  /** Makes an error of what was collected. @internal */
  constructor(source: string, faults: WeightFaults) {
    super("weights_invalid", `${source}: ${faults.describe()}`);
    this.missing = faults.missing;
    this.surplus = faults.surplus;
    this.misshapen = faults.misshapen;
    this.mistyped = faults.mistyped;
    this.unreadable = faults.unreadable;
  }
}

/** Collects what is wrong with weights, so that all of it is told at once. */
export class WeightFaults {
  readonly missing: string[] = [];
  readonly surplus: string[] = [];
  readonly misshapen: WrongWeight[] = [];
  readonly mistyped: WrongWeight[] = [];
  readonly unreadable: { name: string; reason: string }[] = [];

  /** Notes what is wrong with the type of a weight, if anything is. Returns whether it is right. */
  check(name: string, found: TensorType, expected: ExpectedType): boolean {
    const { shape } = expected;
    if (found.shape.length !== shape.length || shape.some((size, i) => size !== found.shape[i])) {
      this.misshapen.push({ name, expected: `[${shape.join(", ")}]`, found });
      return false;
    }
    if (!fits(found, expected)) {
      this.mistyped.push({ name, expected: expected.dtype, found });
      return false;
    }
    return true;
  }

  /** Notes a tensor that cannot be read. */
  refused(name: string, error: unknown): void {
    this.unreadable.push({ name, reason: describeThrown(error).message });
  }

  /** @throws WeightsError where there is anything wrong */
  throwIfAny(source: string): void {
    if (this.describe() !== "") throw new WeightsError(source, this);
  }

  /** Returns all of it as one text. */
  describe(): string {
    const wrong = ({ name, expected, found }: WrongWeight) =>
      `${name}: ${formatType(found)}, expected ${expected}`;
    const parts: [what: string, texts: readonly string[]][] = [
      ["missing", this.missing],
      ["not of this model", this.surplus],
      ["of another shape", this.misshapen.map(wrong)],
      ["of another dtype", this.mistyped.map(wrong)],
      ["unreadable", this.unreadable.map(({ name, reason }) => `${name}: ${reason}`)],
    ];
    return parts
      .filter(([, texts]) => texts.length > 0)
      .map(([what, texts]) => `${texts.length} ${what} (${listNames(texts)})`)
      .join("; ");
  }
}

/** A shape, and a dtype or any floating one. */
export interface ExpectedType {
  readonly shape: readonly number[];
  readonly dtype: TensorType["dtype"] | "floating";
}

function fits({ dtype }: TensorType, { dtype: expected }: ExpectedType): boolean {
  return expected === "floating" ? dtypeKind(dtype) === "float" : dtype === expected;
}

/** What may take the place of a tensor of a module: its shape, and any floating dtype for a floating one. */
export function replacementOf({ shape, dtype }: TensorType): ExpectedType {
  return { shape, dtype: dtypeKind(dtype) === "float" ? "floating" : dtype };
}
