import { once } from "node:events";
import type { Client } from "../client/client.js";
import type { RemoteMatch } from "../client/wire.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { printEvent } from "./hook-lines.js";
import { HOOK_OPTIONS, hookMatches } from "./hook-options.js";

/** `davit watch`: what the hooks of a running engine see. */
export const watch: Command = {
  summary: "watch hooks and labelled nodes of a running engine",
  help: `Usage: davit watch [ENGINE] [OPTIONS]

Subscribes to what an engine in another process computes, without a change to the application that owns it, and prints
it until Ctrl+C or until the engine ends. ENGINE is a process id of davit ps, or the path of a socket of davit serve;
where only one engine runs it may be left out.

  --hook GLOB                 print every hook whose label, or name where it has no label, matches; all of them by default
  --probe GLOB                print every labelled node that matches
  --values                    print the values instead of summaries
  --latest                    leave out what comes faster than it is printed, and say how much; by default the run waits
  --record FILE               let the engine write what matches, and the replies of callbacks, to a recording instead
  --help                      this text

Exit codes: 0 stopped by Ctrl+C, 1 the engine ended or failed, 2 called wrongly.

Example: davit watch --probe 'encoder.3.*'`,
  options: {
    ...HOOK_OPTIONS,
    latest: { type: "boolean" },
  },
  positionals: ["ENGINE?"],
  run: watchCommand,
};

async function watchCommand(args: Arguments): Promise<ExitCode> {
  const path = single(args, "record");
  if (path !== undefined) {
    for (const flag of ["values", "latest"]) {
      if (args.flags.has(flag)) {
        throw new UsageError(`--${flag} is for printing; with --record nothing is printed`);
      }
    }
  }
  const [{ findEngine }, { Client: Clients }] = await Promise.all([
    import("../attach/engines.js"),
    import("../client/client.js"),
  ]);
  const interrupted = once(process, "SIGINT").then(() => undefined);
  const client = await Clients.connect(await findEngine(args.positionals[0]));
  try {
    const finish =
      path === undefined ? await print(client, args) : await record(client, args, path);
    const ended = await Promise.race([client.closed, interrupted]);
    if (ended !== undefined) throw ended;
    await finish();
    return 0;
  } finally {
    await client.close();
  }
}

async function print(client: Client, args: Arguments): Promise<() => Promise<void>> {
  const view = args.flags.has("values") ? "full" : "summary";
  const policy = args.flags.has("latest") ? "latest" : "every";
  for (const match of matches(args)) await client.subscribe({ match, policy, view }, printEvent);
  console.error("watching; Ctrl+C ends it");
  return async () => {};
}

async function record(client: Client, args: Arguments, path: string): Promise<() => Promise<void>> {
  const { resolve } = await import("node:path");
  await client.record(1, resolve(path), matches(args));
  console.error(`recording to ${path}; Ctrl+C ends it`);
  return async () => {
    const { result } = await client.ask(["stop_recording", 1]);
    console.error(`${path}: ${result.events} events`);
  };
}

/** All hooks where nothing is named. */
function matches(args: Arguments): readonly RemoteMatch[] {
  const wanted = hookMatches(args);
  return wanted.length === 0 ? ["all"] : wanted;
}
