import { isDeepStrictEqual } from "node:util";
import type { PromptSnapshot } from "../models/index.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { SessionModels } from "./models.js";
import type { Sender } from "./sender.js";

/** A snapshot that a client named. */
interface SessionSnapshot {
  /** What made it. */
  readonly message: MessageOf<"snapshot">;
  readonly aborted: AbortController;
  /** The requests without an answer: more than one where it was made again while it is computed. */
  readonly requests: Set<number>;
  /** There once it is computed. */
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
    return [...this.#snapshots.values()].reduce((sum, { requests }) => sum + requests.size, 0);
  }

  /** Answers `snapshot` when it is computed. */
  make(request: number, message: MessageOf<"snapshot">): void {
    const { snapshot: id } = message;
    const known = this.#snapshots.get(id);
    if (known !== undefined && !isDeepStrictEqual(known.message, message)) {
      throw new ProtocolError("snapshot_taken", `there is a snapshot ${id} already`, "a new id");
    }
    const made = known ?? this.#begin(message);
    made.requests.add(request);
    if (made.snapshot !== undefined) this.#answer(made, made.snapshot);
  }

  #begin(message: MessageOf<"snapshot">): SessionSnapshot {
    const most = this.limits.subscriptions;
    if (this.#snapshots.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} snapshots`);
    }
    const { model, over } = this.models.use(message.model, "language");
    const aborted = new AbortController();
    const made: SessionSnapshot = { message, aborted, requests: new Set(), snapshot: undefined };
    this.#snapshots.set(message.snapshot, made);
    const { signal } = aborted;
    model
      .snapshot(message.prompt, { signal })
      .then((snapshot) => {
        if (signal.aborted) {
          snapshot.dispose();
          throw signal.reason;
        }
        made.snapshot = snapshot;
        this.#answer(made, snapshot);
      })
      .catch((error) => {
        this.#forget(made);
        for (const request of made.requests) this.sender.error(request, error);
        made.requests.clear();
      })
      .finally(over);
    return made;
  }

  #answer({ requests }: SessionSnapshot, snapshot: PromptSnapshot): void {
    for (const request of requests) {
      this.sender.ok<"snapshot">(request, { tokens: snapshot.ids.length });
    }
    requests.clear();
  }

  /** @throws ProtocolError `snapshot_unknown` */
  find(id: number): PromptSnapshot {
    const known = this.#snapshots.get(id);
    if (known?.snapshot !== undefined) return known.snapshot;
    const why = known === undefined ? "it was closed, or never made" : "it is not computed yet";
    throw new ProtocolError("snapshot_unknown", `there is no snapshot ${id}: ${why}`);
  }

  /** Takes `cancel`. A snapshot that nobody else waits for is given up. */
  cancel(request: number, reason: string): void {
    const error = new ProtocolError("cancelled", reason);
    for (const made of this.#snapshots.values()) {
      if (!made.requests.has(request)) continue;
      if (made.requests.size === 1) {
        this.#giveUp(made, error);
      } else {
        made.requests.delete(request);
        this.sender.error(request, error);
      }
    }
  }

  /** Takes `close_snapshot`. */
  close(id: number): void {
    const known = this.#snapshots.get(id);
    if (known === undefined) return;
    this.#giveUp(known, new ProtocolError("cancelled", "the snapshot was closed"));
    known.snapshot?.dispose();
  }

  /** The session ends. */
  closeAll(): void {
    for (const id of [...this.#snapshots.keys()]) this.close(id);
  }

  #giveUp(made: SessionSnapshot, error: ProtocolError): void {
    this.#forget(made);
    made.aborted.abort(error);
  }

  #forget(made: SessionSnapshot): void {
    const id = made.message.snapshot;
    if (this.#snapshots.get(id) === made) this.#snapshots.delete(id);
  }
}
