import { DavitError } from "../error.js";
import type { NativeEngine } from "../native.js";
import { Tensor } from "../native-tensor.js";
import { describeThrown } from "../show.js";
import { formatType } from "../tensor/dtype.js";
import type { OperandTree } from "../trace/control.js";
import { type Flat, flatten, type Tree } from "../trace/tree.js";
import type { Argument } from "./arguments.js";
import { type TurnOptions, Turns } from "./exclusive.js";
import type { Jitted, Result } from "./jit.js";
import { type Holding, MemoryOwners } from "./memory.js";

/** What a step returns: the new state, and what is left for the caller. */
export type StepResult = readonly [state: OperandTree, result: OperandTree];

/** Options of {@link HeldState.apply}. */
export interface ApplyOptions {
  /** Cancels the run. */
  readonly signal?: AbortSignal;
  /**
   * The state after a run that failed or was cancelled. `"lose"`: there is none until {@link HeldState.copyIn}, since the run
   * computes in its memory. `"restore"`: the state is as it was, at the price of a copy. Default `"lose"`.
   */
  readonly onFailure?: "lose" | "restore";
}

/** A state in the hands of the function of {@link State.exclusive}. It cannot be used after it. */
export interface HeldState<S extends Tree<Tensor> = Tree<Tensor>> {
  /**
   * Runs `step(state, ...args)`, a function of `engine.jit` that returns `[state, result]`, and resolves with the result. The new state
   * takes the place of the old one, whose memory the run may use.
   * @throws DavitError `state_lost`; `state_changed` where the new state has another form; and what makes the run fail
   */
  apply<R extends StepResult>(
    step: Jitted<R>,
    args: readonly Argument[],
    options?: ApplyOptions,
  ): Promise<Result<R[1]>>;
  /** Returns the state's tensors. As long as they are there, the next step has to copy. @throws DavitError `state_lost` */
  copyOut(): S;
  /** Sets the state anew; the tensors are still the caller's. @throws DavitError `state_changed` where it has another form */
  copyIn(value: S): void;
}

/** The parts of an engine that states use. */
export interface StateEngine {
  readonly native: NativeEngine;
  share(tensor: Tensor): Tensor;
}

/**
 * Tensors that change, and have one owner at a time, such as the keys and values of attention. Programs take them and compute the
 * new ones in the same memory.
 *
 * @example
 * ```ts
 * const total = engine.state({ sum: engine.tensor([0, 0]) });
 * const add = engine.jit(({ sum }, x) => [{ sum: mx.add(sum, x) }, mx.sum(x)]);
 * await total.exclusive((held) => held.apply(add, [[1, 2]]));
 * ```
 */
export class State<S extends Tree<Tensor> = Tree<Tensor>> implements Disposable {
  readonly #engine: StateEngine;
  readonly #turns = new Turns();
  readonly #form: Flat<Tensor>;
  #tensors: readonly Tensor[];
  /** Why there are no tensors. */
  #lost: string | undefined;
  #disposed = false;
  /** It is listed among the engine's owners as long as the state refers to this. */
  readonly #holding: Holding;

  /** For the engine: takes over the tensors. @internal */
  constructor(engine: StateEngine, tensors: S) {
    this.#engine = engine;
    this.#form = flatten(tensors);
    this.#tensors = this.#form.leaves;
    const types = this.#tensors.map(({ type }) => formatType(type));
    this.#holding = {
      kind: "state",
      name: types.length > 2 ? `${types[0]} and ${types.length - 1} more` : types.join(", "),
      values: () => this.#tensors.filter(({ freed }) => !freed).map(({ value }) => value),
    };
    MemoryOwners.of(engine.native).addWeakly(this.#holding);
  }

  /**
   * Calls a function that has the state for itself until what it returns is settled, also across its `await`s. Others wait, in the order
   * in which they asked.
   * @throws DavitError `state_nested` inside of another `exclusive` of the same state; `timeout`
   */
  exclusive<R>(
    fn: (held: HeldState<S>) => R | PromiseLike<R>,
    options: TurnOptions = {},
  ): Promise<R> {
    return this.#turns.take(async () => {
      let over = false;
      let steps: Promise<unknown> = Promise.resolve();
      const checked = () => {
        if (!over) return;
        const message = "the state is used after the function of `exclusive` that had it";
        throw new DavitError("state_released", message, { expected: "its use in the function" });
      };
      try {
        return await fn({
          apply: (step, args, options) => {
            checked();
            const result = steps.then(() => this.#apply(step, args, options));
            steps = result.catch(() => {});
            return result;
          },
          copyOut: () => {
            checked();
            return this.#copyOut();
          },
          copyIn: (value) => {
            checked();
            this.#copyIn(value);
          },
        });
      } finally {
        over = true;
        // One that was not waited for.
        await steps;
      }
    }, options);
  }

  /** Waits for a turn and returns the state's tensors, as {@link HeldState.copyOut}. */
  copyOut(options?: TurnOptions): Promise<S> {
    return this.exclusive((held) => held.copyOut(), options);
  }

  /** Waits for a turn and sets the state anew, as {@link HeldState.copyIn}. */
  copyIn(value: S, options?: TurnOptions): Promise<void> {
    return this.exclusive((held) => held.copyIn(value), options);
  }

  /** Waits for a turn and returns another state that goes on from here. Whichever of the two is changed first pays for a copy. */
  snapshot(options?: TurnOptions): Promise<State<S>> {
    return this.exclusive((held) => new State(this.#engine, held.copyOut()), options);
  }

  /** Frees its tensors, for good; a run under way goes on. */
  dispose(): void {
    this.#disposed = true;
    this.#lose("it was disposed of");
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #apply<R extends StepResult>(
    step: Jitted<R>,
    args: readonly Argument[],
    { signal, onFailure = "lose" }: ApplyOptions = {},
  ): Promise<Result<R[1]>> {
    this.#check();
    const given = this.#tensors;
    const lose = onFailure === "lose";
    const options = { ...(signal && { signal }), ...(lose && { donate: [0] }) };
    let next: Result<R>;
    try {
      next = (await step.with(options, this.#form.rebuild(given), ...args)) as Result<R>;
    } catch (error) {
      // What never began took nothing.
      const taken = given.some((tensor) => tensor.freed);
      if (taken) this.#lose(`a run on it failed: ${describeThrown(error).message}`);
      throw error;
    }
    try {
      const [state, result] = stepResult(next);
      const leaves = this.#leaves(state, "the step's");
      if (this.#disposed) for (const tensor of leaves) tensor.dispose();
      else this.#set(leaves);
      return result as Result<R[1]>;
    } catch (error) {
      if (lose) this.#lose("a step returned something else");
      throw error;
    }
  }

  #copyOut(): S {
    this.#check();
    return this.#form.rebuild(this.#tensors.map((tensor) => this.#engine.share(tensor))) as S;
  }

  #copyIn(value: S): void {
    if (this.#disposed) this.#check();
    this.#set(this.#leaves(value, "the given").map((tensor) => this.#engine.share(tensor)));
  }

  #set(tensors: readonly Tensor[]): void {
    for (const tensor of this.#tensors) tensor.dispose();
    this.#tensors = tensors;
    this.#lost = undefined;
  }

  /** The tensors of a new state. @throws DavitError `state_changed` */
  #leaves(value: Tree<Tensor>, whose: string): readonly Tensor[] {
    const { structure, leaves } = flatten<Tensor>(value);
    const expected = this.#form.structure;
    if (structure === expected && leaves.every((leaf) => leaf instanceof Tensor)) return leaves;
    const message = `${whose} state is ${structure}; expected tensors as ${expected}`;
    throw new DavitError("state_changed", message, { expected });
  }

  #lose(why: string): void {
    for (const tensor of this.#tensors) tensor.dispose();
    this.#tensors = [];
    this.#lost = why;
  }

  #check(): void {
    if (this.#lost === undefined) return;
    const expected = this.#disposed ? "another state" : "`copyIn` before it is used again";
    throw new DavitError("state_lost", `the state is lost: ${this.#lost}; expected ${expected}`, {
      expected,
    });
  }
}

function stepResult(result: unknown): readonly [Tree<Tensor>, unknown] {
  if (Array.isArray(result) && result.length === 2) return result as [Tree<Tensor>, unknown];
  const expected = "a list of the new state and a result";
  throw new DavitError("state_changed", `the step returned no pair; expected ${expected}`, {
    expected,
  });
}
