import type { Engine } from "../engine/engine.js";
import type { Run } from "../engine/runs.js";
import { formatTypes } from "../graph/error.js";
import { type CallbackRequest, freeValues } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { ValueId } from "../native.js";
import { byteLength, sameType, type TensorType } from "../tensor/dtype.js";
import { ProtocolError } from "./error.js";
import type { MessageOf, Operand } from "./message.js";
import type { Sender } from "./sender.js";
import type { SessionTensor, SessionTensors } from "./tensors.js";
import { wireError } from "./wire.js";

/** A run, as its callbacks see it. */
export interface Caller {
  readonly request: number;
  readonly run: Run | undefined;
  /** The callbacks that wait for a reply, by their number. */
  readonly callbacks: Map<number, Site>;
}

/** The parts of a session that its callbacks need. */
export interface CallbacksHost {
  readonly engine: Engine;
  readonly sender: Sender;
  readonly tensors: SessionTensors;
  readonly limits: { readonly maxFrameBytes: number };
}

/** The callbacks of a session's runs: values go out, replies come back. */
export class SessionCallbacks {
  constructor(private readonly host: CallbacksHost) {}

  /** Sends a request to the client. */
  send(caller: Caller, request: CallbackRequest, site: Site): void {
    const { engine, sender, limits } = this.host;
    const { native } = engine;
    try {
      const bytes = site.operands?.reduce((sum, type) => sum + byteLength(type), 0) ?? 0;
      if (bytes > limits.maxFrameBytes / 2) {
        throw new ProtocolError(
          "value_too_large",
          `a callback's values of ${bytes} bytes do not fit a frame`,
        );
      }
      const attachments = request.values.map((value) =>
        typeof value === "number" ? new Uint8Array(native.read(value)) : value,
      );
      // Events of hooks that fired before come before it.
      engine.hooks.flush();
      const { callback, seq, path } = request;
      caller.callbacks.set(callback, site);
      sender.send(caller.request, ["callback", callback, site.number, seq, path], attachments);
    } catch (error) {
      this.#refuse(caller.run as Run, request.callback, error);
    } finally {
      freeValues(request, native);
    }
  }

  /** Takes `reply`. Values that do not fit the declared results fail the run. */
  reply(caller: Caller | undefined, { run: request, callback, values }: MessageOf<"reply">): void {
    const { run, site } = take(caller, request, callback);
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
      this.#refuse(run, callback, error);
      return;
    }
    this.#whenReady(given, 0, () => {
      try {
        for (const { tensor } of given) if (tensor?.error !== undefined) throw tensor.error;
        const results = given.map(({ value }) => value);
        engine.reply(run.id, callback, results);
      } catch (error) {
        this.#refuse(run, callback, error);
      }
      release();
    });
  }

  /** Takes `reply_error`: the run fails with the handler's error. */
  replyError(
    caller: Caller | undefined,
    { run: request, callback, code, message }: MessageOf<"reply_error">,
  ): void {
    const { run } = take(caller, request, callback);
    this.host.engine.native.replyError(run.id, callback, code, message);
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

  #refuse(run: Run, callback: number, error: unknown): void {
    const { code, message } = wireError(error) as { code: string; message: string };
    this.host.engine.native.replyError(run.id, callback, code, message);
  }
}

/** A value of a reply: a tensor of the client, pinned, or bytes. */
interface Given {
  readonly value: ValueId | Uint8Array;
  readonly type: TensorType;
  readonly tensor: SessionTensor | undefined;
}

/** Returns the callback that a reply is for; it is taken once. */
function take(
  caller: Caller | undefined,
  request: number,
  callback: number,
): { run: Run; site: Site } {
  const site = caller?.callbacks.get(callback);
  if (caller?.run === undefined || site === undefined) {
    throw new ProtocolError(
      "callback_unknown",
      `no callback ${callback} of run ${request} waits for a reply; the run is over, or the callback was answered`,
    );
  }
  caller.callbacks.delete(callback);
  return { run: caller.run, site };
}

function checkTypes(site: Site, given: readonly Given[]): void {
  const fits =
    given.length === site.types.length &&
    given.every(({ type }, index) => sameType(type, site.types[index] as TensorType));
  if (fits) return;
  const expected = formatTypes(site.types);
  const found = formatTypes(given.map(({ type }) => type));
  const name = site.label ?? site.name ?? `site ${site.number}`;
  throw new ProtocolError(
    "reply_invalid",
    `the call "${name}" was answered with ${found}; expected ${expected}`,
    expected,
  );
}
