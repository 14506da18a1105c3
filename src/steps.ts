/** Work in steps: between two of them others may have their turn. Its return value is its result. */
export type Steps<Result> = Generator<undefined, Result>;

/** Whether a step ends behind the item at an index. An item alone is done in a microsecond or two, and a step costs half of one. */
export function endsStep(index: number): boolean {
  return index % 8 === 7;
}

/** Does all steps at once. */
export function finish<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value as Result;
  }
}

/** Work that is done a while at a time, and not for longer than its budget. */
export class Work<Result> {
  readonly #steps: Steps<Result>;
  readonly #budget: number;
  readonly #overBudget: () => Error;
  #spent = 0;

  /** `budget` is in milliseconds of work; waiting for the next turn does not count. */
  constructor(steps: Steps<Result>, budget: number, overBudget: () => Error) {
    this.#steps = steps;
    this.#budget = budget;
    this.#overBudget = overBudget;
  }

  /**
   * Works for some milliseconds, or to the end; undefined where it has not come to the end.
   * @throws what a step throws, and the error for more than the budget; the work has ended then
   */
  advance(milliseconds: number): { readonly result: Result } | undefined {
    const begin = performance.now();
    for (;;) {
      const { done, value } = this.#steps.next();
      if (done === true) return { result: value as Result };
      const worked = performance.now() - begin;
      if (this.#spent + worked > this.#budget) {
        this.stop();
        throw this.#overBudget();
      }
      if (worked >= milliseconds) {
        this.#spent += worked;
        return undefined;
      }
    }
  }

  /** Ends it before its end. */
  stop(): void {
    this.#steps.return(undefined as Result);
  }
}
