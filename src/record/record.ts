import type { Engine } from "../engine/engine.js";
import { guarded } from "../error.js";
import type { RawEvent } from "../hooks/event.js";
import { type Match, siteTest } from "../hooks/match.js";
import type { Gatherer } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import type { Subscription } from "../hooks/subscription.js";
import type { ProgramId } from "../native.js";
import { type Place, VERSION } from "./format.js";
import { SiteOrdinals } from "./ordinals.js";
import { RecordWriter } from "./writer.js";

/** Options of {@link record}. */
export interface RecordOptions {
  /** The file; it is written anew. */
  readonly path: string;
  /** The hooks and probes to record. Default `"all"`: every hook and print. Replies of callbacks are always recorded. */
  readonly match?: Match;
}

/** A recording under way. */
export interface Recording extends Disposable {
  /** The path of the file. */
  readonly path: string;
  /** Events written so far. */
  readonly events: number;
  /**
   * Ends the recording: nothing more is written, and the file is whole.
   * @throws FileError where it could not be written
   */
  close(): void;
}

/**
 * Keeps every value of hooks and probes, of all programs and runs of an engine, in a file, together with the replies of
 * callbacks. Runs go no faster than the disk; nothing is left out. Whatever was written can be read, also
 * when this process dies.
 *
 * @example
 * ```ts
 * const recording = record(engine, { path: "good.rec", match: { probe: "encoder.3.*" } });
 * await f(x);
 * recording.close();
 * ```
 * @throws FileError where the file cannot be made; DavitError `match_invalid`
 */
export function record(engine: Engine, options: RecordOptions): Recording {
  return new EngineRecording(engine, options);
}

class EngineRecording implements Recording, Gatherer {
  events = 0;
  readonly path: string;
  readonly #engine: Engine;
  readonly #writer: RecordWriter;
  readonly #subscription: Subscription;
  /** The numbers of places that were written; forgotten with their program. */
  readonly #places = new WeakMap<Site, number>();
  readonly #ordinals: SiteOrdinals;
  #count = 0;
  #gathered = false;
  #closed = false;

  constructor(engine: Engine, { path, match = "all" }: RecordOptions) {
    this.path = path;
    this.#engine = engine;
    this.#ordinals = new SiteOrdinals(engine.hooks);
    const wanted: Match = [match, "callbacks"];
    // A wrong match is told before the file is emptied.
    guarded(() => siteTest(wanted));
    this.#writer = new RecordWriter(path);
    this.#writer.write(["recording", VERSION]);
    this.#subscription = engine.hooks.on({ match: wanted }, (event, site) =>
      this.#write(event, site),
    );
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription.close();
    this.#writer.write(["end", this.events]);
    this.#writer.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** For the router: writes what a batch brought to the file. */
  flush(): void {
    this.#gathered = false;
    this.#writer.flush();
  }

  #write({ run, program, seq, path, values }: RawEvent, site: Site): void {
    const place = this.#place(program, site);
    this.events++;
    const header = ["event", place, run, program, seq, path] as const;
    this.#writer.write(header, values as readonly Uint8Array[]);
    if (this.#gathered) return;
    this.#gathered = true;
    this.#engine.hooks.gather(this);
  }

  /** The number of a site's place, which is written before its first event. */
  #place(program: ProgramId, site: Site): number {
    const known = this.#places.get(site);
    if (known !== undefined) return known;
    const number = this.#count++;
    this.#places.set(site, number);
    this.#writer.write(["place", number, toPlace(site, this.#ordinals.of(program, site))]);
    return number;
  }
}

function toPlace(site: Site, ordinal: number): Place {
  const { function: name, node, kind, types } = site;
  return {
    site: site.number,
    function: name,
    node,
    kind,
    ...(site.name === undefined ? {} : { name: site.name }),
    ...(site.label === undefined ? {} : { label: site.label }),
    types,
    ordinal,
  };
}
