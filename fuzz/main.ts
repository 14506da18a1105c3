/** `npm run fuzz`: see `--help`, and docs/reliability.md. */
import { type FuzzOptions, parseOptions, UsageError } from "./arguments.js";
import type { CampaignKind } from "./campaign.js";
import { KINDS } from "./campaigns/kinds.js";
import { type Finding, formatFinding } from "./finding.js";
import { runCampaign, type Tally } from "./run-campaign.js";

const HELP = `Usage: npm run fuzz [-- [OPTIONS] [CAMPAIGN...]]

Gives the engine what nobody would: drawn graphs with hostile data, broken files and messages. Cases run in processes
that may die, whose allocator puts a page behind every buffer that nobody may touch. What kills, hangs, fails
without a code, leaks, or differs is made smaller and printed as a test case.

  --seconds N    for how long, all campaigns together (default 60, unless --cases is given)
  --cases N      how many cases of each campaign
  --seed S       the first seed; the same seeds are the same cases (default: from the clock)
  --budget N     seconds without a word after which a case hangs (default 30)
  --without OPS  draws no graph with these ops (names with commas between them), for faults that are known
  --help         this text

Ctrl-C ends it after the cases under way, with the counts so far; once more at once.

Exit codes: 0 nothing was found, 1 something was, 2 called wrongly.

Campaigns:
${KINDS.map(({ name, about }) => `  ${name.padEnd(14)} ${about}`).join("\n")}`;

let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    interrupted = true;
  });
}

async function fuzz(
  kind: CampaignKind<unknown>,
  options: FuzzOptions,
  until: number,
): Promise<Tally> {
  const started = Date.now();
  const tally = await runCampaign(kind, {
    seed: options.seed,
    cases: options.cases,
    isOver: () => interrupted || Date.now() >= until,
    budget: options.budget * 1000,
    onFinding: tellFindings(),
  });
  const seconds = (Date.now() - started) / 1000;
  console.log(`${kind.name}: ${summary(tally)}, in ${seconds.toFixed(0)} s`);
  return tally;
}

/** Prints what is found; what looks like something before it in one line. */
function tellFindings(): (finding: Finding) => void {
  const told = new Set<string>();
  return (finding) => {
    const { fault, likeness, campaign, seed, setup } = finding;
    const known = likeness !== undefined && told.has(`${fault} ${likeness}`);
    told.add(`${fault} ${likeness}`);
    if (known) console.log(`again: ${fault}: ${likeness}: ${campaign}, seed ${seed}, ${setup}\n`);
    else console.log(`${formatFinding(finding)}\n`);
  };
}

function summary({ cases, ok, findings, compared, errors }: Tally): string {
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
  const most = [...errors].sort(([, a], [, b]) => b - a).slice(0, 8);
  const codes = most.map(([code, count]) => `${code} ${count}`).join(", ");
  return [
    `${cases} cases`,
    `${ok} with results`,
    `${failed} with an error${codes === "" ? "" : ` (${codes})`}`,
    ...(compared === 0 ? [] : [`${compared} compared`]),
    `${findings} findings`,
  ].join(", ");
}

async function main(argv: readonly string[]): Promise<number> {
  const names = KINDS.map(({ name }) => name);
  const options = parseOptions(argv, names, Date.now());
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  // Workers inherit it.
  process.env.DAVIT_FUZZ_WITHOUT = options.without.join(",");
  console.log(`seed ${options.seed}: the same again with --seed ${options.seed}`);
  const kinds = KINDS.filter(({ name }) => options.campaigns.includes(name));
  let findings = 0;
  let left = options.seconds * 1000;
  for (const [index, kind] of kinds.entries()) {
    const started = Date.now();
    const share = left / (kinds.length - index);
    const tally = await fuzz(kind, options, started + share);
    left -= Date.now() - started;
    findings += tally.findings;
  }
  return findings === 0 ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`fuzz: ${error.message}\nTry "npm run fuzz -- --help".`);
  process.exitCode = 2;
}
