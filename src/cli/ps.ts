import type { EngineInfo } from "../attach/engines.js";
import type { Arguments, Command, ExitCode } from "./command.js";

/** `davit ps`: the engines of this user. */
export const ps: Command = {
  summary: "list the engines of this user that can be watched",
  help: `Usage: davit ps [--json]

Lists the engines of this user: those that an Erlang VM owns as its port, and those of davit serve. An engine that was
started with --no-attach is not listed.

  --json     print one JSON array
  --help     this text

Example: davit watch "$(davit ps --json | jq '.[0].pid')" --probe 'encoder.*'`,
  options: { json: { type: "boolean" } },
  positionals: [],
  run: listCommand,
};

async function listCommand(args: Arguments): Promise<ExitCode> {
  const { listEngines } = await import("../attach/engines.js");
  const engines = await listEngines();
  if (args.flags.has("json")) console.log(JSON.stringify(engines, null, 2));
  else if (engines.length === 0) console.error("no engine of this user runs");
  else console.log(table(engines));
  return 0;
}

function table(engines: readonly EngineInfo[]): string {
  const rows = engines.map(({ pid, uptime, programs, runs, memory, folder }) => [
    String(pid),
    duration(uptime),
    String(programs),
    String(runs),
    `${(memory.active / 2 ** 20).toFixed(1)} MiB`,
    folder,
  ]);
  const all = [["PID", "UPTIME", "PROGRAMS", "RUNS", "MEMORY", "FOLDER"], ...rows];
  const widths = all[0]?.map((_, column) =>
    Math.max(...all.map((row) => row[column]?.length ?? 0)),
  );
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
