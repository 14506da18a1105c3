import type { Engine, Run } from "../engine/engine.js";
import { formatTypes } from "../graph/error.js";
import { type CallRecord, freeValues } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { ValueId } from "../native.js";
import { byteLength, sameType, type TensorType } from "../tensor/dtype.js";
import { ProtocolError } from "./error.js";
import type { SessionHooks } from "./hooks.js";
import type { Operand, Reply, ReplyError } from "./message.js";
import type { Sender } from "./sender.js";
import type { SessionTensors, Tensor } from "./tensors.js";
import { wireError } from "./wire.js";

/** A run, as its calls see it. */
export interface Caller {
  readonly request: number;
  readonly run: Run | undefined;
  /** Those that wait for a reply, by their number. */
  readonly calls: Map<number, Site>;
}

/** What calls need of their session. */
export interface CallsHost {
  readonly engine: Engine;
  readonly sender: Sender;
  readonly tensors: SessionTensors;
  readonly hooks: SessionHooks;
  readonly limits: { readonly maxFrameBytes: number };
}

/** The `call` nodes of a session's runs: values go out, replies come back. */
export class SessionCalls {
  constructor(private readonly host: CallsHost) {}

  /** Sends a call to the client. */
  send(caller: Caller, call: CallRecord, site: Site): void {
    const { engine, sender, hooks, limits } = this.host;
    const { native } = engine;
    try {
      const bytes = site.operands?.reduce((sum, type) => sum + byteLength(type), 0) ?? 0;
      if (bytes > limits.maxFrameBytes / 2) {
        throw new ProtocolError(
          "too_large",
          `a call's values of ${bytes} bytes do not fit a frame`,
        );
      }
      const attachments = call.values.map((value) =>
        typeof value === "number" ? new Uint8Array(native.read(value)) : value,
      );
      // Hooks that fired before the call come before it.
      hooks.flush();
      caller.calls.set(call.call, site);
      const message = ["call", call.call, site.site, call.seq, call.path];
      sender.send(caller.request, message, attachments);
    } catch (error) {
      this.#refuse(caller.run as Run, call.call, error);
    } finally {
      freeValues(call, native);
    }
  }

  /** Takes `reply`. What does not fit the call's declared results fails the run. */
  reply(caller: Caller | undefined, { run: request, call, values }: Reply): void {
    const { run, site } = take(caller, request, call);
    const { engine, tensors } = this.host;
    const given: Given[] = [];
    const release = () => {
      for (const { tensor } of given) if (tensor !== undefined) tensors.unpin(tensor);
    };
    try {
      // Bytes of the message are valid now; beside a tensor they may have to wait.
      const keep = values.length > 1;
      for (const operand of values) given.push(this.#give(operand, keep));
      checkTypes(site, given);
    } catch (error) {
      release();
      this.#refuse(run, call, error);
      return;
    }
    this.#whenReady(given, 0, () => {
      try {
        for (const { tensor } of given) if (tensor?.error !== undefined) throw tensor.error;
        const results = given.map(({ value }) => value);
        engine.reply(run.id, call, results);
      } catch (error) {
        this.#refuse(run, call, error);
      }
      release();
    });
  }

  /** Takes `reply_error`: the run fails with the handler's error. */
  replyError(caller: Caller | undefined, { run: request, call, code, message }: ReplyError): void {
    const { run } = take(caller, request, call);
    this.host.engine.native.replyError(run.id, call, code, message);
  }

  #give(operand: Operand, keep: boolean): Given {
    const { tensors } = this.host;
    if (typeof operand !== "number") {
      const value = keep ? operand.bytes.slice() : operand.bytes;
      return { value, type: operand.type, tensor: undefined };
    }
    const tensor = tensors.find(operand);
    if (tensor.error !== undefined) throw tensor.error;
    tensor.pins++;
    return { value: tensor.value, type: tensor.type as TensorType, tensor };
  }

  /** Calls back when tensors that other runs still compute are there. */
  #whenReady(given: readonly Given[], from: number, callback: () => void): void {
    for (let index = from; index < given.length; index++) {
      const tensor = given[index]?.tensor;
      if (tensor?.pending !== true) continue;
      this.host.tensors.whenSettled(tensor, () => this.#whenReady(given, index + 1, callback));
      return;
    }
    callback();
  }

  #refuse(run: Run, call: number, error: unknown): void {
    const { code, message } = wireError(error) as { code: string; message: string };
    this.host.engine.native.replyError(run.id, call, code, message);
  }
}

/** A value of a reply: a tensor of the client, pinned, or bytes. */
interface Given {
  readonly value: ValueId | Uint8Array;
  readonly type: TensorType;
  readonly tensor: Tensor | undefined;
}

/** The call that a reply is for; it is taken once. */
function take(caller: Caller | undefined, request: number, call: number): { run: Run; site: Site } {
  const site = caller?.calls.get(call);
  if (caller?.run === undefined || site === undefined) {
    throw new ProtocolError(
      "call_unknown",
      `no call ${call} of run ${request} waits for a reply; the run is over, or the call was answered`,
    );
  }
  caller.calls.delete(call);
  return { run: caller.run, site };
}

function checkTypes(site: Site, given: readonly Given[]): void {
  const fits =
    given.length === site.types.length &&
    given.every(({ type }, index) => sameType(type, site.types[index] as TensorType));
  if (fits) return;
  const expected = formatTypes(site.types);
  const found = formatTypes(given.map(({ type }) => type));
  const name = site.label ?? site.name ?? `site ${site.site}`;
  throw new ProtocolError(
    "reply_mismatch",
    `the call "${name}" was answered with ${found}; expected ${expected}`,
    expected,
  );
}
