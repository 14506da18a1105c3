import type { Engine } from "../engine/engine.js";
import { openReplies, type Replies } from "../record/replay.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";

/** The recordings whose replies a session's runs may be given. */
export class SessionReplays {
  /** Null while the file is read. */
  readonly #replays = new Map<number, Replies | null>();
  #closed = false;

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly limits: { readonly subscriptions: number },
  ) {}

  /** Answers `replay` when the file is read. */
  open(request: number, { replay, path }: MessageOf<"replay">): void {
    if (this.#replays.has(replay)) {
      throw new ProtocolError("recording_taken", `there is a replay ${replay} already`);
    }
    const most = this.limits.subscriptions;
    if (this.#replays.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} replays`);
    }
    this.#replays.set(replay, null);
    openReplies(this.engine, path).then(
      (replies) => {
        if (this.#closed) return void replies.close();
        this.#replays.set(replay, replies);
        this.sender.ok<"replay">(request, null);
      },
      (error) => {
        this.#replays.delete(replay);
        this.sender.error(request, error);
      },
    );
  }

  /** @throws ProtocolError `recording_unknown` */
  find(replay: number): Replies {
    const replies = this.#replays.get(replay);
    if (replies) return replies;
    const why = replies === null ? "it is not answered yet" : "it was stopped, or never opened";
    throw new ProtocolError("recording_unknown", `there is no replay ${replay}: ${why}`);
  }

  /** Answers `stop_replay` with the number of calls that were answered. */
  stop(request: number, replay: number): void {
    const replies = this.find(replay);
    this.#replays.delete(replay);
    void replies.close();
    this.sender.ok<"stop_replay">(request, { answered: replies.answered });
  }

  /** The session ends. */
  close(): void {
    this.#closed = true;
    for (const replies of this.#replays.values()) void replies?.close();
    this.#replays.clear();
  }
}
