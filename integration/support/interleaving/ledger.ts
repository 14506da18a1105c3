import { readBatch } from "../../../src/engine/batch.js";
import { type NativeEngine, native } from "../../../src/native.js";

/** What the native engine was asked to make and not yet to give up. */
export class Ledger {
  readonly values = new Set<number>();
  readonly programs = new Set<number>();
  readonly queues = new Set<number>();
  readonly budgets = new Set<number>();
  readonly subscriptions = new Set<number>();
  readonly runs = new Set<number>();
  /** What should not have happened. */
  readonly faults: string[] = [];
  /** Told whenever a batch has been taken. */
  onBatch: () => void = () => {};

  /** How many of each there are. */
  counts() {
    const { values, programs, queues, budgets, subscriptions, runs } = this;
    return {
      values: values.size,
      programs: programs.size,
      queues: queues.size,
      budgets: budgets.size,
      subscriptions: subscriptions.size,
      runs: runs.size,
    };
  }

  remove(what: "values" | "programs" | "queues" | "budgets" | "subscriptions", id: number) {
    if (!this[what].delete(id)) this.faults.push(`${id} of ${what} was given up twice`);
  }
}

/** Makes engines that are created during `create` keep a ledger. */
export function withLedger<T>(create: () => T): { made: T; ledger: Ledger } {
  const addon = native();
  const { Engine } = addon;
  const ledger = new Ledger();
  addon.Engine = counting(Engine, ledger);
  try {
    return { made: create(), ledger };
  } finally {
    addon.Engine = Engine;
  }
}

type EngineClass = ReturnType<typeof native>["Engine"];

function counting(Base: EngineClass, ledger: Ledger): EngineClass {
  const noted = <T extends number>(what: Set<number>, id: T): T => {
    what.add(id);
    return id;
  };
  return class extends (Base as new (
    ...options: ConstructorParameters<EngineClass>
  ) => NativeEngine) {
    constructor(options: ConstructorParameters<EngineClass>[0]) {
      super({
        ...options,
        onBatch: (...batch) => {
          readBatch(batch, {
            onFinished: ({ run }) => {
              if (!ledger.runs.delete(run)) ledger.faults.push(`run ${run} ended twice`);
            },
            onCallback: ({ values }) => {
              for (const value of values) if (typeof value === "number") ledger.values.add(value);
            },
            onEvent: () => {},
            onBatchEnd: () => {},
          });
          try {
            options.onBatch(...batch);
          } catch (error) {
            ledger.faults.push(`a batch was not taken: ${(error as Error).stack}`);
          }
          ledger.onBatch();
        },
      });
    }

    override loadProgram(...args: Parameters<NativeEngine["loadProgram"]>) {
      return noted(ledger.programs, super.loadProgram(...args));
    }
    override unloadProgram(program: number) {
      ledger.remove("programs", program);
      super.unloadProgram(program);
    }
    override createQueue() {
      return noted(ledger.queues, super.createQueue());
    }
    override closeQueue(queue: number) {
      ledger.remove("queues", queue);
      super.closeQueue(queue);
    }
    override put(...args: Parameters<NativeEngine["put"]>) {
      return noted(ledger.values, super.put(...args));
    }
    override run(...args: Parameters<NativeEngine["run"]>) {
      // A small run ends before this returns.
      ledger.runs.add(args[0]);
      try {
        const outputs = super.run(...args);
        for (const output of outputs) ledger.values.add(output);
        return outputs;
      } catch (error) {
        ledger.runs.delete(args[0]);
        throw error;
      }
    }
    override makeHere(...args: Parameters<NativeEngine["makeHere"]>) {
      const outputs = super.makeHere(...args);
      for (const output of outputs ?? []) ledger.values.add(output);
      return outputs;
    }
    override share(value: number) {
      return noted(ledger.values, super.share(value));
    }
    override free(value: number) {
      ledger.remove("values", value);
      super.free(value);
    }
    override createCreditBudget(...args: Parameters<NativeEngine["createCreditBudget"]>) {
      return noted(ledger.budgets, super.createCreditBudget(...args));
    }
    override closeCreditBudget(budget: number) {
      ledger.remove("budgets", budget);
      super.closeCreditBudget(budget);
    }
    override createSubscription(...args: Parameters<NativeEngine["createSubscription"]>) {
      return noted(ledger.subscriptions, super.createSubscription(...args));
    }
    override closeSubscription(subscription: number) {
      ledger.remove("subscriptions", subscription);
      super.closeSubscription(subscription);
    }
  } as unknown as EngineClass;
}
