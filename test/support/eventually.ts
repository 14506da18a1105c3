import { vi } from "vitest";

/** Long enough for a busy machine; what holds does so in milliseconds. */
const PATIENCE = 60_000;

/** Waits until a check throws nothing. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: PATIENCE });
}
