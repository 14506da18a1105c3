import type { NativeEngine, RunId } from "../native.js";
import { type CallbackRequest, freeValues } from "./event.js";
import type { Site } from "./site.js";

/** Takes the callback requests of a run. */
export interface CallbackReceiver {
  onCallback(request: CallbackRequest, site: Site): void;
}

/** Decides who answers a `custom_call.callback` node: a receiver of all runs where there is one, else that of the run. */
export class CallbackRouter {
  readonly #native: Pick<NativeEngine, "free" | "replyError">;
  readonly #ofRuns = new Map<RunId, CallbackReceiver>();
  #ofAll: CallbackReceiver | undefined;

  constructor(native: Pick<NativeEngine, "free" | "replyError">) {
    this.#native = native;
  }

  /** Sets the receiver of a run's callbacks, until {@link endRun}. */
  receive(run: RunId, receiver: CallbackReceiver): void {
    this.#ofRuns.set(run, receiver);
  }

  /** Sets a receiver of the callbacks of all runs, which takes them instead of the run's own; undefined ends that. */
  receiveAll(receiver: CallbackReceiver | undefined): void {
    this.#ofAll = receiver;
  }

  /** For the engine: a run is over. */
  endRun(run: RunId): void {
    this.#ofRuns.delete(run);
  }

  /** For the engine: a callback node waits. Its site is undefined where its program is gone. */
  onCallback(request: CallbackRequest, site: Site | undefined): void {
    const receiver = this.#ofAll ?? this.#ofRuns.get(request.run);
    if (site !== undefined && receiver !== undefined) {
      receiver.onCallback(request, site);
      return;
    }
    freeValues(request, this.#native);
    const name = site?.label ?? site?.name ?? `site ${request.site}`;
    const text = `the callback "${name}" has no handler in this run`;
    this.#native.replyError(request.run, request.callback, "handler_missing", text);
  }
}
