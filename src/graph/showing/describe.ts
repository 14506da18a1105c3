import { elementCount, formatType, type TensorType } from "../../tensor/dtype.js";
import { fromBytes } from "../../tensor/values.js";
import { boundValueOf, isLeaf } from "../bound-values.js";
import type { TypedFunction } from "../checking/infer.js";
import type { Attribute, Graph, GraphFunction, GraphNode } from "../graph.js";
import type { AttributeKind } from "../ops/spec.js";
import { findOp } from "../table.js";

/** Elements of a constant that are written out. */
const SHOWN_ELEMENTS = 8;

/** A function with what every printer needs: names for people, numbers of outputs, attributes as text. */
export interface DescribedFunction {
  /** Unique in the graph. */
  readonly name: string;
  readonly parameters: readonly DescribedParameter[];
  readonly nodes: readonly DescribedNode[];
  readonly results: readonly DescribedValue[];
}

/** A value and, where it is known, its type. */
export interface DescribedValue {
  readonly value: number;
  readonly type: string | undefined;
}

/** A parameter and, where it has one, its name. */
export interface DescribedParameter extends DescribedValue {
  readonly name?: string;
}

/** One node. */
export interface DescribedNode {
  readonly index: number;
  readonly op: string;
  readonly label: string | undefined;
  /** -1 where an optional operand is absent. */
  readonly inputs: readonly number[];
  readonly outputs: readonly DescribedValue[];
  /** Name and text of each attribute, without those that name functions. */
  readonly attributes: readonly (readonly [name: string, text: string])[];
  /** The functions that it calls: attribute and index of each. */
  readonly calls: readonly (readonly [name: string, callee: number])[];
}

/** Describes a valid graph; `types`, as `inferGraph` returns them, add the types of all values. */
export function describeGraph(graph: Graph, types?: readonly TypedFunction[]): DescribedFunction[] {
  const names = functionNames(graph);
  return graph.functions.map((item, index) =>
    describeFunction(item, names[index] as string, types?.[index]),
  );
}

function describeFunction(
  item: GraphFunction,
  name: string,
  typed: TypedFunction | undefined,
): DescribedFunction {
  const value = (number: number): DescribedValue => {
    const type = typed?.values[number] ?? item.parameters[number];
    return { value: number, type: type === undefined ? undefined : formatType(type) };
  };
  let next = item.parameters.length;
  const nodes = item.nodes.map((node, index): DescribedNode => {
    const outputs = Array.from({ length: node.outputs }, () => value(next++));
    return { index, op: node.op, label: node.label, inputs: node.inputs, outputs, ...parts(node) };
  });
  return {
    name,
    parameters: item.parameters.map((_type, number) => {
      const name = item.parameterNames?.[number];
      return name === undefined ? value(number) : { ...value(number), name };
    }),
    nodes,
    results: item.results.map(value),
  };
}

/** Names for functions that tell them apart: their own, with their number where it is not unique. */
function functionNames(graph: Graph): string[] {
  const counts = new Map<string, number>();
  for (const { name } of graph.functions) counts.set(name, (counts.get(name) ?? 0) + 1);
  return graph.functions.map(({ name }, index) => {
    return counts.get(name) === 1 && name !== "" ? shown(name) : `${shown(name)}#${index}`;
  });
}

/** A parameter as text: `%0 x: float32[2]`. */
export function parameterText({ value, name, type }: DescribedParameter): string {
  return `%${value}${name === undefined ? "" : ` ${shown(name)}`}: ${type}`;
}

/** A name, in quotes where it is not of plain characters. */
export function shown(name: string): string {
  return /^[\w.$-]+$/.test(name) ? name : quote(name);
}

function parts(node: GraphNode): Pick<DescribedNode, "attributes" | "calls"> {
  const spec = findOp(node.op);
  const attributes: [string, string][] = [];
  const calls: [string, number][] = [];
  for (const name of Object.keys(node.attributes).sort()) {
    const value = node.attributes[name];
    const kind = spec.attributes[name]?.kind;
    if (value === undefined || kind === undefined) continue;
    if (kind === "function") calls.push([name, value as number]);
    else if (kind === "functions") {
      (value as readonly number[]).forEach((callee, index) => {
        calls.push([`${name}[${index}]`, callee]);
      });
    } else if (isLeaf(node)) continue;
    else attributes.push([name, attributeText(kind, value)]);
  }
  if (isLeaf(node)) attributes.push(["value", leafText(node)]);
  return { attributes, calls };
}

function attributeText(kind: AttributeKind, value: Attribute): string {
  switch (kind) {
    case "string":
      return quote(value as string);
    case "strings":
      return `[${(value as readonly string[]).map(quote).join(", ")}]`;
    case "bytes":
      return hex(value as Uint8Array);
    case "types":
      return `[${(value as readonly TensorType[]).map(formatType).join(", ")}]`;
    case "float":
      return floatText(value as number);
    case "floats":
      return `[${(value as readonly number[]).map(floatText).join(", ")}]`;
    case "ints":
      return `[${(value as readonly (number | bigint)[]).join(", ")}]`;
    default:
      return String(value);
  }
}

function leafText(node: GraphNode): string {
  const bound = boundValueOf(node);
  if (bound !== undefined) {
    const hash = () => hex(node.attributes.hash as Uint8Array);
    return `${formatType(bound.type)} ${bound.kind === "external" ? quote(bound.name) : `sha256:${hash()}`}`;
  }
  const { data, dtype } = node.attributes as unknown as TensorType & { data: Uint8Array };
  const shape = (node.attributes.shape as readonly (number | bigint)[]).map(Number);
  const type = { dtype, shape };
  if (elementCount(shape) > SHOWN_ELEMENTS) return `${formatType(type)} ...`;
  const nested = fromBytes(data, type);
  const text = (item: unknown): string =>
    Array.isArray(item)
      ? `[${item.map(text).join(", ")}]`
      : Object.is(item, -0)
        ? "-0"
        : String(item);
  return `${formatType(type)} ${text(nested)}`;
}

function floatText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

/** Bytes in hex, shortened. */
function hex(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.subarray(0, 32)).toString("hex");
  return bytes.length > 16 ? `${text.slice(0, 16)}... (${bytes.length} bytes)` : text;
}

/** Text in quotes; what could move a terminal's cursor or turn its writing around is escaped. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
