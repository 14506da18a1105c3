import { DavitError } from "../error.js";
import { slotId } from "../hooks/ids.js";
import { Tensor } from "../native-tensor.js";
import { isPlainObject } from "../realm.js";
import { show } from "../show.js";
import { formatType } from "../tensor/dtype.js";
import type { Slot } from "../trace/builder.js";
import type { TraceResult } from "../trace/trace.js";
import { flatten, type Tree } from "../trace/tree.js";

/** How the programs of a function are kept in the store. */
export interface JitStore {
  /** The name that they are kept by, with the types of the arguments. A function's code is no part of it. */
  readonly name: string;
  /**
   * What the function uses from outside: tensors and functions, which are bound again in each process, in this order; numbers, texts and
   * booleans, which are part of the name. A program with a tensor or a function that is not here is not kept.
   */
  readonly captured?: readonly unknown[];
  /**
   * Whether, after the first run of a program that the store had, the function is traced and compared with it. Where it differs the process warns, the
   * store forgets the program, and the next call uses the new one. Default true.
   */
  readonly verify?: boolean;
}

/** The parts of a trace that a call needs. */
export interface Bound {
  readonly slots: readonly Slot[];
  /** Puts the results together as the function returned them. */
  rebuild(outputs: readonly Tensor[]): Tree<Tensor>;
}

/** What is kept of a trace, beside its graph: `captured` items by their places, and the form of the result. */
interface Note {
  readonly externals: readonly (readonly [name: string, place: number])[];
  readonly slots: readonly number[];
  readonly results: Tree<number>;
}

/** @throws DavitError `option_invalid` */
export function jitStore(option: string | JitStore): Required<JitStore> {
  const given: unknown = typeof option === "string" ? { name: option } : option;
  const {
    name,
    captured = [],
    verify = true,
  } = (isPlainObject(given) ? given : {}) as Partial<JitStore>;
  if (typeof name === "string" && Array.isArray(captured) && typeof verify === "boolean") {
    return { name, captured, verify };
  }
  const expected = "a name, or {name, captured?: list, verify?: boolean}";
  throw new DavitError("option_invalid", `store is ${show(option)}; expected ${expected}`, {
    expected,
  });
}

/** The name of a program: that of the function, the types of its arguments, and what it captured. */
export function storeKey({ name, captured }: Required<JitStore>, argumentsKey: string): string {
  const parts = captured.map((item) => {
    if (item instanceof Tensor) return formatType(item.type);
    if (typeof item === "function") return "function";
    if (typeof item === "number") return Object.is(item, -0) ? "-0" : String(item);
    if (typeof item === "string" || typeof item === "boolean") return JSON.stringify(item);
    const expected = "tensors, functions, numbers, texts or booleans";
    throw new DavitError(
      "option_invalid",
      `captured of store "${name}" has ${show(item)}; expected ${expected}`,
      { expected },
    );
  });
  return JSON.stringify(["jit", name, argumentsKey, parts]);
}

/** What is to be kept of a trace; a text that says why it cannot be bound again, where it cannot. */
export function noteOf(traced: TraceResult, captured: readonly unknown[]): Uint8Array | string {
  const externals: [string, number][] = [];
  for (const [name, tensor] of traced.captures) {
    const place = captured.indexOf(tensor);
    if (place < 0) return `a tensor ${formatType(tensor.type)}`;
    externals.push([name, place]);
  }
  const slots: number[] = [];
  for (const { handler } of traced.slots) {
    const place = captured.indexOf(handler);
    if (place < 0) return `the function "${handler.name}"`;
    slots.push(place);
  }
  const { results } = traced;
  const note: Note = { externals, slots, results: results.rebuild([...results.leaves.keys()]) };
  return Buffer.from(JSON.stringify(note));
}

/** Binds a kept program to what the function at hand captured. */
export function bindNote(
  bytes: Uint8Array,
  captured: readonly unknown[],
): Bound & { readonly externals: ReadonlyMap<string, Tensor> } {
  const { externals, slots, results } = JSON.parse(Buffer.from(bytes).toString()) as Note;
  const tree = flatten<number>(results);
  return {
    externals: new Map(externals.map(([name, place]) => [name, captured[place] as Tensor])),
    slots: slots.map((place, slot) => ({
      id: slotId(slot),
      handler: captured[place] as Slot["handler"],
    })),
    rebuild: (outputs) => tree.rebuild(tree.leaves.map((place) => outputs[place] as Tensor)),
  };
}
