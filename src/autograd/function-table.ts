import { functionsOf, withFunctions } from "../graph/callees.js";
import type { Signature } from "../graph/checking/control-flow.js";
import type { Graph, GraphFunction } from "../graph/graph.js";
import type { TensorType } from "../tensor/dtype.js";

/** A function with the types of all its values, by their numbers. */
export interface TypedBody extends GraphFunction {
  readonly values: readonly TensorType[];
}

/** The functions of a graph in the making. Unlike in a graph, they may come in any order. */
export class FunctionTable {
  readonly #functions: (TypedBody | undefined)[] = [];

  /** A number for a function that is set later. */
  reserve(): number {
    return this.#functions.push(undefined) - 1;
  }

  set(index: number, body: TypedBody): void {
    this.#functions[index] = body;
  }

  add(body: TypedBody): number {
    return this.#functions.push(body) - 1;
  }

  get(index: number): TypedBody {
    return this.#functions[index] as TypedBody;
  }

  signature(index: number): Signature {
    const { parameters, results, values } = this.get(index);
    return { parameters, results: results.map((result) => values[result] as TensorType) };
  }

  /** The graph of what a function needs, callers before callees. */
  graph(entry = 0): Graph {
    const finished: number[] = [];
    const seen = new Set<number>();
    const visit = (index: number) => {
      if (seen.has(index)) return;
      seen.add(index);
      // Backwards: turned around, the functions come in the order of their first use.
      for (const node of [...this.get(index).nodes].reverse()) {
        for (const callee of [...functionsOf(node)].reverse()) visit(callee);
      }
      finished.push(index);
    };
    visit(entry);
    const order = finished.reverse();
    const numbers = new Map(order.map((index, number) => [index, number]));
    return {
      functions: order.map((index) => {
        const { values: _, ...item } = this.get(index);
        const nodes = item.nodes.map((node) =>
          withFunctions(node, (callee) => numbers.get(callee) as number),
        );
        return { ...item, nodes };
      }),
    };
  }
}
