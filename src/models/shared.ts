import { join } from "node:path";
import type { Engine } from "../engine/engine.js";
import type { Embedder } from "./embedder/embedder.js";
import type { Pooling } from "./embedder/pooling.js";
import { ModelError } from "./error.js";
import { findModelFiles, hashModelFiles, type ModelFiles } from "./files.js";
import type { Generator } from "./generator/generator.js";
import { ifThere, readJson } from "./json.js";

/** A model, and what it is for. */
export type AnyModel =
  | { readonly kind: "embedding"; readonly model: Embedder }
  | { readonly kind: "language"; readonly model: Generator };

/** A model that others have too. Whoever has it does not dispose of it. */
export type SharedModel = AnyModel & {
  /** Gives it back; the last one to do so frees its weights. */
  release(): void;
};

interface Entry {
  readonly files: ModelFiles;
  readonly opening: Promise<AnyModel>;
  /** The hash of its files, once it was needed; nothing where they have changed since they were read. */
  hash: Promise<string | undefined> | undefined;
  /** The bytes of its weights, once they are read. */
  bytes: number;
  users: number;
}

const engines = new WeakMap<Engine, SharedModels>();

/**
 * The models of an engine that its sessions share: one copy of the weights for everybody who opens the same files, or others with the
 * same content.
 */
export class SharedModels {
  readonly #engine: Engine;
  readonly #entries = new Map<string, Entry>();

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Those of an engine. */
  static of(engine: Engine): SharedModels {
    const known = engines.get(engine);
    if (known !== undefined) return known;
    const made = new SharedModels(engine);
    engines.set(engine, made);
    return made;
  }

  /** The models that are open, the bytes of their weights, and how many have them open. */
  list(): { path: string; bytes: number; users: number }[] {
    return [...this.#entries.values()].map(({ files, bytes, users }) => ({
      path: files.path,
      bytes,
      users,
    }));
  }

  /**
   * Opens a model, or takes the one that somebody has opened of the same files. Embedding models have a pooling.
   * @throws what {@link Embedder.open} and {@link Generator.open} throw; ModelError `pooling_invalid`
   */
  async open(path: string, pooling?: Pooling): Promise<SharedModel> {
    const entry = await this.#use(await findModelFiles(path));
    try {
      const opened = await entry.opening;
      if (pooling === undefined) return { ...opened, release: this.#releaseOnce(entry) };
      if (opened.kind !== "embedding") {
        const problem = `${path} is a language model, and has no pooling`;
        throw new ModelError("pooling_invalid", problem, "none");
      }
      const own = opened.model.withPooling(pooling);
      return { kind: "embedding", model: own, release: this.#releaseOnce(entry, own) };
    } catch (error) {
      this.#leave(entry);
      throw error;
    }
  }

  /** Finds or makes an entry, and counts a user of it at once: it might be closed otherwise before the caller goes on. */
  async #use(files: ModelFiles): Promise<Entry> {
    const same = () => this.#entries.get(files.identity);
    const known = same();
    if (known !== undefined) return counted(known);
    const alike = [...this.#entries.values()].filter((entry) => entry.files.shape === files.shape);
    // Files are read for their hash only where others of the same names and lengths are open.
    const wanted = alike.length > 0 ? await hashUnchanged(files) : undefined;
    if (wanted !== undefined) {
      for (const entry of alike) {
        entry.hash ??= hashUnchanged(entry.files);
        const isOpen = () => this.#entries.get(entry.files.identity) === entry;
        if ((await entry.hash) === wanted && isOpen()) return counted(entry);
      }
    }
    return counted(same() ?? this.#enter(files));
  }

  #enter(files: ModelFiles): Entry {
    const opening = openModel(this.#engine, files);
    const entry: Entry = { files, opening, hash: undefined, bytes: 0, users: 0 };
    this.#entries.set(files.identity, entry);
    opening.then(
      ({ model }) => {
        entry.bytes = model.model.byteLength;
      },
      // Who opens it next reads the files anew.
      () => this.#forget(entry),
    );
    return entry;
  }

  #releaseOnce(entry: Entry, own?: Embedder): () => void {
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
      ({ model }) => {
        model.dispose();
        // An engine of a port hardly ever collects garbage. Runs under way go on.
        for (const tensor of Object.values(model.model.parameters())) tensor.dispose();
      },
      () => {},
    );
  }

  #forget(entry: Entry): void {
    const { identity } = entry.files;
    if (this.#entries.get(identity) === entry) this.#entries.delete(identity);
  }
}

function counted(entry: Entry): Entry {
  entry.users++;
  return entry;
}

/** The code of a kind of models is loaded with the first one: an engine without one starts without it. */
async function openModel(engine: Engine, files: ModelFiles): Promise<AnyModel> {
  if (await isLanguageModel(files)) {
    const { Generator } = await import("./generator/generator.js");
    return { kind: "language", model: await Generator.open(engine, files.path) };
  }
  const { Embedder } = await import("./embedder/embedder.js");
  return { kind: "embedding", model: await Embedder.open(engine, files.path) };
}

/** GGUF files have language models; in a folder config.json says what it has. */
async function isLanguageModel({ path, folder, names }: ModelFiles): Promise<boolean> {
  if (path !== folder) return true;
  if (!names.includes("config.json")) return names.some((name) => name.endsWith(".gguf"));
  const config = await ifThere(readJson(join(folder, "config.json")));
  const [architecture] = Array.isArray(config?.architectures) ? config.architectures : [];
  return typeof architecture === "string" && architecture.endsWith("ForCausalLM");
}

/** The hash of files that are as they were; nothing where they are not. */
async function hashUnchanged(files: ModelFiles): Promise<string | undefined> {
  try {
    const hash = await hashModelFiles(files);
    return (await findModelFiles(files.path)).identity === files.identity ? hash : undefined;
  } catch {
    return undefined;
  }
}
