import type { Engine } from "../engine/engine.js";
import type { ValueId } from "../native.js";
import type { MessageOf } from "./message.js";
import type { LoadedProgram } from "./programs.js";
import type { SessionQueue } from "./queues.js";
import type { Sender } from "./sender.js";
import { SessionTensor, type SessionTensors } from "./tensors.js";

/** The parts of a session that such runs need. */
export interface HereHost {
  readonly engine: Engine;
  readonly sender: Sender;
  readonly tensors: SessionTensors;
  readonly limits: { readonly maxFrameBytes: number };
}

type Inputs = readonly (ValueId | Uint8Array)[];

/**
 * Does a small run while its message is taken, where nobody is to be told anything of it but its answer. Returns false where it
 * has to be queued.
 * @throws DavitError the error that makes the run fail
 */
export function runHere(
  host: HereHost,
  request: number,
  loaded: LoadedProgram,
  message: MessageOf<"run">,
  inputs: Inputs,
  queue: SessionQueue,
): boolean {
  if (message.hooks.length > 0 || loaded.hasPrints || loaded.hasDestinations) return false;
  if (message.donate.length > 0) return false;
  return message.answer && loaded.smallestOutput <= message.fetch
    ? fetchHere(host, request, loaded, message, inputs, queue)
    : makeHere(host, request, loaded, message, inputs, queue);
}

/** A run of which all results travel with the answer. */
function fetchHere(
  { engine, sender, limits }: HereHost,
  request: number,
  loaded: LoadedProgram,
  message: MessageOf<"run">,
  inputs: Inputs,
  queue: SessionQueue,
): boolean {
  const { program, outputBytes } = loaded;
  if (outputBytes > message.fetch || outputBytes > limits.maxFrameBytes / 2) return false;
  if (!sender.ready || message.outputs.some((id) => id !== null)) return false;
  const results = engine.runHere(program, inputs, queue.id);
  if (results === undefined) return false;
  const attachments = results.map((bytes) => new Uint8Array(bytes));
  sender.sendEncoded(request, loaded.answer(results.length), attachments);
  return true;
}

/** A run whose results stay in the engine. */
function makeHere(
  { engine, sender, tensors }: HereHost,
  request: number,
  loaded: LoadedProgram,
  message: MessageOf<"run">,
  inputs: Inputs,
  queue: SessionQueue,
): boolean {
  const { program } = loaded;
  const values = engine.makeHere(program, inputs, queue.id);
  if (values === undefined) return false;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as ValueId;
    const id = message.outputs[index] as number | null;
    if (id === null) engine.native.free(value);
    else tensors.define(id, new SessionTensor(value, program.outputs[index], false));
  }
  if (message.answer) sender.sendEncoded(request, loaded.answer(0), []);
  return true;
}
