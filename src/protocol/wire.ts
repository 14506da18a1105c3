import type { Site } from "../hooks/site.js";
import { describeThrown } from "../show.js";
import type { TensorType } from "../tensor/dtype.js";

/** How types, sites and errors look in headers. */

/** `[dtype, [sizes]]` */
export type WireType = readonly [string, readonly number[]];

/** A type as it travels. */
export function wireType(type: TensorType): WireType {
  return [type.dtype, type.shape];
}

/** A site as it travels. */
export function wireSite(site: Site): Record<string, unknown> {
  const { types, operands } = site;
  return {
    ...site,
    types: types.map(wireType),
    ...(operands === undefined ? {} : { operands: operands.map(wireType) }),
  };
}

/** What errors of all rooms may say beside their code and message. */
interface ErrorDetails {
  readonly op?: string;
  readonly label?: string;
  readonly site?: number;
  readonly inputs?: readonly (TensorType | null)[];
  readonly expected?: string;
}

/** An error tells the types of so many operands at most. */
const MOST_INPUTS = 64;

/** Any error as it travels. What has no code is a fault of Davit's own: `internal`. */
export function wireError(error: unknown): Record<string, unknown> {
  const { code = "internal", message } = describeThrown(error);
  if (!(error instanceof Error)) return { code, message };
  const { details } = error as { details?: ErrorDetails };
  const { op, label, site, inputs, expected } = { ...details, ...(error as ErrorDetails) };
  return {
    code,
    message,
    op,
    label,
    site,
    inputs: inputs?.slice(0, MOST_INPUTS).map((type) => (type === null ? null : wireType(type))),
    expected,
  };
}
