import type { PromptSnapshot } from "../models/index.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { SessionModels } from "./models.js";
import type { Sender } from "./sender.js";

/** A snapshot that a client named; without one while it is computed. */
interface SessionSnapshot {
  readonly request: number;
  readonly aborted: AbortController;
  snapshot: PromptSnapshot | undefined;
}

/** The beginnings of prompts that one session keeps, by the ids that its client chose. */
export class SessionSnapshots {
  readonly #snapshots = new Map<number, SessionSnapshot>();

  constructor(
    private readonly sender: Sender,
    private readonly models: SessionModels,
    private readonly limits: { readonly subscriptions: number },
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return [...this.#snapshots.values()].filter(({ snapshot }) => snapshot === undefined).length;
  }

  /** Answers `snapshot` when it is computed. */
  make(request: number, { snapshot: id, model: modelId, prompt }: MessageOf<"snapshot">): void {
    if (this.#snapshots.has(id)) {
      throw new ProtocolError("snapshot_taken", `there is a snapshot ${id} already`, "a new id");
    }
    const most = this.limits.subscriptions;
    if (this.#snapshots.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} snapshots`);
    }
    const { model, over } = this.models.use(modelId, "language");
    const made: SessionSnapshot = { request, aborted: new AbortController(), snapshot: undefined };
    this.#snapshots.set(id, made);
    const { signal } = made.aborted;
    model
      .snapshot(prompt, { signal })
      .then((snapshot) => {
        if (signal.aborted) {
          snapshot.dispose();
          throw signal.reason;
        }
        made.snapshot = snapshot;
        this.sender.ok<"snapshot">(request, { tokens: snapshot.ids.length });
      })
      .catch((error) => {
        this.#forget(id, made);
        this.sender.error(request, error);
      })
      .finally(over);
  }

  /** @throws ProtocolError `snapshot_unknown` */
  find(id: number): PromptSnapshot {
    const known = this.#snapshots.get(id);
    if (known?.snapshot !== undefined) return known.snapshot;
    const why = known === undefined ? "it was closed, or never made" : "it is not computed yet";
    throw new ProtocolError("snapshot_unknown", `there is no snapshot ${id}: ${why}`);
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    for (const made of this.#snapshots.values()) {
      if (made.request !== request || made.snapshot !== undefined) continue;
      made.aborted.abort(new ProtocolError("cancelled", reason));
    }
  }

  /** Takes `close_snapshot`. */
  close(id: number): void {
    const known = this.#snapshots.get(id);
    if (known === undefined) return;
    this.#forget(id, known);
    known.aborted.abort(new ProtocolError("cancelled", "the snapshot was closed"));
    known.snapshot?.dispose();
  }

  /** The session ends. */
  closeAll(): void {
    for (const id of [...this.#snapshots.keys()]) this.close(id);
  }

  #forget(id: number, made: SessionSnapshot): void {
    if (this.#snapshots.get(id) === made) this.#snapshots.delete(id);
  }
}
