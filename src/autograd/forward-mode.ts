import { withFunctions } from "../graph/callees.js";
import { ITERATION } from "../graph/checking/control-flow.js";
import { isHookOrPrint } from "../graph/ops/custom-call.js";
import type { TensorType } from "../tensor/dtype.js";
import {
  dependents,
  differentiable,
  isBranching,
  loopOperands,
  notDifferentiable,
  type PlacedNode,
  partsOf,
} from "./derivative-parts.js";
import type { Derivatives } from "./derivatives.js";
import { FunctionCopy } from "./function-copy.js";
import { FunctionWriter } from "./function-writer.js";

/**
 * Makes the function of arguments and tangents (of the arguments `wrt`) that returns results and tangents of
 * those results that have them.
 */
export function forwardMode(
  derivatives: Derivatives,
  index: number,
  wrt: readonly number[],
): number {
  return derivatives.once(`forward ${index} ${wrt}`, () =>
    new ForwardPass(derivatives, index, wrt).make(),
  );
}

class ForwardPass {
  readonly #copy: FunctionCopy;
  readonly #tangents = new Map<number, number>();
  readonly #active: readonly boolean[];

  constructor(
    readonly derivatives: Derivatives,
    index: number,
    readonly wrt: readonly number[],
  ) {
    const { table } = derivatives;
    const source = table.get(index);
    this.#copy = new FunctionCopy(table, source, "jvp");
    this.#active = dependents(source, wrt);
  }

  make(): number {
    const { results, parameters } = this.#copy.source;
    for (const parameter of this.wrt) {
      this.#tangents.set(
        parameter,
        this.#copy.writer.parameter(parameters[parameter] as TensorType),
      );
    }
    for (const { straight, nodes } of partsOf(this.#copy.source)) {
      if (straight) this.#straight(nodes);
      else this.#single(nodes[0] as PlacedNode);
    }
    const tangents = differentiable(this.#copy.types(results)).map((result) =>
      this.#tangent(results[result] as number),
    );
    return this.#copy.writer.finish([...this.#copy.values(results), ...tangents]);
  }

  #tangent(value: number): number {
    return this.#tangents.get(value) ?? this.#copy.writer.zeros(this.#copy.type(value));
  }

  #setTangents(values: readonly number[], made: readonly number[]): void {
    values.forEach((value, index) => {
      this.#tangents.set(value, made[index] as number);
    });
  }

  #straight(nodes: readonly PlacedNode[]): void {
    for (const placed of nodes) this.#copy.add(placed, false);
    const outs = nodes.flatMap(({ outputs }) => outputs).filter((value) => this.#active[value]);
    if (outs.length === 0) return;
    const chunk = this.derivatives.chunk(this.#copy.source, nodes, outs, false);
    const wrt = chunk.inputs.flatMap((value, index) => (this.#tangents.has(value) ? [index] : []));
    const tangents = wrt.map((index) => this.#tangent(chunk.inputs[index] as number));
    const types = this.#copy.types(outs);
    const made = this.#copy.writer.add(
      "jvp",
      [...this.#copy.values(chunk.inputs), ...tangents],
      { function: chunk.index, wrt },
      [...types, ...types],
    );
    this.#setTangents(outs, made.slice(outs.length));
  }

  #single(placed: PlacedNode): void {
    const { node, outputs } = placed;
    if (isHookOrPrint(node)) {
      this.#copy.add(placed, false);
      outputs.forEach((value, index) => {
        const tangent = this.#tangents.get(node.inputs[index] as number);
        if (tangent !== undefined) this.#tangents.set(value, tangent);
      });
      return;
    }
    if (!outputs.some((value) => this.#active[value])) this.#copy.add(placed, false);
    else if (node.op === "for") this.#loop(placed);
    else if (isBranching(node)) this.#branches(placed);
    else throw notDifferentiable(this.#copy.source, node);
  }

  /** The same node over the derivatives of its functions. */
  #branches({ node, outputs }: PlacedNode): void {
    const selectors = node.op === "call" ? 0 : 1;
    const operands = node.inputs.slice(selectors);
    const wrt = operands.flatMap((value, index) => (this.#tangents.has(value) ? [index] : []));
    const tangents = wrt.map((index) => this.#tangent(operands[index] as number));
    const { attributes } = withFunctions(node, (callee) =>
      forwardMode(this.derivatives, callee, wrt),
    );
    const types = this.#copy.types(outputs);
    const moving = differentiable(types);
    const made = this.#copy.writer.add(
      node.op,
      [...this.#copy.values(node.inputs), ...tangents],
      attributes,
      [...types, ...moving.map((out) => types[out] as TensorType)],
      node.label,
    );
    this.#copy.set(outputs, made);
    this.#setTangents(
      moving.map((out) => outputs[out] as number),
      made.slice(outputs.length),
    );
  }

  /** The loop carries tangents beside its carries. */
  #loop(placed: PlacedNode): void {
    const { node, outputs } = placed;
    const { count, body, carries, invariants } = loopOperands(placed);
    const types = this.#copy.types(outputs);
    const moving = differentiable(types);
    const fixed = invariants.flatMap((value, index) => (this.#tangents.has(value) ? [index] : []));
    const wrt = [
      ...moving.map((carry) => 1 + carry),
      ...fixed.map((index) => 1 + carries.length + index),
    ];
    const { table } = this.derivatives;
    const inner = forwardMode(this.derivatives, body, wrt);
    const movingTypes = moving.map((carry) => types[carry] as TensorType);
    const fixedValues = fixed.map((index) => invariants[index] as number);

    // Carries and their tangents come first in a loop; arguments and their tangents in its body's derivative.
    const writer = new FunctionWriter(table, `${table.get(body).name}.tangents`);
    const iteration = writer.parameter(ITERATION);
    const state = writer.parameters(types);
    const tangents = writer.parameters(movingTypes);
    const rest = writer.parameters(this.#copy.types(invariants));
    const restTangents = writer.parameters(this.#copy.types(fixedValues));
    const next = writer.call(inner, [iteration, ...state, ...rest, ...tangents, ...restTangents]);
    const made = this.#copy.writer.add(
      "for",
      [
        ...this.#copy.values(count),
        ...this.#copy.values(carries),
        ...moving.map((carry) => this.#tangent(carries[carry] as number)),
        ...this.#copy.values(invariants),
        ...fixedValues.map((value) => this.#tangent(value)),
      ],
      { ...node.attributes, body: writer.finish(next) },
      [...types, ...movingTypes],
      node.label,
    );
    this.#copy.set(outputs, made);
    this.#setTangents(
      moving.map((carry) => outputs[carry] as number),
      made.slice(outputs.length),
    );
  }
}
