import type { TensorType } from "../src/tensor/dtype.js";

/** A result of a case, or a value of one of its events, to be compared with that of another run. */
export interface Value {
  readonly type: TensorType;
  readonly bytes: Uint8Array;
}

/** What came of a case in a process that lives on. */
export type Outcome =
  /** Nothing was drawn. */
  | { readonly kind: "nothing" }
  /** It has results. Equal digests: equal results and events; equal `order`: events of the same nodes. `values` are the results and then those of the events. */
  | {
      readonly kind: "ok";
      readonly digest: string;
      readonly order?: string;
      readonly values?: readonly Value[];
    }
  /** Refused or failed, by an error with a code. */
  | { readonly kind: "error"; readonly code: string; readonly message: string }
  /** A finding. */
  | { readonly kind: "found"; readonly what: Fault; readonly detail: string };

/** What may be wrong with a case, apart from deaths and hangs. */
export type Fault =
  | "error without a code"
  | "memory is not given back"
  | "stops serving"
  | "differs from the reference";

/** What came of a case, its process included. */
export type Verdict =
  | Outcome
  /** Its process ended. */
  | { readonly kind: "died"; readonly how: string; readonly said: string }
  /** Nothing came for longer than the budget. `idle`: nothing computed either, so that it is not for want of a core. */
  | { readonly kind: "hung"; readonly milliseconds: number; readonly idle: boolean };

/** An error as an outcome: one without a stable code is a finding. */
export function errorOutcome(error: unknown): Outcome {
  const { code, message, stack } = error as { code?: unknown; message?: string; stack?: string };
  if (typeof code === "string" && /^[a-z][a-z0-9_]*$/.test(code) && code !== "internal") {
    return { kind: "error", code, message: String(message) };
  }
  return { kind: "found", what: "error without a code", detail: stack ?? String(message ?? error) };
}

/** In a few words, equal for the same kind of failure; undefined where nothing is wrong. */
export function faultOf(verdict: Verdict): string | undefined {
  switch (verdict.kind) {
    case "died":
      return `died: ${verdict.how}`;
    case "hung":
      return `hung for ${verdict.milliseconds} ms`;
    case "found":
      return verdict.what;
    default:
      return undefined;
  }
}
