import type { Engine } from "../engine/engine.js";
import type { Run } from "../engine/runs.js";
import type { CallbackRequest } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { RunId } from "../native.js";
import { byteLength } from "../tensor/dtype.js";
import { type Caller, SessionCallbacks } from "./callbacks.js";
import { noteRun, ProtocolError } from "./error.js";
import type { OwnHooks, SessionHooks } from "./hooks.js";
import type { BurstRun, MessageOf } from "./message.js";
import { bindInputs, donatedTensors, OpenRun } from "./open-run.js";
import type { SessionPrograms } from "./programs.js";
import { type SessionQueue, SessionQueues } from "./queues.js";
import type { SessionReplays } from "./replays.js";
import { runHere } from "./run-here.js";
import type { Sender } from "./sender.js";
import { SessionTensor, type SessionTensors } from "./tensors.js";

/** The parts of a session that its runs need. */
export interface RunsHost {
  readonly engine: Engine;
  readonly sender: Sender;
  readonly tensors: SessionTensors;
  readonly programs: SessionPrograms;
  readonly hooks: SessionHooks;
  readonly replays: SessionReplays;
  readonly limits: { readonly queues: number; readonly maxFrameBytes: number };
}

/** A run of a burst as a message of its own. It has the fields of a `run` in one literal: to copy objects takes longer. */
const alone = (run: BurstRun, parent: number | undefined): MessageOf<"run"> => ({
  type: "run",
  queue: run.queue,
  program: run.program,
  inputs: run.inputs,
  outputs: run.outputs,
  fetch: 0,
  answer: false,
  timeout: undefined,
  hooks: NO_HOOKS,
  print: true,
  donate: NO_POSITIONS,
  parent,
  replay: undefined,
});

const NO_HOOKS: MessageOf<"run">["hooks"] = [];
const NO_POSITIONS: MessageOf<"run">["donate"] = [];

/** The runs and queues of one session. */
export class SessionRuns {
  readonly callbacks: SessionCallbacks;
  readonly #host: RunsHost;
  readonly #open = new Map<number, OpenRun>();
  readonly #byRun = new Map<RunId, OpenRun>();
  readonly #queues: SessionQueues;

  constructor(host: RunsHost) {
    this.#host = host;
    this.callbacks = new SessionCallbacks(host);
    this.#queues = new SessionQueues(host.engine, host.limits);
  }

  /** The number of runs without an answer. */
  get size(): number {
    return this.#open.size;
  }

  /** The request number of a run, 0 where it is another session's. */
  numberOf(run: RunId): number {
    return this.#byRun.get(run)?.request ?? 0;
  }

  /** A run that has not been answered. */
  find(request: number): Caller | undefined {
    return this.#open.get(request);
  }

  /** Takes `run`; it is answered when it is over. */
  run(request: number, message: MessageOf<"run">): void {
    const { tensors } = this.#host;
    if (this.#open.has(request)) {
      throw new ProtocolError("request_taken", `there is a run ${request} already`);
    }
    tensors.checkAllNew(message.outputs);
    try {
      this.#start(request, message);
    } catch (error) {
      noteRun(error, request);
      for (const id of message.outputs) if (id !== null) tensors.defineFailed(id, error);
      if (message.answer) throw error;
    }
  }

  /**
   * Takes `runs`. `check` is called before each run.
   * @throws ProtocolError what `check` throws
   */
  runAll({ runs, parent }: MessageOf<"runs">, check: () => void): void {
    const { sender } = this.#host;
    for (const run of runs) {
      check();
      try {
        this.run(run.request, alone(run, parent));
      } catch (error) {
        sender.error(run.request, error);
      }
    }
  }

  #start(request: number, message: MessageOf<"run">): void {
    const { engine, programs, tensors, hooks, replays } = this.#host;
    const loaded = programs.find(message.program);
    const { program } = loaded;
    if (message.outputs.length !== program.outputs.length) {
      const count = program.outputs.length;
      throw new ProtocolError(
        "output_count_invalid",
        `run names ${message.outputs.length} outputs; expected ${count}, one for each of the program`,
        `${count}`,
      );
    }
    const replies = message.replay === undefined ? undefined : replays.find(message.replay);
    const pinned: SessionTensor[] = [];
    let open: OpenRun | undefined;
    try {
      const inputs = bindInputs(program, message.inputs, tensors, pinned);
      const donated = donatedTensors(message);
      tensors.admit(loaded.keptBytes(message.outputs) - tensors.bytesOf(donated));
      const queue = this.#queue(message);
      // An operand that failed tells why only when its run is over.
      if (pinned.length === 0 && runHere(this.#host, request, loaded, message, inputs, queue))
        return;
      open = new OpenRun(request, loaded, queue, pinned, message.fetch, message.answer);
      open.replies = replies;
      const running = open;
      const own: OwnHooks[] = [];
      if (message.print && loaded.hasPrints) own.push("prints");
      if (loaded.hasDestinations) own.push("destinations");
      if (own.length > 0 || message.hooks.length > 0) {
        open.hooks = hooks.subscribeRun(request, program, message.hooks, own);
      }
      open.run = engine.start(program, inputs, {
        queue: queue.id,
        donated: donated.map((id) => tensors.find(id).value),
        ...(open.hooks === undefined ? {} : { subscriptions: open.hooks.subscriptions }),
        onDone: (error) => this.#done(running, error),
      });
      tensors.free(donated);
    } catch (error) {
      if (open?.hooks !== undefined) hooks.endRun(open.hooks);
      for (const operand of pinned) tensors.unpin(operand);
      throw error;
    }
    this.#register(open, open.run, message);
  }

  #register(open: OpenRun, run: Run, message: MessageOf<"run">): void {
    const { engine, tensors } = this.#host;
    const { program } = open.loaded;
    open.loaded.runs++;
    open.queue.runs++;
    this.#open.set(open.request, open);
    this.#byRun.set(run.id, open);
    if (open.loaded.hasCallbacks) {
      const client = {
        onCallback: (asked: CallbackRequest, site: Site) => this.callbacks.send(open, asked, site),
      };
      engine.hooks.callbacks.receive(run.id, open.replies ?? client);
    }
    open.outputs = run.outputs.map((value, index) => {
      const tensor = new SessionTensor(value, program.outputs[index], true);
      const id = message.outputs[index] as number | null;
      // It is needed for the answer, even where its name is gone by then.
      tensor.pins = 1;
      tensor.freed = id === null;
      if (id !== null) tensors.define(id, tensor);
      return tensor;
    });
    const { timeout } = message;
    if (timeout !== undefined) {
      const text = `the run was not over after ${timeout} ms`;
      open.timer = setTimeout(() => run.cancel("timeout", text), timeout);
    }
  }

  #queue(message: MessageOf<"run">): SessionQueue {
    const parent = message.parent === undefined ? undefined : this.#open.get(message.parent);
    if (parent === undefined) return this.#queues.find(message.queue);
    parent.children ??= { id: this.#host.engine.createQueue(), runs: 0 };
    return parent.children;
  }

  /** Takes `close_queue`. */
  closeQueue(number: number): void {
    this.#queues.close(number);
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    this.#open.get(request)?.run?.cancel("cancelled", reason);
  }

  #done(open: OpenRun, failure: Error | undefined): void {
    const { engine, sender, tensors } = this.#host;
    // The run fails with the error of a failed operand, which has its own op and label.
    const error =
      failure && (open.operands.find((operand) => operand.error !== undefined)?.error ?? failure);
    if (error !== undefined) noteRun(error, open.request);
    engine.hooks.flush();
    this.#forget(open);
    for (const output of open.outputs) tensors.settle(output, error);
    if (error !== undefined || !open.answered) {
      if (open.answered) sender.error(open.request, error);
      for (const output of open.outputs) tensors.unpin(output);
    } else if (open.fetch === 0 || sender.ready) {
      this.#answer(open);
    } else {
      sender.whenReady(() => this.#answer(open));
    }
  }

  #forget(open: OpenRun): void {
    const { engine, hooks, programs, tensors } = this.#host;
    this.#open.delete(open.request);
    if (open.run !== undefined) this.#byRun.delete(open.run.id);
    if (open.timer !== undefined) clearTimeout(open.timer);
    if (open.hooks !== undefined) hooks.endRun(open.hooks);
    if (open.children !== undefined) engine.closeQueue(open.children.id);
    open.queue.runs--;
    for (const operand of open.operands) tensors.unpin(operand);
    programs.runEnded(open.loaded);
  }

  #answer(open: OpenRun): void {
    const { sender } = this.#host;
    try {
      if (!sender.ended) this.#sendValues(open);
    } catch (error) {
      sender.error(open.request, error);
    }
    for (const output of open.outputs) this.#host.tensors.unpin(output);
  }

  #sendValues({ request, loaded, fetch, outputs }: OpenRun): void {
    const { engine, sender, limits } = this.#host;
    const values: (number | null)[] = [];
    const attachments: Uint8Array[] = [];
    let room = limits.maxFrameBytes / 2;
    for (const { value, type } of outputs) {
      const length =
        fetch === 0 || type === undefined ? Number.POSITIVE_INFINITY : byteLength(type);
      if (length > fetch || length > room) {
        values.push(null);
        continue;
      }
      room -= length;
      values.push(attachments.length);
      attachments.push(new Uint8Array(engine.native.read(value)));
    }
    const fetched = attachments.length;
    // Mostly all outputs are fetched, or none.
    if (fetched === 0 || values[fetched - 1] === fetched - 1) {
      sender.sendEncoded(request, loaded.answer(fetched), attachments);
    } else {
      sender.ok<"run">(request, { outputs: loaded.outputTypes, values }, attachments);
    }
  }

  /** The session ends: its runs are cancelled, and end without an answer. */
  close(): void {
    for (const { run } of this.#open.values()) {
      run?.cancel("session_closed", "the session of the run ended");
    }
    this.#queues.closeAll();
  }
}
