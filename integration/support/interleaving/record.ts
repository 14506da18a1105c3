import { floats } from "../../../test/support/client.js";
import { KINDS, type Vector } from "./programs.js";
import type { Action, CallPlan, EventPlan, WatchPlan } from "./schedule.js";
import {
  checkCalls,
  checkEvents,
  type Expectation,
  type Observed,
  type ObservedCall,
  tell,
} from "./verify.js";

/** A tensor that a client named: its value or error once they are known. */
export interface Tensor {
  value?: Vector;
  error?: string;
}

/** A standing subscription. */
export interface Standing {
  readonly request: number;
  readonly watch: WatchPlan;
  readonly events: EventPlan;
  ended: boolean;
}

/** How a run is started, and what its handlers do. `input`: elements, or a tensor's id. */
export type RunPlan = Omit<Extract<Action, { do: "run" }>, "do" | "input"> & {
  readonly input: Vector | number;
  readonly parent?: RunRecord | undefined;
};

/** The type of all inputs and outputs. */
export const VECTOR = ["float32", [4]];

const PRINTS = { match: "prints", policy: "every", view: "full" } as const;

/** A run: what came of it, and whether that is right. */
export class RunRecord {
  readonly output: Tensor = {};
  readonly replies = new Map<string, readonly Vector[]>();
  over = false;
  /** What it gave, where that was fetched. */
  value: Vector | undefined;
  /** What it failed with. */
  code: string | undefined;
  readonly #faults: string[] = [];
  #standing: readonly { readonly one: Standing; readonly ended: boolean }[] = [];
  readonly #codes = new Set<string>();
  readonly #own = new Map<number, Observed[]>();
  readonly #seen = new Map<Standing, Observed[]>();
  readonly #calls: ObservedCall[] = [];

  constructor(
    readonly request: number,
    readonly plan: RunPlan,
    /** The tensor's id of what it gives. */
    readonly name: number | null,
    /** The tensor that it takes. */
    private readonly source: Tensor | undefined,
    private readonly inline: boolean,
  ) {
    if (KINDS[plan.kind].fails) this.mayFail("mlx_failed");
  }

  /** It may end with this code. */
  mayFail(code: string): void {
    this.#codes.add(code);
  }

  /** An event of one of its own hooks, or of its prints. */
  own(number: number, event: Observed): void {
    push(this.#own, number, event);
  }

  /** An event of it that a standing subscription got. */
  seen(standing: Standing, event: Observed): void {
    push(this.#seen, standing, event);
  }

  /** One of its calls; what the handler does with it. */
  asked(call: ObservedCall): CallPlan {
    const { calls } = this.plan;
    return calls[(this.#calls.push(call) - 1) % calls.length] as CallPlan;
  }

  /** Its answer came. */
  settle(
    code: string | undefined,
    attachments: readonly Uint8Array[],
    standing: readonly Standing[],
  ): void {
    this.over = true;
    this.code = code;
    this.value = code === undefined && this.plan.fetch ? floats(attachments[0]) : undefined;
    this.#standing = standing.map((one) => ({ one, ended: one.ended }));
  }

  /**
   * Gives what is wrong with it. Answers that hold values wait for a slow reader, so a run may be
   * answered before the one whose output it took; called in the order of the runs when all are answered.
   */
  verify(): readonly string[] {
    const { kind, fetch, input } = this.plan;
    const missing = !this.inline && this.source === undefined ? "tensor_unknown" : undefined;
    const inherited = missing ?? this.source?.error;
    const x = this.inline ? (input as Vector) : this.source?.value;
    const code = this.code;
    if (code !== undefined) this.output.error = code;
    if (x === undefined) {
      if (inherited === undefined) this.#fault("it was answered, and what it took was not");
      if (this.#own.size + this.#seen.size + this.#calls.length > 0) {
        this.#fault("it fired without its input");
      }
    }
    if (code !== undefined) {
      const allowed = missing !== undefined ? [missing] : [...this.#codes, inherited];
      if (!allowed.includes(code)) this.#fault(`it failed with ${code}; ${allowed.join(", ")}`);
      if (x !== undefined) this.#check(x, false);
      return this.#faults;
    }
    const { endless, fails } = KINDS[kind];
    if (x === undefined || endless || fails) {
      this.#fault(`it succeeded; expected ${inherited ?? "a failure"}`);
      return this.#faults;
    }
    const expected = this.#check(x, true);
    if (expected === undefined) this.#fault("it succeeded without all of its replies");
    else if (fetch && JSON.stringify(this.value) !== JSON.stringify(expected)) {
      this.#fault(`it gave ${this.value}; expected ${expected}`);
    }
    if (expected !== undefined) this.output.value = expected;
    return this.#faults;
  }

  #fault(text: string): void {
    this.#faults.push(`run ${this.request} of ${this.plan.kind}: ${text}`);
  }

  /** Holds what came against what should have; gives what it should have given. */
  #check(x: Vector, succeeded: boolean): Vector | undefined {
    const { kind, hooks, print } = this.plan;
    const events = [...this.#own.values(), ...this.#seen.values()].flat();
    // An endless run is told as far as it was seen.
    const passes = events.reduce((most, { path }) => Math.max(most, path[0] ?? 0), 0);
    const story = tell(kind, x, this.replies, 100 + passes);
    const check = (came: readonly Observed[], expected: Expectation, who: string) => {
      const wrong = checkEvents(came, story, expected);
      if (wrong !== undefined) this.#fault(`${who}: ${wrong}`);
    };
    hooks.forEach((hook, number) => {
      const expected = { ...hook, own: true, before: true, after: succeeded };
      check(this.#own.get(number) ?? [], expected, `hook ${number}`);
    });
    const prints = this.#own.get(-1) ?? [];
    if (print) check(prints, { ...PRINTS, own: true, before: true, after: succeeded }, "prints");
    else if (prints.length > 0) this.#fault("prints came that were not wanted");
    for (const { one, ended } of this.#standing) {
      const before = one.request < this.request;
      const expected = { ...one.watch, own: false, before, after: succeeded && !ended };
      check(this.#seen.get(one) ?? [], expected, `subscription ${one.request}`);
    }
    const wrong = checkCalls(this.#calls, story);
    if (wrong !== undefined) this.#fault(wrong);
    return story.result;
  }
}

function push<K>(map: Map<K, Observed[]>, key: K, event: Observed): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [event]);
  else list.push(event);
}
