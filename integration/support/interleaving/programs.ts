import type { Graph, GraphFunction, GraphNode } from "../../../src/graph/graph.js";
import { namedId } from "../../../src/hooks/ids.js";
import type { TensorType } from "../../../src/tensor/dtype.js";
import { callback, constant, customCall } from "../../../test/support/graphs.js";

/** A tensor's elements. Small whole numbers, so that float32 and JavaScript agree. */
export type Vector = readonly number[];

/** Something of a program that can be watched, or that asks, as it should happen. */
export interface ExpectedEvent {
  readonly kind: "hook" | "print" | "callback" | "node";
  readonly name?: string;
  readonly label?: string;
  readonly path: readonly number[];
  readonly values: readonly Vector[];
}

/** Told of every expected event in order; the values that it returns are the reply to a callback. */
export type Fire = (event: ExpectedEvent) => readonly Vector[];

/** A program, and what it should do. */
export interface Kind {
  readonly graph: Graph;
  readonly calls: boolean;
  /** Runs until somebody ends it. */
  readonly endless: boolean;
  /** Fails at run time. */
  readonly fails: boolean;
  /** What it gives for x; `fire` may throw to stop it. */
  simulate(x: Vector, fire: Fire): Vector;
}

const f32x4: TensorType = { dtype: "float32", shape: [4] };
const iteration: TensorType = { dtype: "int32", shape: [] };
const LARGE = 400;

type Node = Partial<GraphNode> & Pick<GraphNode, "op">;

const op = (name: string, inputs: number[], more: Partial<GraphNode> = {}): Node => ({
  op: name,
  inputs,
  ...more,
});
const hook = (name: string, input: number, label?: string) =>
  customCall("hook", name, [input], label);

const call = (name: string, inputs: readonly number[]): Node =>
  callback(
    name,
    inputs,
    inputs.map(() => f32x4),
  );

function fn(
  name: string,
  parameters: readonly TensorType[],
  nodes: readonly Node[],
  results: readonly number[],
): GraphFunction {
  const full = nodes.map((node) => ({ inputs: [], attributes: {}, outputs: 1, ...node }));
  return { name, parameters, nodes: full, results };
}

const main = (nodes: readonly Node[], result: number, ...others: GraphFunction[]): Graph => ({
  functions: [fn("main", [f32x4], nodes, [result]), ...others],
});

const add = (x: Vector, n: number) => x.map((item) => item + n);
const scale = (x: Vector, n: number) => x.map((item) => item * n);
const sum = (x: Vector) => x.reduce((total, item) => total + item, 0);

const hooked = (name: string, value: Vector, path: readonly number[] = [], label?: string) => ({
  kind: "hook" as const,
  name,
  path,
  values: [value],
  ...(label === undefined ? {} : { label }),
});
const noded = (label: string, value: Vector, path: readonly number[] = []) => ({
  kind: "node" as const,
  label,
  path,
  values: [value],
});

function kind(
  graph: Graph,
  simulate: Kind["simulate"],
  more: Partial<Pick<Kind, "calls" | "endless" | "fails">> = {},
): Kind {
  return { graph, simulate, calls: false, endless: false, fails: false, ...more };
}

/** Every program of the schedules, by name: x goes in, one vector of its type comes out. */
export const KINDS = {
  plain: kind(main([constant(1), op("add", [0, 1])], 2), (x) => add(x, 1)),

  hooked: kind(
    main(
      [
        constant(1),
        op("add", [0, 1], { label: "node.add" }),
        hook("a", 2, "layer.a"),
        constant(2),
        op("multiply", [3, 4]),
        hook("b", 5),
      ],
      6,
    ),
    (x, fire) => {
      const y = add(x, 1);
      fire(noded("node.add", y));
      fire(hooked("a", y, [], "layer.a"));
      fire(hooked("b", scale(y, 2)));
      return scale(y, 2);
    },
  ),

  counted: kind(
    main(
      [op("for", [0], { attributes: { body: 1, count: 5 } })],
      1,
      fn(
        "body",
        [iteration, f32x4],
        [constant(1), op("add", [1, 2], { label: "node.step" }), hook("it", 3)],
        [4],
      ),
    ),
    (x, fire) => {
      let y = x;
      for (let i = 0; i < 5; i++) {
        y = add(y, 1);
        fire(noded("node.step", y, [i]));
        fire(hooked("it", y, [i]));
      }
      return y;
    },
  ),

  dynamic: kind(
    main(
      [op("while", [0], { attributes: { predicate: 1, body: 2 } })],
      1,
      fn("more", [f32x4], [op("sum", [0]), constant(60), op("less", [1, 2])], [3]),
      fn("body", [f32x4], [constant(3), op("add", [0, 1]), hook("w", 2, "layer.w")], [3]),
    ),
    (x, fire) => {
      let y = x;
      for (let i = 0; sum(y) < 60; i++) {
        y = add(y, 3);
        fire(hooked("w", y, [i], "layer.w"));
      }
      return y;
    },
  ),

  nested: kind(
    main(
      [op("for", [0], { attributes: { body: 1, count: 3 } })],
      1,
      fn(
        "outer",
        [iteration, f32x4],
        [hook("outer", 1), op("for", [2], { attributes: { body: 2, count: 2 } })],
        [3],
      ),
      fn("inner", [iteration, f32x4], [constant(1), op("add", [1, 2]), hook("inner", 3)], [4]),
    ),
    (x, fire) => {
      let y = x;
      for (let i = 0; i < 3; i++) {
        fire(hooked("outer", y, [i]));
        for (let j = 0; j < 2; j++) {
          y = add(y, 1);
          fire(hooked("inner", y, [i, j]));
        }
      }
      return y;
    },
  ),

  branch: kind(
    main(
      [
        op("sum", [0]),
        constant(30),
        op("less", [1, 2]),
        // biome-ignore lint/suspicious/noThenProperty: the name of an attribute
        op("cond", [3, 0], { attributes: { then: 1, else: 2 } }),
      ],
      4,
      fn("small", [f32x4], [constant(1), op("add", [0, 1]), hook("then", 2, "layer.then")], [3]),
      fn("great", [f32x4], [constant(-5), op("add", [0, 1]), hook("else", 2, "layer.else")], [3]),
    ),
    (x, fire) => {
      const small = sum(x) < 30;
      const y = add(x, small ? 1 : -5);
      fire(small ? hooked("then", y, [], "layer.then") : hooked("else", y, [], "layer.else"));
      return y;
    },
  ),

  ask: kind(
    main(
      [
        constant(1),
        op("add", [0, 1]),
        hook("before", 2),
        call("ask", [3, 3]),
        op("add", [4, 5]),
        hook("after", 6),
      ],
      7,
    ),
    (x, fire) => {
      const y = add(x, 1);
      fire(hooked("before", y));
      const [one, other] = fire({ kind: "callback", name: "ask", path: [], values: [y, y] });
      const z = (one as Vector).map((item, index) => item + ((other as Vector)[index] as number));
      fire(hooked("after", z));
      return z;
    },
    { calls: true },
  ),

  asking: kind(
    main(
      [op("for", [0], { attributes: { body: 1, count: 3 } })],
      1,
      fn("body", [iteration, f32x4], [hook("turn", 1, "layer.turn"), call("ask", [2])], [3]),
    ),
    (x, fire) => {
      let y = x;
      for (let i = 0; i < 3; i++) {
        fire(hooked("turn", y, [i], "layer.turn"));
        [y] = fire({ kind: "callback", name: "ask", path: [i], values: [y] }) as [Vector];
      }
      return y;
    },
    { calls: true },
  ),

  choice: kind(
    main(
      [
        op("sum", [0]),
        op("astype", [1], { attributes: { dtype: "int32" } }),
        op("switch", [2, 0], { attributes: { branches: [1, 2] } }),
        op("call", [3], { attributes: { function: 3 } }),
      ],
      4,
      fn("zero", [f32x4], [hook("zero", 0)], [1]),
      fn("many", [f32x4], [constant(1), op("add", [0, 1]), hook("many", 2)], [3]),
      fn("last", [f32x4], [hook("last", 0, "layer.last")], [1]),
    ),
    (x, fire) => {
      const zero = sum(x) <= 0;
      const y = zero ? x : add(x, 1);
      fire(hooked(zero ? "zero" : "many", y));
      fire(hooked("last", y, [], "layer.last"));
      return y;
    },
  ),

  large: kind(
    main(
      [
        op("broadcast_to", [0], { attributes: { shape: [LARGE, 4] } }),
        hook("large", 1),
        op("max", [2], { attributes: { axes: [0] } }),
        customCall("print", "p", [3]),
      ],
      4,
    ),
    (x, fire) => {
      fire(hooked("large", Array.from({ length: LARGE }, () => x).flat()));
      fire({ kind: "print", name: "p", path: [], values: [x] });
      return x;
    },
  ),

  failing: kind(
    main(
      [
        hook("pre", 0),
        op("zeros", [], { attributes: { shape: [2, 2], dtype: "float32" } }),
        op("linalg.inv", [2], { label: "node.inverse" }),
        op("sum", [3]),
        op("add", [1, 4]),
      ],
      5,
    ),
    (x, fire) => {
      fire(hooked("pre", x));
      return x;
    },
    { fails: true },
  ),

  endless: kind(
    main(
      [op("while", [0], { attributes: { predicate: 1, body: 2 } })],
      1,
      fn("more", [f32x4], [op("sum", [0]), constant(1e30), op("less", [1, 2])], [3]),
      fn("body", [f32x4], [constant(1), op("multiply", [0, 1]), hook("spin", 2)], [3]),
    ),
    (x, fire) => {
      for (let i = 0; ; i++) fire(hooked("spin", x, [i]));
    },
    { endless: true },
  ),
} as const satisfies Record<string, Kind>;

/** A program's name. */
export type KindName = keyof typeof KINDS;

/** The names of all programs. */
export const KIND_NAMES = Object.keys(KINDS) as KindName[];

/** What a subscription is for, in words of the schedules. */
export type MatchName = "all" | "name" | "id" | "label" | "probe";

/** The match as it travels. */
export const MATCHES: Readonly<Record<MatchName, readonly unknown[]>> = {
  all: ["all"],
  name: ["name", "it"],
  id: ["id", namedId("a")],
  label: ["label", "layer.*"],
  probe: ["probe", "node.*"],
};

/** Whether a run of a program may have a match: a name that none of its hooks has is refused. */
export function isKnown(match: MatchName, kind: KindName): boolean {
  if (match !== "name") return true;
  return KINDS[kind].graph.functions.some(({ nodes }) =>
    nodes.some(({ attributes }) => attributes.name === "it"),
  );
}

/** Whether a match is for an event. */
export function matches(match: MatchName, { kind, name, label }: ExpectedEvent): boolean {
  if (match === "probe") return label?.startsWith("node.") === true;
  if (kind !== "hook" && kind !== "print") return false;
  if (match === "name") return name === "it";
  if (match === "id") return name === "a";
  if (match === "label") return (label ?? name)?.startsWith("layer.") === true;
  return true;
}
