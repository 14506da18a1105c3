import type { CampaignKind, Setup } from "./campaign.js";
import type { Finding } from "./finding.js";
import { Investigator } from "./investigate.js";
import { faultOf, type Verdict } from "./outcome.js";
import { WorkerProcess } from "./worker-process.js";

const CHUNK = 100;

/** What a campaign is given. */
export interface Effort {
  readonly seed: number;
  /** The most cases; Infinity where only time counts. */
  readonly cases: number;
  /** Asked before more cases are begun. */
  readonly isOver: () => boolean;
  /** Milliseconds that a case may take. */
  readonly budget: number;
  readonly onFinding: (finding: Finding) => void;
}

/** What came of it. */
export interface Tally {
  cases: number;
  ok: number;
  findings: number;
  /** Answers that the processes gave the same, and that were compared. */
  compared: number;
  readonly errors: Map<string, number>;
}

/** Runs cases with one seed after the other, each in all of the campaign's processes. */
export async function runCampaign(kind: CampaignKind<unknown>, effort: Effort): Promise<Tally> {
  const tally: Tally = { cases: 0, ok: 0, findings: 0, compared: 0, errors: new Map() };
  const workers = kind.setups.map((setup) => new WorkerProcess(kind.name, setup, effort.budget));
  const chunks = new Chunks(kind, effort, tally);
  const end = effort.seed + effort.cases;
  try {
    for (let first = effort.seed; first < end && !effort.isOver(); first += CHUNK) {
      await chunks.run(workers, first, Math.min(CHUNK, end - first));
    }
  } finally {
    for (const worker of workers) worker.kill();
  }
  return tally;
}

class Chunks {
  readonly #investigator: Investigator;

  constructor(
    private readonly kind: CampaignKind<unknown>,
    private readonly effort: Effort,
    private readonly tally: Tally,
  ) {
    this.#investigator = new Investigator(kind, effort.budget);
  }

  async run(workers: readonly WorkerProcess[], first: number, count: number): Promise<void> {
    const outcomes = await Promise.all(
      workers.map((worker) => this.#range(worker, first, first, count)),
    );
    const [one, other] = outcomes as [Map<number, Verdict>, Map<number, Verdict> | undefined];
    this.#count(one);
    if (other === undefined) return;
    for (const [seed, outcome] of one) {
      const second = other.get(seed);
      if (second === undefined) continue;
      if (mayDiffer(outcome, second)) await this.#tell(await this.#investigator.differed(seed));
      if (outcome.kind === "ok" && second.kind === "ok") this.tally.compared++;
    }
  }

  /** Runs seeds; after a death with those that are left, in a new process. */
  async #range(
    worker: WorkerProcess,
    first: number,
    from: number,
    count: number,
  ): Promise<Map<number, Verdict>> {
    const outcomes = new Map<number, Verdict>();
    const found: number[] = [];
    const end = await worker.range(from, count, (seed, outcome) => {
      outcomes.set(seed, outcome);
      if (outcome.kind === "found") found.push(seed);
    });
    for (const seed of found) await this.#investigate(worker.setup, first, seed, outcomes);
    if (end.kind === "broken") {
      const { seed, verdict } = end;
      outcomes.set(seed, verdict);
      await this.#tell(await this.#investigator.failed(worker.setup, first, seed, verdict));
      const left = from + count - seed - 1;
      const rest = left > 0 ? await this.#range(worker, seed + 1, seed + 1, left) : [];
      for (const [at, outcome] of rest) outcomes.set(at, outcome);
    } else if (end.leak !== undefined) {
      // What a process lost it keeps: the next seeds get a new one.
      worker.kill();
      await this.#leaked(worker.setup, from, count, end.leak);
    }
    return outcomes;
  }

  async #investigate(
    setup: Setup,
    first: number,
    seed: number,
    outcomes: ReadonlyMap<number, Verdict>,
  ): Promise<void> {
    const verdict = outcomes.get(seed) as Verdict;
    await this.#tell(await this.#investigator.failed(setup, first, seed, verdict));
  }

  /** One of these cases does not free its memory: finds out which. */
  async #leaked(setup: Setup, first: number, count: number, detail: string): Promise<void> {
    const verdict = { kind: "found", what: "memory is not given back", detail } as const;
    let [from, length] = [first, count];
    while (length > 1) {
      const half = length >> 1;
      const worker = new WorkerProcess(this.kind.name, setup, this.effort.budget);
      const end = await worker.range(from, half, () => {});
      worker.kill();
      const leaks = end.kind === "done" && end.leak !== undefined;
      if (!leaks) from += half;
      length = leaks ? half : length - half;
    }
    await this.#tell(await this.#investigator.failed(setup, first, from, verdict));
  }

  #count(outcomes: ReadonlyMap<number, Verdict>): void {
    const { tally } = this;
    for (const outcome of outcomes.values()) {
      if (outcome.kind === "nothing") continue;
      tally.cases++;
      if (outcome.kind === "ok") tally.ok++;
      if (outcome.kind === "error") {
        tally.errors.set(outcome.code, (tally.errors.get(outcome.code) ?? 0) + 1);
      }
    }
  }

  async #tell(finding: Finding | undefined): Promise<void> {
    if (finding === undefined) return;
    this.tally.findings++;
    this.effort.onFinding(finding);
  }
}

/** Whether two outcomes are worth a second look. */
function mayDiffer(one: Verdict, other: Verdict): boolean {
  if (faultOf(one) !== undefined || faultOf(other) !== undefined) return false;
  if (one.kind === "ok" && other.kind === "ok") return one.digest !== other.digest;
  return one.kind !== other.kind;
}
