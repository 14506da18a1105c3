import type { Step, Trace } from "../../src/mlxfn/file.js";
import { LAYOUTS, type State, type StateKind, type StateValue } from "../../src/mlxfn/state.js";
import { DTYPES, type TensorType } from "../../src/tensor/dtype.js";
import { mlxFunctionFile } from "../../test/support/mlxfn-file.js";
import { filled } from "../graphs/fill.js";
import { Types } from "../graphs/types.js";
import type { Random } from "../random.js";

const PRIMITIVES = [...LAYOUTS.keys()];
/** Primitives that most data go through. */
const COMMON = [
  "Add",
  "Multiply",
  "Exp",
  "Matmul",
  "Softmax",
  "Reduce",
  "Reshape",
  "Broadcast",
  "Slice",
  "Gather",
];

/** A .mlxfn file; `broken`: primitives have states and types that make no sense. */
export function mlxfn(random: Random, broken: boolean): Uint8Array {
  const types = new Types(random);
  const type = (): TensorType => {
    const shape = types.shape(random.below(3)).map((size) => Math.min(size, 5));
    return { dtype: random.chance(0.7) ? "float32" : random.pick(DTYPES), shape };
  };
  const constants = random.times(random.below(3), () => {
    const of = type();
    return { type: of, bytes: filled(of, { style: "tame", seed: random.seed() }) };
  });
  const traces = random.times(1 + random.below(2), () => trace(random, broken, type, constants));
  return mlxFunctionFile({ metadata: "fuzzed", constants, traces });
}

function trace(
  random: Random,
  broken: boolean,
  type: () => TensorType,
  constants: readonly { readonly type: TensorType }[],
): Trace {
  const inputs = random.times(1 + random.below(2), type);
  const values: TensorType[] = [...inputs];
  const steps: Step[] = [];
  if (constants.length > 0) {
    const constant = random.below(constants.length);
    steps.push({ kind: "constant", constant });
    values.push((constants[constant] as { type: TensorType }).type);
  }
  for (let left = 1 + random.below(4); left > 0; left--) {
    const name = random.pick(broken ? PRIMITIVES : COMMON);
    const operands = random.times(1 + random.below(3), () => random.below(values.length));
    const first = values[operands[0] as number] as TensorType;
    const outputs = random.times(broken && random.chance(0.1) ? 2 : 1, () =>
      random.chance(0.7) ? first : type(),
    );
    steps.push({
      kind: "primitive",
      name,
      inputs: operands,
      state: state(random, name, first),
      outputs,
    });
    values.push(...outputs);
  }
  const keywords = random.chance(0.3) ? ["key"] : [];
  return { inputs, keywords, steps, results: [values.length - 1] };
}

function state(random: Random, name: string, { dtype, shape }: TensorType): State {
  const axis = () => random.between(-1, shape.length);
  const draw: Readonly<Record<StateKind, () => StateValue>> = {
    bool: () => random.chance(0.5),
    int: () => (random.chance(0.8) ? axis() : random.pick([32, 64, -5, 2 ** 31 - 1])),
    size: () => random.pick([0, 1, 7, 2 ** 40]),
    float: () => random.pick([1e-5, 0, 1, Number.NaN, 1e38]),
    double: () => random.pick([0, 1, 3.5, -2, 1e300]),
    dtype: () => random.pick([dtype, ...DTYPES]),
    text: () => random.pick(["L", "U", "", "wrong"]),
    ints: () => (random.chance(0.6) ? [...shape] : random.times(random.below(4), axis)),
    sizes: () => random.times(random.below(3), () => random.below(4)),
    strides: () => random.times(shape.length, () => random.between(-2, 9)),
  };
  return Object.fromEntries(
    Object.entries(LAYOUTS.get(name) ?? {}).map(([part, kind]) => [part, draw[kind]()]),
  );
}
