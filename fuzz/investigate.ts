import { type CampaignKind, INLINE_MLX, type KernelRules, type Setup } from "./campaign.js";
import { differenceOf } from "./compare.js";
import type { Finding } from "./finding.js";
import { literal } from "./literal.js";
import { faultOf, type Verdict } from "./outcome.js";
import { reduce } from "./reduce.js";
import { WorkerProcess } from "./worker-process.js";

const REDUCING = 60_000;
const FOUND_BY_COMPARING = "differs between runs";

/** Finds out which case of a range made a process fail, makes it smaller, and says so. */
export class Investigator {
  constructor(
    private readonly kind: CampaignKind<unknown>,
    private readonly budget: number,
  ) {}

  /** A process died or hung, or said that something is wrong, at `seed` of a range that began with `first`. */
  async failed(
    setup: Setup,
    first: number,
    seed: number,
    verdict: Verdict,
  ): Promise<Finding | undefined> {
    const fault = faultOf(verdict) as string;
    const worker = this.#worker(setup);
    const base = { campaign: this.kind.name, seed, setup: setup.name, fault };
    try {
      const { item, lastStep } = await worker.draw(seed);
      if (item === undefined) {
        const tried = lastStep === undefined ? "" : `\nwhile it tried ${literal(lastStep)}`;
        return { ...base, detail: detailOf(verdict) + tried };
      }
      worker.kill();
      const again = await worker.trial(item);
      // On a machine that is busy a case may take longer than the budget; alone it does not.
      if (again.kind !== "hung" && verdict.kind === "hung" && !verdict.idle) return undefined;
      if (again.kind !== "died" && isFromOutside(verdict)) return undefined;
      if (!isSame(again, verdict)) {
        return {
          ...base,
          detail: `${detailOf(verdict)}\n${await this.#earlier(setup, first, seed, verdict)}`,
        };
      }
      const smallest = await this.#reduce(item, async (candidate) =>
        isSame(await worker.trial(candidate), verdict),
      );
      return { ...base, detail: detailOf(again), ...this.#told(smallest) };
    } finally {
      worker.kill();
    }
  }

  /** Two processes returned different answers; undefined where they are near each other after all. */
  async differed(seed: number): Promise<Finding | undefined> {
    const workers = [...this.kind.setups, INLINE_MLX].map((setup) => this.#worker(setup));
    const [one, other, plain] = workers as [WorkerProcess, WorkerProcess, WorkerProcess];
    const compare = async (item: unknown) => {
      const verdicts = await Promise.all([one.trial(item), other.trial(item)]);
      const difference = differenceOf(...verdicts);
      if (difference === undefined || this.kind.kernels === undefined) return difference;
      return await this.#withoutKernels(plain, item, verdicts, difference);
    };
    try {
      const { item } = await one.draw(seed);
      const detail = await compare(item);
      if (detail === undefined) return undefined;
      const smallest = await this.#reduce(
        item,
        async (candidate) => (await compare(candidate)) !== undefined,
      );
      return {
        campaign: this.kind.name,
        seed,
        setup: this.kind.setups.map(({ name }) => name).join(" and "),
        fault: FOUND_BY_COMPARING,
        detail: (await compare(smallest)) ?? detail,
        ...this.#told(smallest),
      };
    } finally {
      for (const worker of workers) worker.kill();
    }
  }

  /**
   * What is left of a difference between two processes of which only the first has kernels of the engine's own: what the
   * ways in which their streams run do, and what is more than the order of sums explains.
   */
  async #withoutKernels(
    plain: WorkerProcess,
    item: unknown,
    [one, other]: readonly [Verdict, Verdict],
    difference: string,
  ): Promise<string | undefined> {
    const { isCalm, nudged } = this.kind.kernels as KernelRules<unknown>;
    const mlx = await plain.trial(item);
    const ways = differenceOf(mlx, other);
    if (ways !== undefined || one.kind !== other.kind) return ways ?? difference;
    if (!isCalm(item)) return undefined;
    return differenceOf(one, mlx, await plain.trial(nudged(item)));
  }

  /** A case fails only after others: says from which seed on. */
  async #earlier(setup: Setup, first: number, seed: number, verdict: Verdict): Promise<string> {
    let low = first;
    let high = seed;
    const fails = async (from: number) => {
      const worker = this.#worker(setup);
      const end = await worker.range(from, seed - from + 1, () => {});
      worker.kill();
      return end.kind === "broken" && isSame(end.verdict, verdict);
    };
    if (!(await fails(low))) return `it did not happen again with the seeds ${first} to ${seed}`;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (await fails(middle)) low = middle;
      else high = middle;
    }
    return `it happens with the seeds ${low} to ${seed}, one after the other, and not with ${seed} alone`;
  }

  #reduce(item: unknown, fails: (item: unknown) => Promise<boolean>): Promise<unknown> {
    return reduce(item, (one) => this.kind.smaller(one), fails, Date.now() + REDUCING);
  }

  #told(item: unknown) {
    return { likeness: this.kind.likeness(item), test: this.kind.print(item) };
  }

  #worker(setup: Setup): WorkerProcess {
    return new WorkerProcess(this.kind.name, setup, this.budget);
  }
}

/** A death by a signal is like any other by a signal: where memory is overwritten, chance tells which. */
function isSame(one: Verdict, other: Verdict): boolean {
  if (one.kind === "found" && other.kind === "found") return one.what === other.what;
  if (one.kind === "died" && other.kind === "died") {
    return one.how === other.how || (one.how.startsWith("SIG") && other.how.startsWith("SIG"));
  }
  return one.kind === other.kind;
}

/** A death that somebody asked for. */
function isFromOutside(verdict: Verdict): boolean {
  return verdict.kind === "died" && ["SIGTERM", "SIGINT", "SIGHUP"].includes(verdict.how);
}

function detailOf(verdict: Verdict): string {
  if (verdict.kind === "found") return verdict.detail;
  return verdict.kind === "died" ? verdict.said.trim() : "";
}
