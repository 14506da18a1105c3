import type { ModuleState, Store } from "../store/index.js";
import { type Arguments, type Command, type ExitCode, single, UsageError } from "./command.js";
import { table } from "./table.js";

/** `davit store`: what is kept of programs on disk. */
export const store: Command = {
  summary: "list, check and clean the program store",
  help: `Usage: davit store ls [--json]
       davit store show ID
       davit store verify
       davit store gc [--limit MIB]
       davit store path

The programs that functions and clients asked to keep on disk (docs/store.md), in the folder that DAVIT_STORE names, else in
davit/store of XDG_CACHE_HOME, else in ~/.cache/davit/store.

  ls            the modules, those used last first
  show ID       a module: its functions; some first digits of its id are enough
  verify        read all modules, and set aside what is damaged
  gc            remove what is of no use, and above the limit what was used least recently
  path          print the folder
  --limit MIB   what may be left; 1024
  --json        print one JSON array
  --help        this text`,
  options: { json: { type: "boolean" }, limit: { type: "string" } },
  positionals: ["ACTION", "ID?"],
  run: storeCommand,
};

async function storeCommand(args: Arguments): Promise<ExitCode> {
  const { Store, storePath } = await import("../store/index.js");
  const [action, id] = args.positionals;
  if (action !== "show" && id !== undefined) throw new UsageError(`unexpected argument "${id}"`);
  switch (action) {
    case "path":
      console.log(storePath());
      return 0;
    case "ls":
      return list(new Store(), args.flags.has("json"));
    case "show":
      return show(new Store(), id);
    case "verify":
      return verify(new Store());
    case "gc":
      return gc(new Store(), single(args, "limit"));
    default:
      throw new UsageError(`unknown action "${action}"; expected ls, show, verify, gc or path`);
  }
}

function list(store: Store, json: boolean): ExitCode {
  const modules = [...store.modules()].sort((a, b) => b.used - a.used);
  if (json) console.log(JSON.stringify(modules, null, 2));
  else if (modules.length === 0) console.error(`nothing is kept in ${store.path}`);
  else {
    const rows = modules.map(({ id, bytes, used, functions, problem }) => [
      id.slice(0, 12),
      `${(bytes / 1024).toFixed(1)} KiB`,
      new Date(used).toISOString().slice(0, 19),
      String(functions.length),
      problem ?? functions[0]?.slice(0, 60) ?? "",
    ]);
    console.log(table([["ID", "SIZE", "USED", "FUNCTIONS", "FIRST"], ...rows]));
  }
  return 0;
}

function show(store: Store, id: string | undefined): ExitCode {
  if (id === undefined) throw new UsageError("ID is missing");
  const found = [...store.modules()].filter((module) => module.id.startsWith(id));
  const [module] = found;
  if (module === undefined || found.length > 1) {
    console.error(
      `davit: ${found.length} modules have an id that begins with "${id}"; expected one`,
    );
    return 1;
  }
  console.log(describe(module));
  return 0;
}

function describe({ id, bytes, used, functions, problem }: ModuleState): string {
  const lines = [`${id}`, `${bytes} bytes, used ${new Date(used).toISOString()}`];
  return [...lines, ...(problem === undefined ? [] : [problem]), ...functions].join("\n");
}

/** Damaged modules are set aside: 1 where there are some. */
function verify(store: Store): ExitCode {
  let whole = 0;
  let damaged = 0;
  for (const { id, problem } of store.modules()) {
    if (problem === undefined) whole++;
    else {
      damaged++;
      console.log(`${id}: ${problem}`);
      store.remove(id);
    }
  }
  console.log(`${whole} modules are whole, ${damaged} were set aside`);
  return damaged === 0 ? 0 : 1;
}

function gc(store: Store, limit: string | undefined): ExitCode {
  if (limit !== undefined && !/^\d{1,9}$/.test(limit)) {
    throw new UsageError(`--limit is "${limit}"; expected a number of MiB`);
  }
  const options = limit === undefined ? {} : { limit: Number(limit) * 2 ** 20 };
  const { modules, constants, leftovers, bytes } = store.gc(options);
  const left = `${(bytes / 2 ** 20).toFixed(1)} MiB are left`;
  console.log(
    `removed ${modules} modules, ${constants} constants and ${leftovers} leftovers; ${left}`,
  );
  return 0;
}
