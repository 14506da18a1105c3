import type { HookEvent, Summary } from "../hooks/event.js";
import type { ProgramId, RunId } from "../native.js";
import { isBytes } from "../realm.js";
import type { TensorType } from "../tensor/dtype.js";
import { type TypedArray, typedArrayOf } from "../tensor/typed-array.js";

/** A firing of a hook as a handler of this process gets it. */
export interface Firing {
  readonly name: string | undefined;
  readonly label: string | undefined;
  /** The node's number in program order: tells two hooks of one name apart. */
  readonly site: number;
  readonly run: RunId;
  readonly program: ProgramId;
  /** Firings in this run before this one. */
  readonly seq: number;
  /** Iterations of the loops around it, outermost first. */
  readonly path: readonly number[];
  /** Firings that the policy left out since the previous one. */
  readonly dropped: number;
  /** The first value; most hooks have one. */
  readonly value: TypedArray | Summary;
  readonly values: readonly (TypedArray | Summary)[];
  /** The values' types; a `slice` view has fewer elements than they say. */
  readonly types: readonly TensorType[];
}

/** The event with its values as typed arrays, as {@link Tensor.view} gives them. */
export function toFiring(event: HookEvent): Firing {
  const { site, run, program, seq, path, dropped } = event;
  const values = event.values.map((value, index) =>
    isBytes(value) ? typedArrayOf((site.types[index] as TensorType).dtype, value) : value,
  );
  return {
    name: site.name,
    label: site.label,
    site: site.site,
    run,
    program,
    seq,
    path,
    dropped,
    value: values[0] as TypedArray | Summary,
    values,
    types: site.types,
  };
}
