import type { Arguments, Command, ExitCode } from "./command.js";
import { engineOptions } from "./engine-options.js";
import { SERVER_HELP, SERVER_OPTIONS, serverOptions } from "./server-options.js";

/** `davit port`: what an Erlang VM starts as its port. */
export const port: Command = {
  summary: "serve an Erlang VM over descriptors 3 and 4",
  help: `Usage: davit port [OPTIONS]

Serves one client over descriptors 3 and 4 with {packet, 4}, as an Erlang port opened with
nouse_stdio does; see docs/protocol.md. Ends when the client closes them. Not for terminals.

${SERVER_HELP}
  --help                      this text`,
  options: SERVER_OPTIONS,
  positionals: [],
  run: servePortCommand,
};

async function servePortCommand(args: Arguments): Promise<ExitCode> {
  const options = engineOptions(args);
  const serving = serverOptions(args);
  const [{ Engine }, { servePort }] = await Promise.all([
    import("../engine/engine.js"),
    import("../server/port.js"),
  ]);
  // Runs may still be under way; nobody waits for them.
  process.exit(await servePort(Engine.create(options), serving));
}
