import type { Engine } from "../../engine/engine.js";
import type { Embedder } from "./embedder.js";
import { hashFolder, type ModelFolder, readFolder } from "./folder.js";
import type { Pooling } from "./pooling.js";

/** An embedder that others have too. */
export interface SharedEmbedder {
  /** The embedder. Whoever has it does not dispose of it. */
  readonly embedder: Embedder;
  /** Gives it back; the last one to do so frees its weights. */
  release(): void;
}

interface Entry {
  readonly folder: ModelFolder;
  readonly opening: Promise<Embedder>;
  /** The hash of its files, once it was needed; nothing where they have changed since they were read. */
  hash: Promise<string | undefined> | undefined;
  /** The bytes of its weights, once they are read. */
  bytes: number;
  users: number;
}

const engines = new WeakMap<Engine, SharedEmbedders>();

/**
 * The embedders of an engine that its sessions share: one copy of the weights for everybody who opens the same files, or others with the
 * same content.
 */
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
    return [...this.#entries.values()].map(({ folder, bytes, users }) => ({
      path: folder.path,
      bytes,
      users,
    }));
  }

  /**
   * Opens a folder, or takes the embedder that somebody has opened of the same files.
   * @throws what {@link Embedder.open} throws
   */
  async open(path: string, pooling?: Pooling): Promise<SharedEmbedder> {
    const entry = await this.#use(await readFolder(path));
    try {
      const embedder = await entry.opening;
      const own = pooling === undefined ? undefined : embedder.withPooling(pooling);
      return { embedder: own ?? embedder, release: this.#releaseOnce(entry, own) };
    } catch (error) {
      this.#leave(entry);
      throw error;
    }
  }

  /** Finds or makes an entry, and counts a user of it at once: it might be closed otherwise before the caller goes on. */
  async #use(folder: ModelFolder): Promise<Entry> {
    const same = () => this.#entries.get(folder.identity);
    const known = same();
    if (known !== undefined) return counted(known);
    const alike = [...this.#entries.values()].filter(
      (entry) => entry.folder.shape === folder.shape,
    );
    // Files are read for their hash only where others of the same names and lengths are open.
    const wanted = alike.length > 0 ? await hashUnchanged(folder) : undefined;
    if (wanted !== undefined) {
      for (const entry of alike) {
        entry.hash ??= hashUnchanged(entry.folder);
        const isOpen = () => this.#entries.get(entry.folder.identity) === entry;
        if ((await entry.hash) === wanted && isOpen()) return counted(entry);
      }
    }
    return counted(same() ?? this.#enter(folder));
  }

  #enter(folder: ModelFolder): Entry {
    const opening = openEmbedder(this.#engine, folder.path);
    const entry: Entry = { folder, opening, hash: undefined, bytes: 0, users: 0 };
    this.#entries.set(folder.identity, entry);
    opening.then(
      ({ model }) => {
        entry.bytes = model.byteLength;
      },
      // Who opens it next reads the files anew.
      () => this.#forget(entry),
    );
    return entry;
  }

  #releaseOnce(entry: Entry, own: Embedder | undefined): () => void {
    let released = false;
    return () => {
      if (released) return;
      released = true;
      own?.dispose();
      this.#leave(entry);
    };
  }

  #leave(entry: Entry): void {
    entry.users--;
    if (entry.users > 0) return;
    this.#forget(entry);
    entry.opening.then(
      (embedder) => {
        embedder.dispose();
        // An engine of a port hardly ever collects garbage. Runs under way go on.
        for (const tensor of Object.values(embedder.model.parameters())) tensor.dispose();
      },
      () => {},
    );
  }

  #forget(entry: Entry): void {
    const { identity } = entry.folder;
    if (this.#entries.get(identity) === entry) this.#entries.delete(identity);
  }
}

function counted(entry: Entry): Entry {
  entry.users++;
  return entry;
}

/** The tokenizer and the encoders are loaded with the first model: an engine without one starts without them. */
async function openEmbedder(engine: Engine, path: string): Promise<Embedder> {
  const { Embedder } = await import("./embedder.js");
  return await Embedder.open(engine, path);
}

/** The hash of files that are as they were; nothing where they are not. */
async function hashUnchanged(folder: ModelFolder): Promise<string | undefined> {
  try {
    const hash = await hashFolder(folder);
    return (await readFolder(folder.path)).identity === folder.identity ? hash : undefined;
  } catch {
    return undefined;
  }
}
