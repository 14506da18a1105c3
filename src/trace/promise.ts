import { GraphError } from "../graph/error.js";

/** Tells a promise, or what `await` takes for one. Its error, if it comes to one, is nobody's: it is not reported. */
export function isPromise(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (typeof (value as { then?: unknown }).then !== "function") return false;
  Promise.resolve(value).catch(() => {});
  return true;
}

/**
 * Returns the result of a traced function. A function that is traced runs once, from beginning to end, and cannot wait.
 * @throws GraphError `function_async`
 */
export function synchronous<Result>(name: string, result: Result): Result {
  if (!isPromise(result)) return result;
  throw new GraphError("function_async", `the function "${name}" returned a promise`, {
    expected:
      "a function that is not async: tracing cannot wait, so await tensors before it, and let `callback` wait while the program runs",
  });
}
