import { isDifferentiable } from "../../src/graph/checking/control-flow.js";
import type { Attributes, GraphNode } from "../../src/graph/graph.js";
import { sameType, type TensorType } from "../../src/tensor/dtype.js";
import type { Typed } from "./build.js";
import type { Wrap } from "./recipe.js";

const COUNT: TensorType = { dtype: "int32", shape: [] };
const FLAG: TensorType = { dtype: "bool", shape: [] };

/** What is put round function number `at - 1`, as functions that begin with number `at`; the last is the outermost. */
export function wrapped(wrap: Wrap, inner: Typed, at: number): Typed[] {
  switch (wrap.kind) {
    case "vjp":
    case "jvp":
      return [derivative(wrap, inner, at - 1)];
    case "for":
      return forLoop(wrap, inner, at);
    case "while":
      return whileLoop(wrap, inner, at);
    case "cond":
      return conditional(wrap, inner, at);
    case "switch":
      return selection(wrap, inner, at);
    case "call":
      return [repeatedCall(wrap.times, inner, at - 1)];
  }
}

/** Writes a function's nodes and counts its values. */
class Writer {
  readonly nodes: GraphNode[] = [];
  #next: number;

  constructor(readonly parameters: readonly TensorType[]) {
    this.#next = parameters.length;
  }

  /** Adds a node; the results are the numbers of its values. */
  add(op: string, inputs: readonly number[], attributes: Attributes, outputs = 1): number[] {
    this.nodes.push({ op, inputs, attributes, outputs });
    this.#next += outputs;
    return range(outputs, this.#next - outputs);
  }

  integer(value: number): number {
    const data = new Uint8Array(Int32Array.of(value).buffer);
    return this.add("constant", [], { ...COUNT, data })[0] as number;
  }

  zeros({ dtype, shape }: TensorType): number {
    return this.add("zeros", [], { dtype, shape })[0] as number;
  }

  end(results: readonly number[], types: readonly TensorType[]): Typed {
    return { parameters: this.parameters, nodes: this.nodes, results, types };
  }
}

const range = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => from + index);

function derivative(
  { kind, wrt }: Extract<Wrap, { wrt: unknown }>,
  inner: Typed,
  index: number,
): Typed {
  // A smaller body may have fewer parameters than the one that this was drawn for.
  const by = wrt.filter((parameter) => {
    const type = inner.parameters[parameter];
    return type !== undefined && isDifferentiable(type);
  });
  const byTypes = by.map((parameter) => inner.parameters[parameter] as TensorType);
  const directions = kind === "vjp" ? inner.types : byTypes;
  const writer = new Writer([...inner.parameters, ...directions]);
  const types = [...inner.types, ...(kind === "vjp" ? byTypes : inner.types)];
  const inputs = range(writer.parameters.length);
  const results = writer.add(kind, inputs, { function: index, wrt: by }, types.length);
  return writer.end(results, types);
}

/** One step of a loop: carries are the function's arguments, each replaced by a result of its type, and its results. */
function step(writer: Writer, inner: Typed, index: number, from: number): number[] {
  const inputs = range(inner.parameters.length, from);
  const results = writer.add("call", inputs, { function: index }, inner.types.length);
  const next = inner.parameters.map((type, parameter) => {
    const fitting = inner.types.findIndex((result) => sameType(result, type));
    return fitting === -1 ? (inputs[parameter] as number) : (results[fitting] as number);
  });
  return [...next, ...results];
}

const carriesOf = (inner: Typed) => [...inner.parameters, ...inner.types];

/** A function of the inner one's arguments alone: its results begin with zeros. */
function loop(
  inner: Typed,
  head: (writer: Writer) => number[],
  node: (writer: Writer, head: readonly number[], carries: readonly number[]) => number[],
): Typed {
  const writer = new Writer(inner.parameters);
  const first = head(writer);
  const zeros = inner.types.map((type) => writer.zeros(type));
  const carries = [...range(inner.parameters.length), ...zeros];
  const last = node(writer, first, carries).slice(-carries.length);
  return writer.end(carries.length === 0 ? [] : last, carriesOf(inner));
}

function forLoop({ count, operand }: Extract<Wrap, { kind: "for" }>, inner: Typed, at: number) {
  const body = new Writer([COUNT, ...carriesOf(inner)]);
  const results = step(body, inner, at - 1, 1);
  const main = loop(
    inner,
    (writer) => (operand ? [writer.integer(count)] : []),
    (writer, head, carries) =>
      writer.add(
        "for",
        [...head, ...carries],
        { body: at, ...(operand ? {} : { count }) },
        carries.length,
      ),
  );
  return [body.end(results, carriesOf(inner)), main];
}

/** A loop that counts, or one whose predicate is the flag that its body made. */
function whileLoop({ count, counted }: Extract<Wrap, { kind: "while" }>, inner: Typed, at: number) {
  const state = [COUNT, FLAG, ...carriesOf(inner)];
  const predicate = new Writer(state);
  const more = (writer: Writer) => writer.add("less", [0, writer.integer(count)], {})[0] as number;
  const told = counted ? more(predicate) : 1;
  const body = new Writer(state);
  const carried = step(body, inner, at - 1, 2);
  const counter = body.add("add", [0, body.integer(1)], {})[0] as number;
  const flag = body.add("less", [counter, body.integer(count)], {})[0] as number;
  const main = loop(
    inner,
    (writer) => {
      const zero = writer.integer(0);
      return [zero, writer.add("less", [zero, writer.integer(count)], {})[0] as number];
    },
    (writer, head, carries) => {
      const all = [...head, ...carries];
      return writer.add("while", all, { predicate: at, body: at + 1 }, all.length);
    },
  );
  return [predicate.end([told], [FLAG]), body.end([counter, flag, ...carried], state), main];
}

/** A function of the same types that does little. */
function idle(inner: Typed): Typed {
  const writer = new Writer(inner.parameters);
  return writer.end(
    inner.types.map((type) => writer.zeros(type)),
    inner.types,
  );
}

function conditional({ swapped }: Extract<Wrap, { kind: "cond" }>, inner: Typed, at: number) {
  const main = new Writer([FLAG, ...inner.parameters]);
  const [yes, no] = swapped ? [at, at - 1] : [at - 1, at];
  // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
  const branches = { then: yes, else: no };
  const inputs = range(main.parameters.length);
  const results = main.add("cond", inputs, branches, inner.types.length);
  return [idle(inner), main.end(results, inner.types)];
}

function selection(
  { branches, taken }: Extract<Wrap, { kind: "switch" }>,
  inner: Typed,
  at: number,
) {
  const main = new Writer([COUNT, ...inner.parameters]);
  const list = range(branches).map((branch) => (branch === taken ? at - 1 : at));
  const inputs = range(main.parameters.length);
  const results = main.add("switch", inputs, { branches: list }, inner.types.length);
  return [idle(inner), main.end(results, inner.types)];
}

function repeatedCall(times: number, inner: Typed, index: number): Typed {
  const writer = new Writer(inner.parameters);
  const inputs = range(inner.parameters.length);
  const results = range(times).flatMap(() =>
    writer.add("call", inputs, { function: index }, inner.types.length),
  );
  const types = range(times).flatMap(() => inner.types);
  return writer.end(results, types);
}
