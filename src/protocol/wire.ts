import type { EngineArguments, WireType } from "../contract/engine-messages.js";
import type { ErrorDetails } from "../error.js";
import type { Site } from "../hooks/site.js";
import { isError } from "../realm.js";
import { describeThrown, shorten } from "../show.js";
import type { TensorType } from "../tensor/dtype.js";
import { runOf } from "./error.js";

/** Types, sites and errors in headers. */

/** A type as it travels. */
export function wireType(type: TensorType): WireType {
  return [type.dtype, type.shape];
}

/** Sites as they travel. Functions and types are told once; sites name them by their index. */
export type WireSites = EngineArguments<"sites">[0];

/** Sites on their way to a client. */
export function wireSites(sites: readonly Site[]): WireSites {
  const functions = new Indexed<string>();
  const types = new Indexed<WireType>();
  const typeIndex = (type: TensorType) =>
    types.index(`${type.dtype}[${type.shape}]`, () => wireType(type));
  return {
    sites: sites.map((site) => ({
      ...site,
      function: functions.index(site.function, () => site.function),
      types: site.types.map(typeIndex),
      operands: site.operands?.map(typeIndex),
    })),
    functions: functions.items,
    types: types.items,
  };
}

/** Items by the order in which they were first asked for. */
class Indexed<Item> {
  readonly items: Item[] = [];
  readonly #indexes = new Map<string, number>();

  index(key: string, make: () => Item): number {
    let index = this.#indexes.get(key);
    if (index === undefined) {
      index = this.items.push(make()) - 1;
      this.#indexes.set(key, index);
    }
    return index;
  }
}

/** The most types of operands, and characters of a text, in an error. */
const MOST_INPUTS = 64;
const LONGEST_TEXT = 16 * 1024;

/** Any error as it travels. An error without a code is a fault of Davit's own: `internal`. */
export function wireError(error: unknown): EngineArguments<"error">[0] {
  const { code = "internal", message } = describeThrown(error);
  if (!isError(error)) return { code, message: clip(message) };
  const { op, label, site, inputs, expected } = error as ErrorDetails;
  return {
    code,
    message: clip(message),
    op,
    label,
    site,
    inputs: inputs?.slice(0, MOST_INPUTS).map((type) => (type === null ? null : wireType(type))),
    expected: expected === undefined ? undefined : clip(expected),
    run: runOf(error),
  };
}

function clip(text: string): string {
  return shorten(text, LONGEST_TEXT);
}
