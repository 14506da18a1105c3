import { Console } from "node:console";
import type { Engine } from "../engine/engine.js";
import { native } from "../native.js";
import { BulkListener } from "../protocol/bulk.js";
import { createHost } from "../protocol/host.js";
import { describeThrown } from "../show.js";
import { announce } from "./announce.js";
import { type ServerOptions, serveConnection } from "./connection.js";
import { guardInput } from "./guard.js";

/** Options of {@link servePort}. */
export interface PortServerOptions extends ServerOptions {
  /** Descriptors. Default: 3 and 4, those of `:nouse_stdio`. */
  readonly input?: number;
  readonly output?: number;
}

/** The time that the process may take to end by itself after its client is gone, in milliseconds. */
const HANG_UP_GRACE = 700;

/** The time that the end waits for a client that does not read, in milliseconds. */
const FLUSH_TIMEOUT = 200;

/**
 * Serves one client over an Erlang port until it closes it, and returns the status to exit with. The process
 * should then exit at once: runs may still be under way, and nothing waits for them.
 */
export async function servePort(engine: Engine, options: PortServerOptions = {}): Promise<number> {
  keepOutputClean();
  const bulk = await BulkListener.open();
  process.once("exit", () => bulk.close());
  const { input = 3, output = 4, limits, attachable = true, busyWait } = options;
  const host = createHost(engine, bulk, limits);
  native().exitOnHangUp(input, HANG_UP_GRACE);
  guardInput(input);
  const { session, ended, closed } = serveConnection(host, { input, output, busyWait });
  if (attachable) void announce(host);
  process.on("SIGINT", ignore);
  process.once("SIGTERM", () =>
    session.end("engine_terminated", "the engine was stopped by SIGTERM"),
  );
  process.on("warning", (warning) => session.log("warning", warning.message));
  // Whatever was thrown: it need not be an error.
  process.once("uncaughtException", (error: unknown) => {
    const { message, stack = message } = describeThrown(error);
    console.error(stack);
    session.log("error", stack);
    session.end("internal", `the engine failed: ${message}`);
  });
  const clean = await ended;
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, FLUSH_TIMEOUT))]);
  return clean ? 0 : 1;
}

/** Sends what is printed to stderr: stdout is the Erlang VM's own. */
function keepOutputClean(): void {
  globalThis.console = new Console(process.stderr, process.stderr);
}

/** A Ctrl-C in the VM's terminal reaches the whole process group, and is the VM's to handle. */
function ignore(): void {}
