import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { type CampaignKind, INLINE, type Setup, THREADS } from "../fuzz/campaign.js";
import { KINDS } from "../fuzz/campaigns/kinds.js";
import { PLANTED } from "../fuzz/campaigns/planted.js";
import { differenceOf } from "../fuzz/compare.js";
import { type Finding, formatFinding } from "../fuzz/finding.js";
import { faultOf } from "../fuzz/outcome.js";
import { runCampaign } from "../fuzz/run-campaign.js";
import { WorkerProcess } from "../fuzz/worker-process.js";
import { FOUND, type Found } from "../test/fuzz/found.js";
import { root } from "../test/support/root.js";

/** What hangs is found here too, but nothing fails because the machine is busy. */
const BUDGET = 110_000;
/** Processes begin and end all the time, which takes long on a busy machine. */
const PATIENT = { timeout: 600_000 };
/** The short fixed part; `npm run fuzz` has no end of cases. */
const CASES: Readonly<Record<string, number>> = { graphs: 400, files: 1000, messages: 300 };

beforeAll(() => {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "-p", join(root, "fuzz", "tsconfig.json")]);
});

/** Cases of numbers, of which some fail on purpose. */
const planted: CampaignKind<readonly number[]> = {
  name: "planted",
  about: "",
  setups: [INLINE, THREADS],
  *smaller(numbers) {
    for (const index of numbers.keys()) yield numbers.toSpliced(index, 1);
  },
  likeness: String,
  print: (numbers) => `numbers ${numbers}`,
};

it(
  "finds what dies, hangs, leaks, has no code or differs, and makes it smaller",
  PATIENT,
  async () => {
    const findings: Finding[] = [];
    const { cases } = await runCampaign(planted, {
      seed: 1,
      cases: 40,
      isOver: () => false,
      // Of a case that hangs nothing runs, so that even a busy machine is not taken for it.
      budget: 2000,
      onFinding: (finding) => findings.push(finding),
    });
    expect(cases).toBe(40);
    const found = (number: number) => findings.filter(({ seed }) => seed === number);
    const both = ["inline", "threads"];
    for (const [fault, number] of [
      ["died: SIGSEGV", PLANTED.dies],
      ["hung for 2000 ms", PLANTED.hangs],
      ["memory is not given back", PLANTED.leaks],
      ["error without a code", PLANTED.uncoded],
    ] as const) {
      expect(found(number).map((finding) => finding.fault)).toEqual([fault, fault]);
      expect(
        found(number)
          .map(({ setup }) => setup)
          .sort(),
      ).toEqual(both);
      expect(found(number).map(({ test }) => test)).toEqual(new Array(2).fill(`numbers ${number}`));
    }
    expect(found(PLANTED.differs)).toMatchObject([
      { fault: "differs between runs", test: `numbers ${PLANTED.differs}` },
    ]);
    expect(findings).toHaveLength(9);
  },
);

const kinds = KINDS.filter(({ name }) => Object.hasOwn(CASES, name));

it.each(kinds)("finds nothing in a few cases: $name", PATIENT, async (kind) => {
  const findings: string[] = [];
  const tally = await runCampaign(kind, {
    seed: 1,
    cases: CASES[kind.name] as number,
    isOver: () => false,
    budget: BUDGET,
    onFinding: (finding) => findings.push(formatFinding(finding)),
  });
  expect(findings).toEqual([]);
  expect(tally.ok).toBeGreaterThan(tally.cases / 20);
});

it.each(FOUND)("$title", PATIENT, async (found) => {
  const { campaign, item, setups } = caseOf(found);
  const workers = setups.map((setup) => new WorkerProcess(campaign, setup, BUDGET));
  try {
    const verdicts = await Promise.all(workers.map((worker) => worker.trial(item)));
    expect(verdicts.map(faultOf)).toEqual(setups.map(() => undefined));
    const [one, other] = verdicts;
    if (one !== undefined && other !== undefined) expect(differenceOf(one, other)).toBeUndefined();
  } finally {
    for (const worker of workers) worker.kill();
  }
});

function caseOf(found: Found): { campaign: string; item: unknown; setups: readonly Setup[] } {
  if ("graph" in found) return { campaign: "given", item: found, setups: [INLINE, THREADS] };
  if ("stream" in found) {
    const { stream, bulk } = found;
    const item = { chunks: [stream], ...(bulk === undefined ? {} : { bulk }) };
    return { campaign: "messages", item, setups: [INLINE] };
  }
  const format = found.file.slice(found.file.indexOf(".") + 1);
  return { campaign: "files", item: { format, bytes: found.bytes }, setups: [INLINE] };
}
