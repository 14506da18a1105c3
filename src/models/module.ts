import { writeTensors } from "../files/index.js";
import { Tensor } from "../native-tensor.js";
import { listNames } from "../show.js";
import { byteLength } from "../tensor/dtype.js";
import type { OperandTree } from "../trace/index.js";
import { ModelError } from "./error.js";
import { replacementOf, WeightFaults } from "./faults.js";
import { type Parameter, type ParameterField, parameterFields } from "./walk.js";

/** Tensors by the names of a module's parameters. It is an argument for a function of `engine.jit` as it is. */
export type Parameters = Readonly<Record<string, Tensor>>;

/** Named tensors that a module is filled from: those of a file, or some made by hand. */
export interface NamedTensors {
  /** What messages call it. */
  readonly source?: string;
  /** Their names. */
  keys(): Iterable<string>;
  /** Returns the tensor of this name. @throws where the tensor cannot be used */
  get(name: string): Tensor | undefined;
}

/** Names of each module's own parameters that are frozen. */
const frozen = new WeakMap<object, Set<string>>();

/**
 * A tree of named tensors with a function of them. A class that extends it has tensors, other modules, and lists and plain objects of these as
 * fields; a parameter is named by the fields that lead to it: `layers.0.weight`. `forward` is traced: it is written with `mx`.
 *
 * A program that was traced keeps the tensors that the module had then. {@link withParameters} makes them inputs of a program, and `materialize`
 * makes a module that does not change.
 *
 * @example
 * ```ts
 * class Dense extends Module {
 *   constructor(readonly weight: Parameter, readonly bias: Parameter) {
 *     super();
 *   }
 *   forward(x: Traced): Traced {
 *     return mx.add(mx.matmul(x, this.weight), this.bias);
 *   }
 * }
 * ```
 */
export abstract class Module {
  /** Whether `forward` is that of training: for layers that do something else then, such as a dropout. */
  training = true;

  /** Computes the module's results; to be called inside a traced function. */
  abstract forward(...args: never[]): OperandTree;

  /** Returns all parameters by their names. */
  parameters(): Record<string, Tensor> {
    return named(fieldsOf(this));
  }

  /** Returns the parameters that are not frozen. */
  trainable(): Record<string, Tensor> {
    return named(fieldsOf(this).filter((field) => !isFrozen(field)));
  }

  /** The bytes of all parameters; a tensor that has two names counts once. */
  get byteLength(): number {
    const tensors = new Set(Object.values(this.parameters()));
    return [...tensors].reduce((sum, { type }) => sum + byteLength(type), 0);
  }

  /**
   * Replaces parameters.
   * @throws WeightsError where one is not of this module, or of another shape or dtype; then none is replaced
   */
  update(parameters: Parameters): this {
    return this.load(recordOf(parameters, "the parameters given"), { missing: "keep" });
  }

  /**
   * Replaces all parameters by tensors of the same names, such as those of `openWeights`.
   * @throws WeightsError that names everything that is missing, surplus, or of another shape or dtype; then none is replaced
   */
  load(weights: NamedTensors | Parameters, options: { readonly missing?: "keep" } = {}): this {
    const given = isNamedTensors(weights) ? weights : recordOf(weights, "the tensors given");
    const faults = new WeightFaults();
    const surplus = new Set(given.keys());
    const replacements: [ParameterField, Tensor][] = [];
    for (const field of fieldsOf(this)) {
      const { name, value } = field;
      if (!surplus.delete(name)) {
        if (options.missing !== "keep") faults.missing.push(name);
        continue;
      }
      try {
        const tensor = given.get(name) as Tensor;
        if (faults.check(name, tensor.type, replacementOf(value.type))) {
          replacements.push([field, tensor]);
        }
      } catch (error) {
        faults.refused(name, error);
      }
    }
    faults.surplus.push(...surplus);
    faults.throwIfAny(given.source ?? this.constructor.name);
    for (const [{ holder, key }, tensor] of replacements) holder[key] = tensor;
    return this;
  }

  /** Replaces each parameter by what a function returns for it. @throws WeightsError as {@link Module.update} */
  apply(change: (tensor: Tensor, name: string) => Tensor): this {
    const changed = Object.entries(this.parameters()).map(([name, tensor]) => [
      name,
      change(tensor, name),
    ]);
    return this.update(Object.fromEntries(changed));
  }

  /** Writes all parameters to a .safetensors or .npz file. @throws FileError */
  async save(path: string): Promise<void> {
    const tensors = new Map<string, { type: Tensor["type"]; bytes: Uint8Array }>();
    for (const [name, tensor] of Object.entries(this.parameters())) {
      tensors.set(name, { type: tensor.type, bytes: await tensor.bytes() });
    }
    await writeTensors(path, tensors);
  }

  /** Sets `training` of this module and of all in it. */
  train(training = true): this {
    for (const module of modulesOf(this)) module.training = training;
    return this;
  }

  /**
   * Takes parameters out of {@link Module.trainable}: all, or those that have one of these names or begin with it.
   * @throws ModelError `module_invalid` where no parameter does
   */
  freeze(...names: string[]): this {
    for (const { module, local } of this.#named(names)) {
      const own = frozen.get(module) ?? new Set();
      frozen.set(module, own.add(local));
    }
    return this;
  }

  /** The opposite of {@link Module.freeze}. */
  unfreeze(...names: string[]): this {
    for (const { module, local } of this.#named(names)) frozen.get(module)?.delete(local);
    return this;
  }

  #named(names: readonly string[]): ParameterField[] {
    const fields = fieldsOf(this);
    if (names.length === 0) return fields;
    const begins = (name: string) => (field: ParameterField) =>
      field.name === name || field.name.startsWith(`${name}.`);
    for (const name of names) if (!fields.some(begins(name))) throw unknownParameter(this, name);
    return fields.filter((field) => names.some((name) => begins(name)(field)));
  }
}

/**
 * Calls a function with other values in the place of a module's parameters, such as traced ones: so a program takes parameters as inputs, and
 * derivatives are taken with respect to them.
 *
 * @example
 * ```ts
 * const loss = (p: Record<string, Traced>, x: Traced) => withParameters(model, p, () => mx.mean(model.forward(x)));
 * const step = engine.jit((p: Record<string, Traced>, x: Traced) => grad(loss)(p, x));
 * const gradients = await step(model.trainable(), x);
 * ```
 * @throws ModelError `module_invalid` where the module has no parameter of a name
 */
export function withParameters<R>(
  module: Module,
  parameters: Readonly<Record<string, Parameter>>,
  call: () => R,
): R {
  const fields = new Map(fieldsOf(module).map((field) => [field.name, field]));
  const bound: ParameterField[] = [];
  try {
    for (const [name, value] of Object.entries(parameters)) {
      const field = fields.get(name);
      if (field === undefined) throw unknownParameter(module, name);
      if (Object.isFrozen(field.holder)) {
        const problem = `the parameter "${name}" is that of a materialized module`;
        throw new ModelError("module_immutable", problem, "a module that is not materialized");
      }
      bound.push(field);
      field.holder[field.key] = value;
    }
    return call();
  } finally {
    for (const { holder, key, value } of bound) holder[key] = value;
  }
}

/** The fields of a module that hold parameters. */
export function fieldsOf(module: Module): ParameterField[] {
  return parameterFields(module, (value) => value instanceof Module);
}

function named(fields: readonly ParameterField[]): Record<string, Tensor> {
  return Object.fromEntries(
    fields.map(({ name, value }) => {
      if (value instanceof Tensor) return [name, value];
      const problem = `the parameter "${name}" is a traced value, which another function has bound`;
      throw new ModelError("module_invalid", problem, "a call outside withParameters");
    }),
  );
}

function isFrozen({ module, local }: ParameterField): boolean {
  return frozen.get(module)?.has(local) ?? false;
}

/** A module and all modules in it, also those in lists and plain objects. */
function modulesOf(root: Module): Set<Module> {
  const found = new Set<Module>();
  parameterFields(root, (value) => {
    if (value instanceof Module) found.add(value);
    return value instanceof Module;
  });
  return found.add(root);
}

function unknownParameter(module: Module, name: string): ModelError {
  const names = fieldsOf(module).map((field) => field.name);
  const problem = `the ${module.constructor.name} has no parameter "${name}"`;
  return new ModelError("module_invalid", problem, `one of ${listNames(names, name)}`);
}

function isNamedTensors(weights: NamedTensors | Parameters): weights is NamedTensors {
  return typeof weights.get === "function" && typeof weights.keys === "function";
}

function recordOf(tensors: Parameters, source: string): NamedTensors {
  const map = new Map(Object.entries(tensors));
  return { source, keys: () => map.keys(), get: (name) => map.get(name) };
}
