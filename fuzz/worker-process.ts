import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../test/support/root.js";
import type { Setup } from "./campaign.js";
import type { Outcome, Verdict } from "./outcome.js";
import { pack, unpack } from "./pack.js";
import { isComputing } from "./threads.js";
import type { Answer, Request } from "./worker-messages.js";

const script = join(root, "build", "fuzz", "fuzz", "worker.js");
/** Compiled, src/ lies elsewhere and does not find it. */
const addon = process.env.DAVIT_ADDON ?? join(root, "build", "Release", "davit.node");
const STDERR_KEPT = 4000;

/** How a range of seeds came to its end. `seed` is the one at which its process died or hung. */
export type RangeEnd =
  | { readonly kind: "done"; readonly leak?: string | undefined }
  | { readonly kind: "broken"; readonly seed: number; readonly verdict: Verdict };

/** A process that runs cases of a campaign. It may die, and is replaced when it is needed again. */
export class WorkerProcess {
  #child: ChildProcess | undefined;
  #said = "";
  #ready: Promise<boolean> = Promise.resolve(false);
  #take: ((answer: Answer | Verdict) => void) | undefined;

  constructor(
    readonly campaign: string,
    readonly setup: Setup,
    /** Milliseconds without a word after which it is killed. */
    readonly budget: number,
  ) {}

  /** Runs the cases of some seeds, in order. */
  async range(
    first: number,
    count: number,
    onOutcome: (seed: number, outcome: Outcome) => void,
  ): Promise<RangeEnd> {
    let seed = first;
    for await (const answer of this.#ask({ first, count })) {
      if ("kind" in answer) return { kind: "broken", seed, verdict: answer };
      if ("seed" in answer) {
        onOutcome(answer.seed, answer.outcome);
        seed = answer.seed + 1;
      }
      if ("done" in answer) return { kind: "done", leak: answer.leak };
    }
    throw new Error("a worker stopped answering");
  }

  /** The case of a seed; where the process dies of drawing it, the last that it tried. */
  async draw(seed: number): Promise<{ item?: unknown; lastStep?: unknown }> {
    let lastStep: unknown;
    for await (const answer of this.#ask({ draw: seed })) {
      if ("step" in answer) lastStep = unpack(answer.step);
      if ("drawn" in answer) return { item: unpack(answer.drawn) };
      if ("done" in answer || "kind" in answer) break;
    }
    return { lastStep };
  }

  /** Runs a case. */
  async trial(item: unknown): Promise<Verdict> {
    for await (const answer of this.#ask({ item: pack(item) })) {
      if ("kind" in answer) return answer;
      if (!("trial" in answer)) continue;
      const outcome = unpack<Outcome>(answer.trial);
      // What it lost it keeps, and the next case would be blamed.
      if (outcome.kind === "found" && outcome.what === "memory is not given back") this.kill();
      return outcome;
    }
    throw new Error("a worker stopped answering");
  }

  /** Ends the process; the next request starts another. */
  kill(): void {
    this.#child?.kill("SIGKILL");
    this.#child = undefined;
  }

  /** Sends a request; yields what comes, the process's end included. */
  async *#ask(request: Request): AsyncGenerator<Answer | Verdict> {
    const child = this.#started();
    if (!(await this.#ready)) {
      throw new Error(`a process of the campaign ${this.campaign} does not start: ${this.#said}`);
    }
    const answers: (Answer | Verdict)[] = [];
    let wake = () => {};
    this.#take = (answer) => {
      answers.push(answer);
      wake();
    };
    child.stdin?.write(`${JSON.stringify(request)}\n`);
    for (;;) {
      while (answers.length > 0) yield answers.shift() as Answer | Verdict;
      const late = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), this.budget);
        wake = () => {
          clearTimeout(timer);
          resolve(false);
        };
      });
      if (late && answers.length === 0) {
        const computing = child.pid === undefined ? undefined : isComputing(child.pid);
        this.kill();
        yield { kind: "hung", milliseconds: this.budget, idle: computing === false };
        return;
      }
    }
  }

  /** The process; a new one where there is none. */
  #started(): ChildProcess {
    if (this.#child !== undefined) return this.#child;
    const child = spawn(process.execPath, ["--expose-gc", script, this.campaign], {
      env: { ...process.env, DAVIT_ADDON: addon, ...this.setup.env },
      stdio: ["pipe", "ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#said = "";
    let answerReady: (ready: boolean) => void = () => {};
    this.#ready = new Promise((resolve) => {
      answerReady = resolve;
    });
    child.stdin?.on("error", () => {}); // its end tells the rest
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-STDERR_KEPT);
    });
    createInterface({ input: child.stdio[3] as NodeJS.ReadableStream }).on("line", (line) => {
      if (this.#child !== child) return;
      const answer = JSON.parse(line) as Answer;
      if ("ready" in answer) answerReady(true);
      else this.#take?.(answer);
    });
    child.on("close", (code, signal) => {
      answerReady(false);
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#take?.({ kind: "died", how: signal ?? `exit status ${code}`, said: this.#said });
    });
    return child;
  }
}
