import { type Holding, MemoryOwners } from "../engine/memory.js";
import type { Tensor } from "../native-tensor.js";
import { isPlainObject } from "../realm.js";
import { ModelError } from "./error.js";
import { fieldsOf, Module } from "./module.js";

/** The methods that change a module. */
const CHANGES = ["update", "load", "apply", "train", "freeze", "unfreeze"] as const;

/** The name of a method that changes a module. */
type Change = (typeof CHANGES)[number];

/** A field of a materialized module: modules are materialized, lists and objects cannot be written to. */
type Materialized<T> = T extends Module
  ? MaterializedModule<T>
  : T extends Tensor | ((...args: never[]) => unknown)
    ? T
    : T extends readonly unknown[] | { readonly [key: string]: unknown }
      ? { readonly [K in keyof T]: Materialized<T[K]> }
      : T;

/**
 * A module whose parameters are computed and do not change: any number of sessions, runs and lanes use it at the same time, without a lock. It has
 * the fields and methods of the module that it was made of, but none that change it.
 */
export type MaterializedModule<M extends Module> = {
  readonly [K in Exclude<keyof M, Change>]: Materialized<M[K]>;
} & {
  /** Calls a function with the module, at once, and returns its result. */
  perform<R>(work: (module: MaterializedModule<M>) => R): R;
};

const materialized = new WeakSet<object>();

/** Tells a materialized module. */
export function isMaterialized(module: object): boolean {
  return materialized.has(module);
}

/**
 * Computes and reads all parameters of a module, and returns a copy of it that shares their memory and cannot be changed; the modules in it are
 * copied in the same way. The module itself may be changed further. The copy is not in training.
 *
 * The copy has the class of the module, without its constructor being called: a class with private `#fields` cannot be materialized.
 *
 * The parameters' memory is everybody's from then on: their writable views end, and new ones are refused.
 *
 * @throws what reading or computing a parameter throws
 */
export async function materialize<M extends Module>(module: M): Promise<MaterializedModule<M>> {
  if (isMaterialized(module)) return module as unknown as MaterializedModule<M>;
  for (const tensor of new Set(Object.values(module.parameters()))) {
    await tensor.evaluate();
    tensor.seal();
    // Large files are read tensor by tensor: others have their turn between them.
    await new Promise(setImmediate);
  }
  const copy = copyOf(module, new Map()) as Module;
  list(copy);
  return copy as unknown as MaterializedModule<M>;
}

/** What lists modules among the owners of their engines' memory, as long as the modules live. */
const listed = new WeakMap<Module, Holding[]>();

function list(module: Module): void {
  const tensors = new Set(Object.values(module.parameters()));
  const engines = new Set([...tensors].map(({ native }) => native));
  const holdings = [...engines].map((native) => {
    const own = [...tensors].filter((tensor) => tensor.native === native);
    const values = () => own.filter(({ freed }) => !freed).map(({ value }) => value);
    const holding = { kind: "model", name: module.constructor.name, values } as const;
    MemoryOwners.of(native).addWeakly(holding);
    return holding;
  });
  listed.set(module, holdings);
}

/** Copies modules, lists and plain objects, each of them once. */
function copyOf(value: unknown, copies: Map<object, object>): unknown {
  if (typeof value !== "object" || value === null || isMaterialized(value)) return value;
  const known = copies.get(value);
  if (known !== undefined) return known;
  const copy = emptyCopy(value);
  if (copy === undefined) return value;
  copies.set(value, copy);
  for (const [key, field] of Object.entries(value)) {
    (copy as Record<string, unknown>)[key] = copyOf(field, copies);
  }
  if (value instanceof Module) {
    (copy as Module).training = false;
    materialized.add(copy);
  }
  return Object.freeze(copy);
}

/** An object for the copy of a module, a list or a plain object; nothing for what is not copied. */
function emptyCopy(value: object): object | undefined {
  if (value instanceof Module) return Object.create(immutable(Object.getPrototypeOf(value)));
  if (Array.isArray(value)) return [];
  return isPlainObject(value) ? {} : undefined;
}

/** For each class of modules the prototype of its materialized ones. */
const prototypes = new WeakMap<object, object>();

function immutable(prototype: object): object {
  const known = prototypes.get(prototype);
  if (known !== undefined) return known;
  const made = Object.create(prototype, {
    perform: {
      value(this: object, work: (module: object) => unknown) {
        return work(this);
      },
    },
    ...Object.fromEntries(CHANGES.map((name) => [name, { value: refusing(name) }])),
  });
  prototypes.set(prototype, made);
  return made;
}

function refusing(name: Change) {
  return function (this: Module): never {
    const count = fieldsOf(this).length;
    throw new ModelError(
      "module_immutable",
      `${name} was called on a materialized ${this.constructor.name} of ${count} parameters, which others may be using`,
      "a call on the module that it was made of",
    );
  };
}
