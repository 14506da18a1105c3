import { Engine } from "../../../src/engine/engine.js";
import { createHost, type Host } from "../../../src/protocol/host.js";
import { f32, floats } from "../../../test/support/client.js";
import { Client, type World } from "./client.js";
import { type Ledger, withLedger } from "./ledger.js";
import { KINDS } from "./programs.js";
import { type Tensor, VECTOR } from "./record.js";
import type { Action, Schedule, Step } from "./schedule.js";

/** Where nothing at all has happened for so long, something is stuck. */
const STUCK = 20_000;
/** Runs that handlers of one schedule may start. */
const NESTED = 16;
const ALL = Number.POSITIVE_INFINITY;

/** An engine on which schedules are played, one after the other. */
export class Stage {
  readonly engine: Engine;
  readonly ledger: Ledger;
  readonly #host: Host;
  readonly #before: number;

  constructor(lanes: number) {
    const { made, ledger } = withLedger(() => Engine.create({ lanes }));
    this.engine = made;
    this.ledger = ledger;
    this.#before = made.info().memory.active;
    // Frames count for more than they are, see Link.
    this.#host = createHost(made, undefined, { unreadBytes: Number.MAX_SAFE_INTEGER });
  }

  /** Resolves when the engine's memory is what it was at the beginning. */
  async isEmpty(): Promise<void> {
    const deadline = performance.now() + STUCK;
    const used = () => this.engine.info().memory.active - this.#before;
    // Lanes forget what they compiled in their own time.
    while (used() > 0) {
      if (performance.now() > deadline) throw new Error(`${used()} bytes are left`);
      await new Promise(setImmediate);
    }
  }

  /** Plays one schedule. @throws Error that says what went wrong */
  async play(schedule: Schedule): Promise<void> {
    await new Play(this.#host, this.ledger, schedule).play();
  }
}

class Play implements World {
  budget = NESTED;
  readonly #faults: string[] = [];
  readonly #clients: Client[] = [];
  readonly #atEnd: (() => void)[] = [];
  #count = 0;
  readonly #waiting: (() => void)[] = [];
  /** Whether anything happened since it was last looked. */
  #moved = false;

  constructor(
    readonly host: Host,
    private readonly ledger: Ledger,
    private readonly schedule: Schedule,
  ) {
    ledger.onBatch = () => this.onActivity();
  }

  onActivity(): void {
    this.#moved = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  onFault(fault: string): void {
    this.#faults.push(fault);
  }

  async play(): Promise<void> {
    const { credits, steps } = this.schedule;
    credits.forEach((_, index) => {
      this.#clients[index] = this.#client(index);
    });
    for (const step of steps) await this.#step(step);
    await this.#settle();
    this.#clients.forEach((client, index) => {
      client.die(index % 2 === 0 ? "crash" : "end");
    });
    await this.#until(() => this.ledger.runs.size === 0, "runs of clients that are gone");
    this.#check();
    const left = this.ledger.counts();
    const expected = { values: 0, programs: 0, queues: 1, budgets: 0, subscriptions: 0, runs: 0 };
    if (JSON.stringify(left) !== JSON.stringify(expected)) {
      throw new Error(`at the end there are ${JSON.stringify(left)}`);
    }
  }

  #client(index: number): Client {
    const name = `client ${index}.${this.#count++}`;
    return new Client(this, name, this.schedule.credits[index] as number);
  }

  async #step({ client: number, action, push, take, turns }: Step): Promise<void> {
    const index = number % this.#clients.length;
    if (!this.#clients[index]?.alive) this.#clients[index] = this.#client(index);
    const client = this.#clients[index] as Client;
    if (action.do === "wait") await this.#activity(1);
    else this.#act(client, action);
    client.link.push(push);
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    for (const one of this.#clients) one.take(take);
    this.#check();
  }

  #act(client: Client, action: Exclude<Action, { do: "wait" }>): void {
    switch (action.do) {
      case "run": {
        const known = [...client.tensors.keys()];
        const input =
          typeof action.input === "number"
            ? (pick(known, action.input) ?? [1, 2, 3, 4])
            : action.input;
        client.run({ ...action, input });
        break;
      }
      case "subscribe":
        client.subscribe(action.watch, action.events);
        break;
      case "unsubscribe":
        given(pick(client.standing, action.which), (standing) => client.unsubscribe(standing));
        break;
      case "cancel":
        given(pick(client.runs, action.which), (run) => client.cancel(run));
        break;
      case "get":
        given(pick([...client.tensors], action.which), (tensor) => this.#get(client, tensor));
        break;
      case "free":
        given(pick([...client.tensors.keys()], action.which), (id) => client.free(id));
        break;
      case "put": {
        const id = client.id();
        client.tensors.set(id, { value: action.x });
        client.ask(["put", id, VECTOR, 0], "put", [f32(...action.x)]);
        break;
      }
      case "unload":
        client.unload(action.kind);
        break;
      case "close_queue":
        client.tell(["close_queue", action.queue]);
        break;
      case "forge":
        this.#forge(client, action.which);
        break;
      case "release":
        client.release();
        break;
      case "die":
        client.die(action.how);
    }
  }

  #get(client: Client, [id, known]: readonly [number, Tensor]): void {
    client.ask(["get", id], "get", [], (code, _, [bytes]) => {
      const got = code ?? JSON.stringify(floats(bytes));
      // The answer of the run that makes it may come later.
      this.#atEnd.push(() => {
        const expected = known.error ?? JSON.stringify(known.value);
        if (client.alive && got !== expected) client.fault(`get gave ${got}; expected ${expected}`);
      });
    });
  }

  /** What a hostile or confused client may say: of another's runs, of things that are not there. */
  #forge(client: Client, which: number): void {
    const other = this.#clients.find((one) => one !== client && one.runs.length > 0);
    const theirs = other?.runs.at(-1)?.request ?? 10_000;
    const missing = 20_000;
    const refused = (message: readonly unknown[], expected: string) =>
      client.ask(message, `${message[0]}`, [], (code) => {
        if (code !== expected) client.fault(`${message[0]} was answered with ${code}`);
      });
    const unanswered: readonly (() => void)[] = [
      () => client.reply(missing, 1, [[9, 9, 9, 9]]),
      () => client.tell(["reply_error", missing, 1, "forged", "forged"]),
      () => client.tell(["unsubscribe", missing]),
      () => client.tell(["consumed", 1_000_000], [], missing),
      () => client.tell(["free", [missing, missing + 1]]),
      () => client.tell(["unload", missing]),
      () => client.tell(["close_queue", missing]),
      // Unless the number is one of this client's own, this is another's run.
      () =>
        client.runs.some((run) => run.request === theirs) ||
        client.reply(theirs, 1, [[9, 9, 9, 9]]),
    ];
    if (which < unanswered.length) unanswered[which]?.();
    else if (which === 8) refused(["get", missing], "tensor_unknown");
    else refused(["run", 1, missing, [], []], "program_unknown");
  }

  /** Lets everything happen that still can, until every request is answered. */
  async #settle(): Promise<void> {
    const living = () => this.#clients.filter(({ alive }) => alive);
    for (const client of living()) {
      for (const run of client.runs) if (KINDS[run.plan.kind].endless) client.cancel(run);
    }
    await this.#until(() => {
      for (const client of living()) {
        if (client.link.push(ALL) + client.take(ALL) > 0 || client.release()) this.#moved = true;
      }
      this.#check();
      return !this.#moved && living().every(({ pending }) => pending.size === 0);
    }, "answers");
    for (const client of living()) this.#compare(client);
    await this.#until(() => {
      for (const client of living()) {
        client.link.push(ALL);
        client.take(ALL);
      }
      return living().every(({ pending }) => pending.size === 0);
    }, "the last answers");
    for (const client of living()) {
      for (const run of client.runs) {
        for (const fault of run.verify()) client.fault(fault);
      }
    }
    for (const check of this.#atEnd) check();
    this.#check();
  }

  /** The session has what its client named and nothing else. */
  #compare(client: Client): void {
    client.ask(["info"], "info", [], (_, info) => {
      const { tensors, programs } = info;
      if (tensors !== client.tensors.size || programs !== client.programs) {
        client.fault(`the session has ${tensors} tensors and ${programs} programs; expected \
${client.tensors.size} and ${client.programs}`);
      }
    });
  }

  async #until(done: () => boolean, what: string): Promise<void> {
    let last = performance.now();
    for (;;) {
      this.#moved = false;
      if (done()) return;
      if (this.#moved) last = performance.now();
      else if (performance.now() > last + STUCK) throw new Error(`no ${what}: ${this.#dump()}`);
      await this.#activity(100);
    }
  }

  /** Resolves when something has happened, or after some milliseconds. */
  async #activity(milliseconds: number): Promise<void> {
    // One turn at least, so that the engine is heard.
    await new Promise(setImmediate);
    if (this.#moved) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #check(): void {
    const faults = [...this.#faults, ...this.ledger.faults];
    if (faults.length > 0) throw new Error(faults.join("\n"));
  }

  #dump(): string {
    const clients = this.#clients.map(({ name, alive, pending, link, held }) => ({
      name,
      alive,
      pending: [...pending].map(([request, { what }]) => `${request} ${what}`),
      frames: link.waiting,
      held: held.length,
    }));
    return JSON.stringify({ clients, engine: this.ledger.counts() });
  }
}

function given<T>(value: T | undefined, action: (value: T) => void): void {
  if (value !== undefined) action(value);
}

function pick<T>(list: readonly T[], which: number): T | undefined {
  return list.length === 0 ? undefined : list[which % list.length];
}
