/** `npm run bench`: see `--help`, and docs/performance.md. */
import { availableParallelism, cpus } from "node:os";
import { parseOptions, UsageError } from "./arguments.js";
import { Unavailable } from "./figure.js";
import { figures } from "./figures/index.js";
import { opsTable } from "./ops-table.js";
import { type Entry, entry, heading, line } from "./report.js";
import { Tools } from "./tools.js";

const HELP = `Usage: npm run bench [-- [--json] [--peers] [NAME...]]

Measures how fast this checkout is on this machine. Each figure is a median, taken in turn with what
it is compared with. Without names all are measured, which takes about half a minute.

  --json     print one JSON object as the last line
  --peers    fetch onnxruntime and jax, which figures of kernels are beside (about 160 MB), and build llama.cpp,
             which those of generate are beside (some minutes) first
  --help     this text

Exit codes: 0 all was measured that can be on this machine, 1 something failed, 2 called wrongly.

With the name "ops" it prints how long each of some ops takes beside the best of the peers that are here,
the worst first.

Figures:
${Object.entries(figures)
  .map(([name, { about, unit }]) => `  ${name.padEnd(18)}${about} (${unit})`)
  .join("\n")}

docs/performance.md says how they are taken and what they mean.`;

async function measure(tools: Tools, name: string): Promise<Entry> {
  const figure = figures[name] as (typeof figures)[string];
  try {
    return entry(figure, await figure.measure(tools));
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof Unavailable) return { unit: figure.unit, unavailable: message };
    console.error(`${name}: ${message}`);
    // What the workers hold now is unknown; the next figure gets new ones.
    await tools.close();
    return { unit: figure.unit, failed: message.split("\n", 1)[0] as string };
  }
}

async function run(argv: readonly string[]): Promise<number> {
  const { names, json, ops, help } = parseOptions(argv, Object.keys(figures));
  if (help) {
    console.log(HELP);
    return 0;
  }
  console.log(
    `${availableParallelism()} cores, ${cpus()[0]?.model}, Node ${process.versions.node}`,
  );
  const tools = new Tools();
  if (ops) {
    try {
      for (const text of await opsTable(tools)) console.log(text);
    } finally {
      await tools.close();
    }
    return 0;
  }
  console.log(heading());
  const entries: Record<string, Entry> = {};
  try {
    for (const name of names) {
      const result = await measure(tools, name);
      entries[name] = result;
      console.log(line(name, result));
    }
  } finally {
    await tools.close();
  }
  if (json) console.log(JSON.stringify(entries));
  return Object.values(entries).some(({ failed }) => failed !== undefined) ? 1 : 0;
}

try {
  process.exitCode = await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`bench: ${error.message}\nTry "npm run bench -- --help".`);
  process.exitCode = 2;
}
