import type { Engine } from "../engine/engine.js";
import { DavitError, toDavitError } from "../error.js";
import type { CallbackReceiver } from "../hooks/callback-router.js";
import { type CallbackRequest, freeValues } from "../hooks/event.js";
import type { Site } from "../hooks/site.js";
import type { ProgramId, RunId } from "../native.js";
import { formatType, sameType, type TensorType } from "../tensor/dtype.js";
import { runsOf } from "./align.js";
import { titleOf } from "./format.js";
import { SiteOrdinals } from "./ordinals.js";
import { type RecordedEvent, RecordingFile } from "./reader.js";

/** Recorded replies that take the place of callbacks. */
export interface Replay {
  /** Callbacks answered so far. */
  readonly answered: number;
  /** Ends it: callbacks are called again. */
  close(): Promise<void>;
}

/**
 * Answers every callback of an engine's runs with what was recorded, instead of calling it: the first run with
 * callbacks gets the replies of the first recorded run that had any, and so on; in a run a reply is found by label
 * or name and loop path. A callback that was not recorded fails its run with `replay_missing`.
 * @throws FileError where the recording cannot be read
 */
export async function replay(engine: Engine, path: string): Promise<Replay> {
  const replies = await openReplies(engine, path);
  engine.hooks.callbacks.receiveAll(replies);
  return {
    get answered() {
      return replies.answered;
    },
    close: () => {
      engine.hooks.callbacks.receiveAll(undefined);
      return replies.close();
    },
  };
}

/** The replies of a recording, for runs of an engine. @throws FileError where it cannot be read */
export async function openReplies(engine: Engine, path: string): Promise<Replies> {
  return new Replies(engine, await RecordingFile.open(path));
}

/** Answers callbacks with what was recorded. */
export class Replies implements CallbackReceiver {
  /** Callbacks answered so far. */
  answered = 0;
  readonly #engine: Engine;
  readonly #file: RecordingFile;
  /** The replies of each recorded run, by their key. */
  readonly #recorded: Map<string, RecordedEvent[]>[];
  /** The live runs with callbacks, in the order of their first one. */
  readonly #runs = new Map<RunId, number>();
  readonly #ordinals: SiteOrdinals;
  #reading: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(engine: Engine, file: RecordingFile) {
    this.#engine = engine;
    this.#ordinals = new SiteOrdinals(engine.hooks);
    this.#file = file;
    const callbacks = file.events.filter(({ place }) => place.kind === "callback");
    this.#recorded = runsOf(callbacks).map((events) => {
      const replies = new Map<string, RecordedEvent[]>();
      for (const event of events) {
        const { place } = event;
        const key = keyOf(titleOf(place), place.ordinal, event.path);
        replies.set(key, [...(replies.get(key) ?? []), event]);
      }
      return replies;
    });
  }

  onCallback(request: CallbackRequest, site: Site): void {
    freeValues(request, this.#engine.native);
    // One after the other: the file has one window.
    this.#reading = this.#reading.then(() => this.#answer(request, site));
  }

  /** Closes the file; callbacks that come later fail. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#reading;
    await this.#file.close();
  }

  async #answer({ run, callback, program, path }: CallbackRequest, site: Site): Promise<void> {
    const { native } = this.#engine;
    try {
      const values = site.types.length === 0 ? [] : await this.#values(run, program, path, site);
      const bytes = values.map((value) => value.bytes);
      this.#engine.reply(run, callback, bytes);
      this.answered++;
    } catch (error) {
      const { code = "internal", message } = toDavitError(error) as DavitError;
      native.replyError(run, callback, code, message);
    }
  }

  async #values(run: RunId, program: ProgramId, path: readonly number[], site: Site) {
    const number = this.#number(run);
    const ordinal = this.#ordinals.of(program, site);
    const title = titleOf(site);
    const event = this.#recorded[number]?.get(keyOf(title, ordinal, path))?.shift();
    const loop = path.length === 0 ? "" : ` [${path.join(", ")}]`;
    const what = `the call "${title}"${loop}`;
    if (event === undefined) {
      throw new DavitError(
        "replay_missing",
        `${this.#file.path} has no reply for ${what} in run ${number + 1} of ${this.#recorded.length}${this.#file.complete ? "" : "; it was not closed"}`,
      );
    }
    if (this.#closed) {
      throw new DavitError("replay_missing", `the replay of ${this.#file.path} was stopped`);
    }
    const values = await this.#file.values(event);
    const types = values.map(({ type }) => type);
    const fits =
      types.length === site.types.length &&
      types.every((type, index) => sameType(type, site.types[index] as TensorType));
    if (!fits) {
      const list = (items: readonly TensorType[]) => items.map(formatType).join(", ");
      throw new DavitError(
        "reply_invalid",
        `${this.#file.path} has (${list(types)}) for ${what}; expected (${list(site.types)})`,
      );
    }
    return values;
  }

  #number(run: RunId): number {
    const known = this.#runs.get(run);
    if (known !== undefined) return known;
    const number = this.#runs.size;
    this.#runs.set(run, number);
    return number;
  }
}

function keyOf(title: string, ordinal: number, path: readonly number[]): string {
  return JSON.stringify([title, ordinal, path]);
}
