import type { EngineInfo } from "../attach/engines.js";
import type { Arguments, Command, ExitCode } from "./command.js";
import { table } from "./table.js";

/** `davit ps`: the engines of this user. */
export const ps: Command = {
  summary: "list the engines of this user that can be watched",
  help: `Usage: davit ps [--memory] [--json]

Lists the engines of this user: those that an Erlang VM owns as its port, and those of davit serve. An engine that was
started with --no-attach is not listed.

  --memory   also which clients and models have the memory
  --json     print one JSON array
  --help     this text

Example: davit watch "$(davit ps --json | jq '.[0].pid')" --probe 'encoder.*'`,
  options: { json: { type: "boolean" }, memory: { type: "boolean" } },
  positionals: [],
  run: listCommand,
};

async function listCommand(args: Arguments): Promise<ExitCode> {
  const { listEngines } = await import("../attach/engines.js");
  const engines = await listEngines({ usage: args.flags.has("memory") });
  if (args.flags.has("json")) console.log(JSON.stringify(engines, null, 2));
  else if (engines.length === 0) console.error("no engine of this user runs");
  else if (args.flags.has("memory")) console.log(engines.map(usageText).join("\n\n"));
  else console.log(engineTable(engines));
  return 0;
}

function engineTable(engines: readonly EngineInfo[]): string {
  const rows = engines.map(({ pid, uptime, programs, runs, memory, folder }) => [
    String(pid),
    duration(uptime),
    String(programs),
    String(runs),
    mebibytes(memory.active),
    folder,
  ]);
  return table([["PID", "UPTIME", "PROGRAMS", "RUNS", "MEMORY", "FOLDER"], ...rows]);
}

/** An engine's memory, then a line for each session and model. */
function usageText({ pid, folder, usage }: EngineInfo): string {
  if (usage === undefined) return `${pid} ${folder}`;
  const { active, peak, cached, limit, cacheLimit, sessions, models } = usage;
  const all =
    `${pid} ${folder}\n${mebibytes(active)} in use (at most ${mebibytes(peak)}, limit ${mebibytes(limit)}), ` +
    `${mebibytes(cached)} kept for reuse (limit ${mebibytes(cacheLimit)})`;
  const rows = [
    ...sessions.map(({ session, client, bytes, peak: most, tensors, programs, models: open }) => [
      `session ${session}`,
      mebibytes(bytes),
      mebibytes(most),
      [
        `${tensors} tensors`,
        `${programs} programs`,
        ...(open.length > 0 ? [`${open.length} models`] : []),
      ].join(", "),
      client,
    ]),
    ...models.map(({ path, bytes, users }) => [
      "model",
      mebibytes(bytes),
      "",
      `opened ${users} ${users === 1 ? "time" : "times"}`,
      path,
    ]),
  ];
  if (rows.length === 0) return all;
  return `${all}\n${table([["OWNER", "MEMORY", "PEAK", "HAS", "NAME"], ...rows])}`;
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
