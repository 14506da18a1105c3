import { isOptional } from "../../src/graph/attributes.js";
import { inferNode } from "../../src/graph/checking/infer.js";
import type { Attribute } from "../../src/graph/graph.js";
import { DEFAULT_LIMITS } from "../../src/graph/limits.js";
import { OPS, opSpec } from "../../src/graph/ops/index.js";
import type { OpSpec } from "../../src/graph/ops/spec.js";
import { inferTypes } from "../../src/native.js";
import { elementCount, sameType, type TensorType } from "../../src/tensor/dtype.js";
import { Uncoded } from "../uncoded.js";
import { drawAttribute } from "./attributes.js";
import type { BodyNode, Ref } from "./recipe.js";
import { SUGGESTIONS, type Suggestion } from "./suggest/index.js";
import type { Types } from "./types.js";

/** Ops that `--without` leaves out. */
const WITHOUT = new Set((process.env.DAVIT_FUZZ_WITHOUT ?? "").split(","));

/** The ops that are drawn: all but the structural ones. */
export const OP_NAMES: readonly string[] = Object.keys(OPS).filter((op) => !WITHOUT.has(op));

/** A value of the body that a node may take. */
export interface Known {
  readonly ref: Ref;
  readonly type: TensorType;
}

/** A drawn node: an operand that is a type wants a parameter of its own. */
export interface DrawnNode extends Omit<BodyNode, "inputs"> {
  readonly inputs: readonly (Known | TensorType | null)[];
}

/** Elements that a value has at most, mostly: larger ones take time and tell nothing more. */
const MANY = 2 ** 17;
const MANY_OUTPUTS = 64;

/**
 * Draws a node of an op on values that are there and on new ones; undefined where the draw was refused.
 * @throws Uncoded where it was refused without a code
 */
export function drawNode(types: Types, op: string, known: readonly Known[]): DrawnNode | undefined {
  const spec = opSpec(op) as OpSpec;
  const { random } = types;
  const suggest = random.chance(0.93) ? SUGGESTIONS[op] : undefined;
  const suggestion = suggest?.(types, op);
  const inputs =
    suggestion?.types.map((type) => type && reuse(types, type, known)) ??
    operands(types, spec, known);
  while (inputs.length > 0 && inputs.at(-1) === null) inputs.pop();
  const given = inputs.map((input) => (input === null || "dtype" in input ? input : input.type));
  const attributes = drawAttributes(types, spec, op, given, suggestion);
  types.onStep?.({ op, inputs: given, attributes });
  const outputs = infer(op, given, attributes);
  if (outputs === undefined || outputs.length > MANY_OUTPUTS) return undefined;
  const large = outputs.some((type) => elementCount(type.shape) > MANY);
  if (large && !random.chance(0.002)) return undefined;
  return { op, inputs, attributes, types: outputs };
}

/** A value of the type that is there already, at times; else the type. */
function reuse(types: Types, type: TensorType, known: readonly Known[]): Known | TensorType {
  if (types.random.chance(0.4)) return type;
  const fitting = known.filter((value) => sameType(value.type, type));
  return fitting.length === 0 ? type : types.random.pick(fitting);
}

/** Operands of an op that nothing is known of: the first is any, the others are like it. */
function operands(
  types: Types,
  spec: OpSpec,
  known: readonly Known[],
): (Known | TensorType | null)[] {
  const { random } = types;
  const names = spec.operands.flatMap((name) =>
    name.startsWith("...") ? random.times(random.below(4), () => name) : [name],
  );
  let first: Known | TensorType | undefined;
  return names.map((name) => {
    if (name.endsWith("?") && random.chance(0.5)) return null;
    if (first !== undefined && random.chance(0.75)) return like(types, first);
    const any = known.length > 0 && random.chance(0.75) ? random.pick(known) : types.anyType();
    first ??= any;
    return any;
  });
}

/** A type that broadcasts with a value's, mostly; or the value itself. */
function like(types: Types, value: Known | TensorType): Known | TensorType {
  const { random } = types;
  if (random.chance(0.3)) return value;
  const { dtype, shape } = "dtype" in value ? value : value.type;
  const shapes = [
    shape,
    shape.slice(random.below(shape.length + 1)),
    shape.map((size) => (random.chance(0.5) ? 1 : size)),
  ];
  return types.type(random.chance(0.7) ? dtype : types.any(), random.pick(shapes));
}

function drawAttributes(
  types: Types,
  spec: OpSpec,
  op: string,
  given: readonly (TensorType | null)[],
  suggestion: Suggestion | undefined,
): Record<string, Attribute> {
  const { random } = types;
  const suggested = suggestion?.attributes ?? {};
  const attributes: Record<string, Attribute> = {};
  for (const [name, row] of Object.entries(spec.attributes)) {
    if (Object.hasOwn(suggested, name) && random.chance(0.96)) {
      const value = suggested[name];
      if (value !== undefined) attributes[name] = value;
    } else if (!isOptional(row) || random.chance(0.5)) {
      attributes[name] = drawAttribute(types, name, row, { op, types: given });
    }
  }
  return attributes;
}

function infer(
  op: string,
  inputs: readonly (TensorType | null)[],
  attributes: Record<string, Attribute>,
): readonly TensorType[] | undefined {
  const noFunction = () => {
    throw new Error(`${op} names a function`);
  };
  try {
    return inferNode({ op, attributes }, inputs, noFunction, {
      inferTypes,
      device: "cpu",
      limits: DEFAULT_LIMITS,
    });
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === "string") return undefined;
    throw new Uncoded(`inference of ${op} failed without a code`, { cause: error });
  }
}
