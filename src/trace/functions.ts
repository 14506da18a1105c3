import { GraphError } from "../graph/error.js";
import type { Attributes } from "../graph/graph.js";
import { OPS, type OpName } from "../graph/ops/index.js";
import type { AttributeKind, AttributeSpec, OpSpec } from "../graph/ops/spec.js";
import { isPlainObject } from "../realm.js";
import { show } from "../show.js";
import type { Dtype, TensorType } from "../tensor/dtype.js";
import { currentTrace } from "./builder.js";
import { isTensor, type Operand, operandType, toTraced } from "./operand.js";
import type { Traced } from "./traced.js";

/** The JavaScript type of each kind of attribute. */
interface KindType extends Record<AttributeKind, unknown> {
  bool: boolean;
  int: number | bigint;
  ints: readonly (number | bigint)[];
  float: number;
  floats: readonly number[];
  string: string;
  strings: readonly string[];
  dtype: Dtype;
  bytes: Uint8Array;
  function: number;
  functions: readonly number[];
  types: readonly TensorType[];
}

type AttributeType<S extends AttributeSpec> = S extends { readonly values: readonly (infer V)[] }
  ? V
  : KindType[S["kind"]];

type OptionalNames<A extends OpSpec["attributes"]> = {
  [K in keyof A]: A[K] extends { readonly optional: true } | { readonly default: unknown }
    ? K
    : never;
}[keyof A];

type AttributesOf<A extends OpSpec["attributes"]> = {
  readonly [K in Exclude<keyof A, OptionalNames<A>>]: AttributeType<A[K]>;
} & { readonly [K in OptionalNames<A>]?: AttributeType<A[K]> };

type AttributeArgument<A extends OpSpec["attributes"]> = keyof A extends never
  ? []
  : Exclude<keyof A, OptionalNames<A>> extends never
    ? [attributes?: AttributesOf<A>]
    : [attributes: AttributesOf<A>];

type OperandArguments<Names extends readonly string[]> = Names extends readonly [
  infer Head extends string,
  ...infer Rest extends readonly string[],
]
  ? Head extends `...${string}`
    ? [operands: readonly Operand[], ...OperandArguments<Rest>]
    : Head extends `${string}?`
      ? [operand: Operand | null, ...OperandArguments<Rest>]
      : [operand: Operand, ...OperandArguments<Rest>]
  : [];

type Outputs<S extends OpSpec> = S extends { readonly outputs: infer N }
  ? N extends 2
    ? [Traced, Traced]
    : N extends 3
      ? [Traced, Traced, Traced]
      : N extends 1
        ? Traced
        : Traced[]
  : Traced;

/** An op of the table as a function: its operands, then its attributes. An absent optional operand is null. */
export type OpFunction<S extends OpSpec> = (
  ...args: [...OperandArguments<S["operands"]>, ...AttributeArgument<S["attributes"]>]
) => Outputs<S>;

type Row<Name extends OpName> = (typeof OPS)[Name] extends infer S extends OpSpec ? S : never;

/** Functions with another signature than their row in the op table. */
interface OtherSignatures {
  /** As in MLX: `mx.einsum("ij,jk->ik", a, b)`. */
  readonly einsum: (subscripts: string, ...operands: Operand[]) => Traced;
}

type Plain = {
  readonly [K in OpName as K extends `${string}.${string}` | keyof OtherSignatures
    ? never
    : K]: OpFunction<Row<K>>;
} & OtherSignatures;

type ModuleName = OpName extends infer K ? (K extends `${infer M}.${string}` ? M : never) : never;

type Modules = {
  readonly [M in ModuleName]: {
    readonly [K in OpName as K extends `${M}.${infer Name}` ? Name : never]: OpFunction<Row<K>>;
  };
};

/** Every op of the table by MLX's name, as a function for traced code: `mx.add(a, b)`, `mx.fast.rms_norm(…)`. */
export type Mx = Plain & Modules;

/** The arguments of a function of `mx`: operands with their names, and attributes. */
interface Call {
  readonly operands: readonly { readonly name: string; readonly value: Operand | null }[];
  readonly attributes: Attributes;
}

/** Ops whose arguments are in another order in MLX: those arguments as operands and attributes. */
const ORDERS: Partial<Record<OpName, (...args: never[]) => unknown[]>> = {
  einsum: (subscripts: unknown, ...operands: unknown[]) => {
    if (typeof subscripts !== "string") {
      throw new GraphError("attribute_invalid", `the first argument is ${show(subscripts)}`, {
        expected: 'subscripts, as in mx.einsum("ij,jk->ik", a, b)',
      });
    }
    return [operands, { subscripts }];
  },
};

/** Returns a call of the function of an op as one writes it: `mx.softmax(a, { axes, precise })`. */
function signature(op: OpName, spec: OpSpec): string {
  if (op === "einsum") return "mx.einsum(subscripts, a, b, ...)";
  const operands = spec.operands.map((name) =>
    name.startsWith("...") ? `[${name.slice(3)}, ...]` : name,
  );
  const names = Object.keys(spec.attributes);
  const attributes = names.length === 0 ? [] : [`{ ${names.join(", ")} }`];
  return `mx.${op}(${[...operands, ...attributes].join(", ")})`;
}

function readCall(op: OpName, spec: OpSpec, args: readonly unknown[]): Call {
  const given = [...args];
  const last = given.at(-1);
  const attributes = isPlainObject(last) && !isTensor(last) ? (given.pop() as Attributes) : {};
  if (given.length > spec.operands.length) {
    throw new GraphError("arity_invalid", `${given.length} operands were given`, {
      expected: signature(op, spec),
    });
  }
  const operands = spec.operands.flatMap((name, index) => {
    const value = (given[index] ?? null) as Operand | null;
    if (name.startsWith("...")) return readList(name.slice(3), value);
    if (value === null && !name.endsWith("?")) {
      throw new GraphError("arity_invalid", `operand "${name}" is missing`, {
        expected: signature(op, spec),
      });
    }
    return [{ name: name.replace("?", ""), value }];
  });
  while (operands.at(-1)?.value === null) operands.pop();
  const present = Object.entries(attributes).filter(([, value]) => value !== undefined);
  return { operands, attributes: Object.fromEntries(present) };
}

function readList(name: string, value: unknown): { name: string; value: Operand }[] {
  if (value === null) return [];
  if (Array.isArray(value)) return value.map((item) => ({ name, value: item as Operand }));
  throw new GraphError("operand_invalid", `operand "${name}" is no list`, {
    expected: "a list of operands",
  });
}

function makeFunction(op: OpName, spec: OpSpec) {
  return (...args: unknown[]): Traced | Traced[] => {
    const { builder } = currentTrace(`mx.${op}`);
    try {
      const ordered = ORDERS[op]?.(...(args as never[])) ?? args;
      const { operands, attributes } = readCall(op, spec, ordered);
      const types = operands.map(({ value }) => operandType(value));
      const beside = types.find((type) => type !== undefined)?.dtype;
      const inputs = operands.map(({ name, value }) =>
        value === null ? null : toTraced(builder, value, name, beside, spec.roles?.[name]),
      );
      const outputs = builder.call(op, inputs, attributes);
      return spec.outputs === undefined || spec.outputs === 1 ? (outputs[0] as Traced) : outputs;
    } catch (error) {
      if (!(error instanceof GraphError)) throw error;
      throw error.within({ op, label: builder.context.labelFor(op) });
    }
  };
}

function makeFunctions(): Mx {
  const functions: Record<string, unknown> = {};
  for (const [op, spec] of Object.entries(OPS) as [OpName, OpSpec][]) {
    const [first, second] = op.split(".") as [string, string | undefined];
    if (second === undefined) {
      functions[first] = makeFunction(op, spec);
    } else {
      functions[first] ??= {};
      (functions[first] as Record<string, unknown>)[second] = makeFunction(op, spec);
    }
  }
  return functions as unknown as Mx;
}

/** Tensor functions in MLX's names, for functions that are traced. */
export const mx: Mx = makeFunctions();
