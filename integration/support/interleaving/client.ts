import { decodeMessage, encodeMessage } from "../../../src/client/message.js";
import type { EngineArguments } from "../../../src/contract/engine-messages.js";
import { encodeGraph } from "../../../src/graph/encoding/canonical.js";
import type { Host } from "../../../src/protocol/host.js";
import { f32, floats } from "../../../test/support/client.js";
import { readEvent, type WireSite } from "./events.js";
import { answerCall, handleEvents } from "./handlers.js";
import { Link } from "./link.js";
import { isKnown, KINDS, type KindName, MATCHES, type Vector } from "./programs.js";
import { type RunPlan, RunRecord, type Standing, type Tensor, VECTOR } from "./record.js";
import type { EventPlan, WatchPlan } from "./schedule.js";
import type { Observed } from "./verify.js";

/** What clients share. */
export interface World {
  readonly host: Host;
  /** How many more runs handlers may start. */
  budget: number;
  onActivity(): void;
  onFault(fault: string): void;
}

/** A stream of events: a run's own, or a subscription's. */
interface Stream {
  readonly sites: Map<number, WireSite>;
  readonly run?: RunRecord;
  readonly standing?: Standing;
}

interface Program {
  readonly id: number;
  readonly sites: Stream["sites"];
}

/** What is done when an answer comes; `code` is an error's. */
interface Pending {
  readonly what: string;
  // biome-ignore lint/suspicious/noExplicitAny: as it came
  done(code: string | undefined, result: any, attachments: readonly Uint8Array[]): void;
}

/** One client: one session, what it asked for, and what it knows of how it must end. */
export class Client {
  readonly link: Link;
  readonly pending = new Map<number, Pending>();
  readonly tensors = new Map<number, Tensor>();
  readonly runs: RunRecord[] = [];
  readonly standing: Standing[] = [];
  /** What handlers put off. */
  readonly held: (() => void)[] = [];
  alive = true;
  bye: string | undefined;
  readonly world: World;
  readonly #programs = new Map<KindName, Program>();
  readonly #streams = new Map<number, Stream>();
  readonly #byRequest = new Map<number, RunRecord>();
  #next = 1;

  constructor(
    world: World,
    readonly name: string,
    credit: number,
  ) {
    this.world = world;
    this.link = new Link(world.host, {
      onActivity: () => world.onActivity(),
      onFault: (fault) => this.fault(fault),
    });
    this.ask(["hello", { protocol: 1, limits: { hook_credit: credit } }], "hello");
  }

  fault(text: string): void {
    this.world.onFault(`${this.name}: ${text}`);
  }

  get programs(): number {
    return this.#programs.size;
  }

  id(): number {
    return this.#next++;
  }

  /** Sends a message that has no answer. */
  tell(
    message: readonly unknown[],
    attachments: readonly Uint8Array[] = [],
    request = 0,
    onTaken?: () => void,
  ): void {
    const parts = encodeMessage(request, message, attachments);
    if (this.alive) this.link.send(Uint8Array.from(Buffer.concat(parts)), onTaken);
  }

  /** Sends a request. Where `done` is absent, it must succeed. */
  ask(
    message: readonly unknown[],
    what: string,
    attachments: readonly Uint8Array[] = [],
    done: Pending["done"] = (code) => {
      if (code !== undefined) this.fault(`${what} failed with ${code}`);
    },
  ): number {
    const request = this.id();
    this.pending.set(request, { what, done });
    this.tell(message, attachments, request);
    return request;
  }

  /** Starts a run; `done` is told when it is over. */
  run(given: RunPlan, done?: (run: RunRecord) => void): RunRecord {
    const { kind, input, parent } = given;
    const plan = { ...given, hooks: given.hooks.filter(({ match }) => isKnown(match, kind)) };
    const source = Array.isArray(input) ? undefined : this.tensors.get(input as number);
    const output = plan.name ? this.id() : null;
    const program = this.#loaded(kind);
    const options = {
      fetch: plan.fetch ? 100 : 0,
      hooks: plan.hooks.map(({ match, policy, view }) => [MATCHES[match], policy, view]),
      ...(plan.print ? {} : { print: false }),
      ...(plan.timeout ? { timeout: 2 } : {}),
      ...(parent === undefined ? {} : { parent: parent.request }),
    };
    const [operand, attachments] = Array.isArray(input)
      ? [["inline", VECTOR, 0], [f32(...input)]]
      : [input, []];
    const message = ["run", plan.queue, program.id, [operand], [output], options];
    const request = this.ask(message, `run ${kind}`, attachments, (code, _, values) => {
      this.#streams.delete(request);
      this.#byRequest.delete(request);
      record.settle(code, values, this.standing);
      done?.(record);
    });
    const record = new RunRecord(request, plan, output, source, Array.isArray(input));
    if (plan.timeout) record.mayFail("timeout");
    if (output !== null) this.tensors.set(output, record.output);
    this.runs.push(record);
    this.#byRequest.set(request, record);
    // A run's own events name sites as the answer to `load` does.
    this.#streams.set(request, { sites: program.sites, run: record });
    return record;
  }

  #loaded(kind: KindName): Program {
    let program = this.#programs.get(kind);
    if (program === undefined) {
      program = { id: this.id(), sites: new Map() };
      this.#programs.set(kind, program);
      const { id, sites } = program;
      this.ask(["load", id, {}], "load", [encodeGraph(KINDS[kind].graph)], (code, result) => {
        if (code !== undefined) this.fault(`load of ${kind} failed with ${code}`);
        else for (const site of result.sites) sites.set(site.number, site);
      });
    }
    return program;
  }

  unload(kind: KindName): void {
    const program = this.#programs.get(kind);
    this.#programs.delete(kind);
    if (program !== undefined) this.tell(["unload", program.id]);
  }

  subscribe(watch: WatchPlan, events: EventPlan): void {
    const message = ["subscribe", MATCHES[watch.match], watch.policy, watch.view];
    const request = this.ask(message, "subscribe");
    const standing = { request, watch, events, ended: false };
    this.standing.push(standing);
    this.#streams.set(request, { sites: new Map(), standing });
  }

  unsubscribe(standing: Standing): void {
    if (standing.ended) return;
    standing.ended = true;
    const { request } = standing;
    this.tell(["unsubscribe", request], [], 0, () => this.link.silence(request));
  }

  free(tensor: number): void {
    this.tensors.delete(tensor);
    this.tell(["free", [tensor]]);
  }

  cancel(run: RunRecord): void {
    if (run.over) return;
    run.mayFail("cancelled");
    this.tell(["cancel", run.request, "enough"]);
  }

  /** Answers a call, whether or not it waits. */
  reply(request: number, call: number, results: readonly Vector[]): void {
    const operands = results.map((_, index) => ["inline", VECTOR, index]);
    const attachments = results.map((result) => f32(...result));
    this.tell(["reply", request, call, operands], attachments);
  }

  /** Does what handlers put off; whether there was anything. */
  release(): boolean {
    const held = this.held.splice(0);
    for (const job of held) job();
    return held.length > 0;
  }

  /** The end of this client. What is on its way to the engine arrives first, unless it crashes. */
  die(how: "crash" | "end" | "garbage"): void {
    if (!this.alive) return;
    if (how !== "crash") this.link.push(Number.POSITIVE_INFINITY);
    if (how === "garbage") {
      this.link.send(Uint8Array.of(1, 2, 3));
      this.link.push(1);
      this.take(Number.POSITIVE_INFINITY);
      if (!this.alive) return; // a handler was faster
      if (this.bye !== "frame_invalid") this.fault(`garbage was answered with bye ${this.bye}`);
    }
    this.alive = false;
    this.held.length = 0;
    this.pending.clear();
    this.link.cut();
  }

  /** Takes so many frames of the engine; how many there were. */
  take(most: number): number {
    let count = 0;
    while (count < most && this.alive) {
      const frame = this.link.take();
      if (frame === undefined) break;
      count++;
      this.#take(frame);
    }
    return count;
  }

  #take(payload: Uint8Array): void {
    const message = decodeMessage(payload);
    const { request, type, attachments } = message;
    if (type === "ok" || type === "error")
      this.#answer(request, type, message.args[0], attachments);
    else if (type === "sites") this.#sites(request, message.args[0]);
    else if (type === "events") this.#events(request, ...message.args, attachments);
    else if (type === "callback") this.#callback(request, message.args, attachments);
    else if (type === "bye") this.bye = message.args[0];
    else this.fault(`${type} came`);
  }

  #answer(
    request: number,
    type: "ok" | "error",
    // biome-ignore lint/suspicious/noExplicitAny: as it came
    result: any,
    attachments: readonly Uint8Array[],
  ): void {
    const code = type === "error" ? result.code : undefined;
    if (request === 0) {
      // A reply to a run that was over, or a forged one.
      if (code !== "callback_unknown") this.fault(`nothing was answered with ${code}`);
      return;
    }
    const pending = this.pending.get(request);
    this.pending.delete(request);
    if (pending === undefined) this.fault(`${request} was answered twice, or never asked`);
    else pending.done(code, result, attachments);
  }

  #sites(request: number, { sites }: EngineArguments<"sites">[0]): void {
    const stream = this.#streams.get(request);
    if (stream === undefined) this.fault(`sites came for ${request}`);
    else for (const site of sites) stream.sites.set(site.index as number, site);
  }

  #events(
    request: number,
    events: EngineArguments<"events">[0],
    cost: number,
    attachments: readonly Uint8Array[],
  ): void {
    const stream = this.#streams.get(request);
    if (stream === undefined) {
      this.fault(`events came for ${request} after its answer`);
      return;
    }
    let last: { run?: RunRecord | undefined; value?: Observed["values"][number] | undefined } = {};
    for (const [index, number, runNumber, ...rest] of events) {
      const event = readEvent(stream.sites.get(index), rest, attachments);
      const run = stream.run ?? this.#byRequest.get(runNumber);
      if (stream.standing === undefined) run?.own(number, event);
      else if (run !== undefined) run.seen(stream.standing, event);
      else if (runNumber !== 0) this.fault(`an event of run ${runNumber} came after its answer`);
      last = { run, value: event.values[0] };
      if (stream.sites.get(index) === undefined) this.fault("an event of an undeclared site came");
    }
    const consume = () => this.tell(["consumed", cost], [], request);
    if (events.length > 0)
      handleEvents(this, { own: stream.run, standing: stream.standing, ...last, consume });
  }

  #callback(
    request: number,
    args: EngineArguments<"callback">,
    attachments: readonly Uint8Array[],
  ): void {
    const run = this.#byRequest.get(request);
    if (run === undefined) {
      this.fault(`a call came for ${request}, which is over`);
      return;
    }
    const [call, , , path] = args;
    const values = attachments.map(floats);
    answerCall(this, run, { call, path, values });
  }
}
