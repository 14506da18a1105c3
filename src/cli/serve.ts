import { once } from "node:events";
import { type Arguments, type Command, type ExitCode, UsageError } from "./command.js";
import { engineOptions } from "./engine-options.js";
import { SERVER_HELP, SERVER_OPTIONS, serverOptions } from "./server-options.js";

/** `davit serve`: one engine for several programs of this machine. */
export const serve: Command = {
  summary: "serve several clients over a Unix socket",
  help: `Usage: davit serve PATH [OPTIONS]

Serves any number of clients of this user over a Unix socket, all on one engine; see
docs/protocol.md. Ends with Ctrl+C or SIGTERM.

${SERVER_HELP}
  --help                      this text`,
  options: SERVER_OPTIONS,
  positionals: ["PATH"],
  run: serveSocketCommand,
};

async function serveSocketCommand(args: Arguments): Promise<ExitCode> {
  const [path] = args.positionals;
  if (path === undefined || path === "") throw new UsageError("PATH is missing");
  const options = engineOptions(args);
  const serving = serverOptions(args);
  const [{ Engine }, { serveSocket }] = await Promise.all([
    import("../engine/engine.js"),
    import("../server/socket.js"),
  ]);
  const stopped = Promise.race([once(process, "SIGINT"), once(process, "SIGTERM")]);
  const server = await serveSocket(Engine.create(options), path, serving);
  console.error(`davit serves ${server.path}`);
  await stopped;
  await server.close();
  // Runs may still be under way; nobody waits for them.
  process.exit(0);
}
