import { spawn } from "node:child_process";
import { guardPath } from "../native.js";

/**
 * Starts a small process that keeps a pipe's read end open until the pipe's writer closes it. An Erlang VM that writes
 * while this process dies then gets no EPIPE, which would cost it the exit status and the last frames. Without that
 * program (it is built with the addon) everything else works.
 */
export function guardInput(descriptor: number): void {
  // A session of its own: a Ctrl-C in the VM's terminal is not for it.
  const guard = spawn(guardPath, [], {
    stdio: [descriptor, "ignore", "ignore"],
    cwd: "/",
    env: {},
    detached: true,
  });
  guard.on("error", () => {});
  guard.unref();
}
