/** Calls a function with a signal that Ctrl+C aborts, until what it returns is settled. */
export async function interruptible<R>(fn: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort("Ctrl+C");
  process.once("SIGINT", interrupt);
  try {
    return await fn(interrupted.signal);
  } finally {
    process.off("SIGINT", interrupt);
  }
}
