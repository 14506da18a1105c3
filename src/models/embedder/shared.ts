import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Engine } from "../../engine/engine.js";
import { fromSystem } from "../../files/error.js";
import type { Embedder } from "./embedder.js";
import type { Pooling } from "./pooling.js";

/** An embedder that others have too. */
export interface SharedEmbedder {
  /** The embedder. Whoever has it does not dispose of it. */
  readonly embedder: Embedder;
  /** Gives it back; the last one to do so frees its weights. */
  release(): void;
}

interface Entry {
  readonly path: string;
  readonly opening: Promise<Embedder>;
  /** The bytes of its weights, once they are read. */
  bytes: number;
  users: number;
}

const engines = new WeakMap<Engine, SharedEmbedders>();

/** The embedders of an engine that its sessions share: one copy of the weights for everybody who opens the same files. */
export class SharedEmbedders {
  readonly #engine: Engine;
  readonly #entries = new Map<string, Entry>();

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Those of an engine. */
  static of(engine: Engine): SharedEmbedders {
    const known = engines.get(engine);
    if (known !== undefined) return known;
    const made = new SharedEmbedders(engine);
    engines.set(engine, made);
    return made;
  }

  /** The folders that are open, the bytes of their weights, and how many have them open. */
  list(): { path: string; bytes: number; users: number }[] {
    return [...this.#entries.values()].map(({ path, bytes, users }) => ({ path, bytes, users }));
  }

  /**
   * Opens a folder, or takes the embedder that somebody has opened of the same files.
   * @throws what {@link Embedder.open} throws
   */
  async open(folder: string, pooling?: Pooling): Promise<SharedEmbedder> {
    const { path, key } = await identify(folder);
    const entry = this.#entries.get(key) ?? this.#enter(key, path);
    entry.users++;
    try {
      const embedder = await entry.opening;
      const own = pooling === undefined ? undefined : embedder.withPooling(pooling);
      return { embedder: own ?? embedder, release: this.#releaseOnce(key, entry, own) };
    } catch (error) {
      this.#leave(key, entry);
      throw error;
    }
  }

  #enter(key: string, path: string): Entry {
    const opening = openEmbedder(this.#engine, path);
    const entry: Entry = { path, opening, bytes: 0, users: 0 };
    this.#entries.set(key, entry);
    opening.then(
      ({ model }) => {
        entry.bytes = model.byteLength;
      },
      // Who opens it next reads the files anew.
      () => this.#forget(key, entry),
    );
    return entry;
  }

  #releaseOnce(key: string, entry: Entry, own: Embedder | undefined): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      own?.dispose();
      this.#leave(key, entry);
    };
  }

  #leave(key: string, entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    this.#forget(key, entry);
    entry.opening.then(
      (embedder) => {
        embedder.dispose();
        // An engine of a port hardly ever collects garbage. Runs under way go on.
        for (const tensor of Object.values(embedder.model.parameters())) tensor.dispose();
      },
      () => {},
    );
  }

  #forget(key: string, entry: Entry): void {
    if (this.#entries.get(key) === entry) this.#entries.delete(key);
  }
}

/** The tokenizer and the encoders are loaded with the first model: an engine without one starts without them. */
async function openEmbedder(engine: Engine, path: string): Promise<Embedder> {
  const { Embedder } = await import("./embedder.js");
  return await Embedder.open(engine, path);
}

/** What tells the files of a folder from others, and from themselves after a change. */
async function identify(folder: string): Promise<{ path: string; key: string }> {
  try {
    const path = await realpath(folder);
    const names = (await readdir(path)).sort();
    const files = await Promise.all(
      names.map(async (name) => {
        const { dev, ino, size, mtimeMs } = await stat(join(path, name));
        return [name, dev, ino, size, mtimeMs];
      }),
    );
    return { path, key: JSON.stringify([path, files]) };
  } catch (error) {
    throw fromSystem(error, folder);
  }
}
