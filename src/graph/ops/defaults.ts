import type { Attribute, Attributes } from "../graph.js";
import type { OpSpec } from "./spec.js";

type Default = readonly [name: string, value: Attribute, unless: readonly string[]];

const DEFAULTS = new WeakMap<OpSpec, readonly Default[]>();

function defaultsOf(spec: OpSpec): readonly Default[] {
  let list = DEFAULTS.get(spec);
  if (list === undefined) {
    list = Object.entries(spec.attributes).flatMap(([name, row]): Default[] =>
      row.default === undefined ? [] : [[name, row.default, row.unless ?? []]],
    );
    DEFAULTS.set(spec, list);
  }
  return list;
}

/**
 * Fills in the attributes that are absent and have a default. Guards and lowering get only such attributes; a graph keeps what it was
 * given, so that its bytes do not depend on defaults.
 */
export function withDefaults(spec: OpSpec, attributes: Attributes): Attributes {
  let filled: Record<string, Attribute> | undefined;
  for (const [name, value, unless] of defaultsOf(spec)) {
    if (attributes[name] !== undefined) continue;
    if (unless.some((other) => attributes[other] !== undefined)) continue;
    filled ??= { ...attributes };
    filled[name] = value;
  }
  return filled ?? attributes;
}
