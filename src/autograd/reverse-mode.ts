import { withFunctions } from "../graph/callees.js";
import { ITERATION } from "../graph/checking/control-flow.js";
import { customCallKind, isHookOrPrint } from "../graph/ops/custom-call.js";
import type { TensorType } from "../tensor/dtype.js";
import { toBytes } from "../tensor/values.js";
import {
  dependents,
  differentiable,
  isBranching,
  linked,
  loopOperands,
  notDifferentiable,
  type PlacedNode,
  partsOf,
} from "./derivative-parts.js";
import type { Derivatives } from "./derivatives.js";
import { FunctionCopy } from "./function-copy.js";
import { FunctionWriter } from "./function-writer.js";

/** Makes the function of arguments and cotangents (of the results `outs`) that returns results and gradients. */
export function reverseMode(
  derivatives: Derivatives,
  index: number,
  outs: readonly number[],
  wrt: readonly number[],
): number {
  return new ReversePass(derivatives, index, outs, wrt, false).make();
}

/** Makes the function that returns gradients alone; it computes what it needs again, without hooks. */
function gradientFunction(
  derivatives: Derivatives,
  index: number,
  outs: readonly number[],
  wrt: readonly number[],
): number {
  return derivatives.once(`gradient ${index} ${outs} ${wrt}`, () =>
    new ReversePass(derivatives, index, outs, wrt, true).make(),
  );
}

/** The reverse pass of a part of a function. */
type Backward = () => void;

const NOTHING: Backward = () => {};

class ReversePass {
  readonly #copy: FunctionCopy;
  readonly #cotangents = new Map<number, number>();
  /** The values that have cotangents. */
  readonly #linked: readonly boolean[];

  constructor(
    readonly derivatives: Derivatives,
    index: number,
    readonly outs: readonly number[],
    readonly wrt: readonly number[],
    /** Only gradients are wanted: what is computed was computed before. */
    readonly again: boolean,
  ) {
    const { table } = derivatives;
    const source = table.get(index);
    this.#copy = new FunctionCopy(table, source, again ? "gradient" : "vjp");
    this.#linked = linked(source, dependents(source, wrt), outs);
  }

  make(): number {
    const { results } = this.#copy.source;
    const given = this.outs.map((out) => {
      const value = results[out] as number;
      return [value, this.#copy.writer.parameter(this.#copy.type(value))] as const;
    });
    const steps = partsOf(this.#copy.source).map(({ straight, nodes }) =>
      straight ? this.#straight(nodes) : this.#single(nodes[0] as PlacedNode),
    );
    for (const [value, cotangent] of given) this.#accumulate(value, cotangent);
    for (const backward of steps.reverse()) backward();
    const gradients = this.wrt.map((parameter) => this.#cotangent(parameter));
    if (this.again) return this.derivatives.finishSilent(this.#copy, gradients);
    return this.#copy.writer.finish([...this.#copy.values(results), ...gradients]);
  }

  #accumulate(value: number, cotangent: number): void {
    if (this.#linked[value] !== true) return;
    const known = this.#cotangents.get(value);
    this.#cotangents.set(
      value,
      known === undefined ? cotangent : this.#copy.writer.sum(known, cotangent),
    );
  }

  #cotangent(value: number): number {
    return this.#cotangents.get(value) ?? this.#copy.writer.zeros(this.#copy.type(value));
  }

  #straight(nodes: readonly PlacedNode[]): Backward {
    for (const placed of nodes) {
      // Hooks of gradients are in the derivative of this part.
      this.#copy.add(placed, this.again || customCallKind(placed.node) === "hook_gradient");
    }
    return () => {
      const made = nodes.flatMap(({ outputs }) => outputs);
      const outs = made.filter((value) => this.#cotangents.has(value));
      if (outs.length === 0) return;
      const chunk = this.derivatives.chunk(this.#copy.source, nodes, outs, true);
      const wrt = differentiable(this.#copy.types(chunk.inputs)).filter(
        (position) => this.#linked[chunk.inputs[position] as number],
      );
      const by = wrt.map((position) => chunk.inputs[position] as number);
      const gradients = this.#copy.writer
        .add(
          "vjp",
          [...this.#copy.values(chunk.inputs), ...outs.map((out) => this.#cotangent(out))],
          { function: chunk.index, wrt },
          this.#copy.types([...outs, ...by]),
        )
        .slice(outs.length);
      by.forEach((value, position) => {
        this.#accumulate(value, gradients[position] as number);
      });
    };
  }

  #single(placed: PlacedNode): Backward {
    const { node, outputs } = placed;
    if (isHookOrPrint(node)) {
      this.#copy.add(placed, this.again);
      return () => {
        outputs.forEach((value, index) => {
          const cotangent = this.#cotangents.get(value);
          if (cotangent !== undefined) this.#accumulate(node.inputs[index] as number, cotangent);
        });
      };
    }
    if (!outputs.some((value) => this.#linked[value])) {
      this.#copy.add(placed, false);
      return NOTHING;
    }
    if (node.op === "for") return this.#loop(placed);
    if (!isBranching(node)) throw notDifferentiable(this.#copy.source, node);
    this.#copy.add(placed, false);
    return () => this.#branches(placed);
  }

  /** The same node over the gradients of its functions. */
  #branches({ node, outputs }: PlacedNode): void {
    const selectors = node.op === "call" ? 0 : 1;
    const operands = node.inputs.slice(selectors);
    const outs = outputs.flatMap((value, out) => (this.#cotangents.has(value) ? [out] : []));
    const wrt = operands.flatMap((value, index) => (this.#linked[value] ? [index] : []));
    const by = wrt.map((index) => operands[index] as number);
    const cotangents = outs.map((out) => this.#cotangent(outputs[out] as number));
    const { attributes } = withFunctions(node, (callee) =>
      gradientFunction(this.derivatives, callee, outs, wrt),
    );
    this.#copy.writer
      .add(
        node.op,
        [...this.#copy.values(node.inputs), ...cotangents],
        attributes,
        this.#copy.types(by),
      )
      .forEach((gradient, index) => {
        this.#accumulate(by[index] as number, gradient);
      });
  }

  /**
   * A counted loop: on the way forward the carries of every iteration are stored in buffers, on the way back the
   * body's gradient runs on them from the last to the first.
   */
  #loop(placed: PlacedNode): Backward {
    const { node, outputs } = placed;
    if (node.attributes.count === undefined) {
      throw notDifferentiable(this.#copy.source, node, "a count that is a number of the program");
    }
    const count = Math.max(0, Number(node.attributes.count));
    const { body, carries, invariants } = loopOperands(placed);
    const types = this.#copy.types(outputs);
    const outs = differentiable(types);
    const by = invariants.filter((value) => this.#linked[value]);
    const first = 1 + carries.length;
    const wrt = [
      ...outs.map((carry) => 1 + carry),
      ...invariants.flatMap((value, index) => (this.#linked[value] ? [first + index] : [])),
    ];
    const gradient = gradientFunction(this.derivatives, body, outs, wrt);
    const stored =
      count === 0
        ? []
        : carries.flatMap((_value, carry) => (this.#uses(gradient, 1 + carry) ? [carry] : []));
    const buffers = this.#storing(placed, count, stored);
    return () => {
      const directions = outs.map((carry) => this.#cotangent(outputs[carry] as number));
      const sums = by.map((value) => this.#copy.writer.zeros(this.#copy.type(value)));
      const loop = this.#backwardBody({
        gradient,
        outs,
        types,
        stored,
        count,
        buffers,
        invariants,
      });
      const gradients = this.#copy.writer.add(
        "for",
        [...directions, ...sums, ...buffers, ...this.#copy.values(invariants)],
        { body: loop, count },
        [...outs.map((carry) => types[carry] as TensorType), ...this.#copy.types(by)],
      );
      [...outs.map((carry) => carries[carry] as number), ...by].forEach((value, index) => {
        this.#accumulate(value, gradients[index] as number);
      });
    };
  }

  #uses(index: number, parameter: number): boolean {
    const { nodes, results } = this.derivatives.table.get(index);
    return results.includes(parameter) || nodes.some(({ inputs }) => inputs.includes(parameter));
  }

  /** Writes the loop of the forward pass. Returns the buffers. */
  #storing({ node, outputs }: PlacedNode, count: number, stored: readonly number[]): number[] {
    const { body, carries, invariants } = loopOperands({ node, outputs });
    const types = this.#copy.types(outputs);
    const kept = stored.map((carry): TensorType => {
      const { dtype, shape } = types[carry] as TensorType;
      return { dtype, shape: [count, ...shape] };
    });
    const { table } = this.derivatives;
    const writer = new FunctionWriter(table, `${table.get(body).name}.storing`);
    const iteration = writer.parameter(ITERATION);
    const state = writer.parameters(types);
    const buffers = writer.parameters(kept);
    const rest = writer.parameters(this.#copy.types(invariants));
    const next = writer.call(body, [iteration, ...state, ...rest]);
    const filled = buffers.map((buffer, index) => {
      const carry = state[stored[index] as number] as number;
      const { dtype, shape } = writer.typeOf(carry);
      const row = { dtype, shape: [1, ...shape] };
      const [update] = writer.add("expand_dims", [carry], { axes: [0] }, [row]) as [number];
      return writer.add("dynamic_slice_update", [buffer, update, iteration], { axes: [0] }, [
        kept[index] as TensorType,
      ])[0] as number;
    });
    const loop = writer.finish([...next, ...filled]);
    const empty = kept.map((type) => this.#copy.writer.zeros(type));
    const made = this.#copy.writer.add(
      "for",
      [...this.#copy.values(carries), ...empty, ...this.#copy.values(invariants)],
      { body: loop, count },
      [...types, ...kept],
      node.label,
    );
    this.#copy.set(outputs, made);
    return made.slice(outputs.length);
  }

  /** The body of the way back: takes cotangents of carries, sums of gradients of invariants, buffers and invariants. */
  #backwardBody(loop: {
    readonly gradient: number;
    readonly outs: readonly number[];
    readonly types: readonly TensorType[];
    readonly stored: readonly number[];
    readonly count: number;
    readonly buffers: readonly number[];
    readonly invariants: readonly number[];
  }): number {
    const { table } = this.derivatives;
    const { gradient, outs, types, stored } = loop;
    const results = table.signature(gradient).results;
    const writer = new FunctionWriter(table, `${table.get(gradient).name}.backward`);
    const iteration = writer.parameter(ITERATION);
    const directions = writer.parameters(results.slice(0, outs.length));
    const sums = writer.parameters(results.slice(outs.length));
    const buffers = loop.buffers.map((buffer) =>
      writer.parameter(this.#copy.writer.typeOf(buffer)),
    );
    const rest = writer.parameters(this.#copy.types(loop.invariants));
    const last = loop.count - 1;
    const [bound] = writer.add("constant", [], { ...ITERATION, data: toBytes(last, ITERATION) }, [
      ITERATION,
    ]) as [number];
    const [at] = writer.add("subtract", [bound, iteration], {}, [ITERATION]) as [number];
    const state = types.map((type, carry) => {
      const buffer = buffers[stored.indexOf(carry)];
      if (buffer === undefined) return writer.zeros(type);
      return writer.add("take", [buffer, at], { axis: 0 }, [type])[0] as number;
    });
    const gradients = writer.call(gradient, [at, ...state, ...rest, ...directions]);
    const next = [
      ...gradients.slice(0, outs.length),
      ...sums.map((sum, index) => writer.sum(sum, gradients[outs.length + index] as number)),
    ];
    return this.derivatives.keep(writer.finish(next));
  }
}
