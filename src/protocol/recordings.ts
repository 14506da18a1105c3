import type { Engine } from "../engine/engine.js";
import { type Recording, record } from "../record/record.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";

/** The recordings that one session has under way; each is a file of the engine's machine. */
export class SessionRecordings {
  readonly #recordings = new Map<number, Recording>();

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly limits: { readonly subscriptions: number },
  ) {}

  /** Answers `record`: from here on what matches is kept. */
  start(request: number, { recording, path, matches }: MessageOf<"record">): void {
    if (this.#recordings.has(recording)) {
      throw new ProtocolError("recording_taken", `there is a recording ${recording} already`);
    }
    const most = this.limits.subscriptions;
    if (this.#recordings.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} recordings`);
    }
    if (matches.length > most) {
      const text = `record has ${matches.length} matches; expected at most ${most}`;
      throw new ProtocolError("subscription_limit_exceeded", text, `at most ${most}`);
    }
    this.#recordings.set(recording, record(this.engine, { path, match: matches }));
    this.sender.ok<"record">(request, null);
  }

  /** Answers `stop_recording` when the file is whole. */
  stop(request: number, number: number): void {
    const recording = this.#recordings.get(number);
    if (recording === undefined) {
      throw new ProtocolError("recording_unknown", `there is no recording ${number}`);
    }
    this.#recordings.delete(number);
    recording.close();
    this.sender.ok<"stop_recording">(request, { events: recording.events });
  }

  /** The session ends; nobody is left to be told of a full disk. */
  close(): void {
    for (const recording of this.#recordings.values()) {
      try {
        recording.close();
      } catch {
        // The file can be read up to its last whole record.
      }
    }
    this.#recordings.clear();
  }
}
