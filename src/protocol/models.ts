import { resolve } from "node:path";
import type { Engine } from "../engine/engine.js";
import type { Pooling } from "../models/embedder/pooling.js";
import { type SharedEmbedder, SharedEmbedders } from "../models/embedder/shared.js";
import { ModelError } from "../models/error.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";
import { noteRun, ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";
import type { AllocatedTensor, SessionTensors } from "./tensors.js";
import { wireType } from "./wire.js";

/** A model that a client named. */
interface SessionModel {
  readonly path: string;
  readonly pooling: string;
  readonly opening: Promise<SharedEmbedder>;
  /** There once it is open. */
  shared: SharedEmbedder | undefined;
  /** Its `embed` requests that are not over. */
  running: number;
  /** Its name is gone. */
  closed: boolean;
}

/** An `embed` that has no answer. */
interface Embedding {
  readonly request: number;
  readonly aborted: AbortController;
  /** The tensor that it fills, where the vectors do not come with the answer. */
  readonly filled: AllocatedTensor | undefined;
}

/** The embedding models of one session, by the ids that its client chose. The engine's sessions share their weights. */
export class SessionModels {
  readonly #models = new Map<number, SessionModel>();
  readonly #embeddings = new Map<number, Embedding>();

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly limits: { readonly subscriptions: number },
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#embeddings.size;
  }

  /** Answers `open_model` when the weights are read. */
  open(request: number, { model: id, path, pooling }: MessageOf<"open_model">): void {
    const known = this.#models.get(id);
    const model = known ?? this.#begin(id, path, pooling);
    if (known !== undefined && !isSame(known, path, pooling)) {
      const text = `there is a model ${id} already, ${known.path}`;
      throw new ProtocolError("model_taken", text, "a new id");
    }
    model.opening.then(
      ({ embedder }) => {
        const { dimension, tokenizer, pooling: own } = embedder;
        const bytes = embedder.model.byteLength;
        const { longest } = tokenizer;
        this.sender.ok<"open_model">(request, { dimension, longest, pooling: own, bytes });
      },
      (error) => this.sender.error(request, error),
    );
  }

  #begin(id: number, path: string, pooling: Pooling | undefined): SessionModel {
    const most = this.limits.subscriptions;
    if (this.#models.size >= most) {
      throw new ProtocolError("subscription_limit_exceeded", `the session has ${most} models`);
    }
    if (pooling?.mode === "none") {
      const problem = 'the mode of a pooling is "none"';
      throw new ModelError("pooling_invalid", problem, "one vector for each text");
    }
    const opening = SharedEmbedders.of(this.engine).open(resolve(path), pooling);
    const model: SessionModel = { path, pooling: keyOf(pooling), opening, ...UNUSED };
    this.#models.set(id, model);
    opening.then(
      (shared) => {
        model.shared = shared;
        releaseUnused(model);
      },
      () => {
        if (this.#models.get(id) === model) this.#models.delete(id);
      },
    );
    return model;
  }

  /** Answers `embed` when the vectors are computed. */
  embed(request: number, message: MessageOf<"embed">): void {
    const { output, texts, refuse } = message;
    if (this.#embeddings.has(request)) {
      throw new ProtocolError("request_taken", `there is an embed ${request} already`);
    }
    if (output !== null) this.tensors.checkNew(output);
    try {
      const model = this.#find(message.model);
      const { embedder } = model.shared;
      const type = { dtype: "float32", shape: [texts.length, embedder.dimension] } as const;
      const embedding = this.#start(request, output, type);
      const { signal } = embedding.aborted;
      model.running++;
      embedder
        .embed(texts, { signal, tooLong: refuse ? "refuse" : "truncate" })
        .then(
          (vectors) => this.#done(embedding, type, vectors),
          (error) => this.#fail(embedding, error),
        )
        .finally(() => {
          model.running--;
          releaseUnused(model);
        });
    } catch (error) {
      noteRun(error, request);
      if (output !== null) this.tensors.defineFailed(output, error);
      throw error;
    }
  }

  /** @throws ProtocolError `model_unknown` */
  #find(id: number): OpenModel {
    const model = this.#models.get(id);
    if (isOpen(model)) return model;
    const why = model === undefined ? "it was closed, or never opened" : "it is not open yet";
    throw new ProtocolError("model_unknown", `there is no model ${id}: ${why}`);
  }

  #start(request: number, output: number | null, type: TensorType): Embedding {
    const giveUp = () => {
      const text = "the tensor was freed before its vectors were computed";
      this.#giveUp(embedding, new ProtocolError("tensor_freed", text));
    };
    const embedding: Embedding = {
      request,
      aborted: new AbortController(),
      filled: output === null ? undefined : this.tensors.allocate(output, type, giveUp),
    };
    this.#embeddings.set(request, embedding);
    return embedding;
  }

  #done(embedding: Embedding, type: TensorType, vectors: readonly Float32Array[]): void {
    const { request, filled } = embedding;
    if (this.#embeddings.get(request) !== embedding) return;
    const all = new Float32Array(filled?.buffer ?? new ArrayBuffer(byteLength(type)));
    vectors.forEach((vector, index) => {
      all.set(vector, index * vector.length);
    });
    this.#embeddings.delete(request);
    if (filled === undefined) {
      this.#answer(request, type, [new Uint8Array(all.buffer)]);
      return;
    }
    this.#finish(filled);
    this.#answer(request, type, []);
  }

  #answer(request: number, type: TensorType, attachments: readonly Uint8Array[]): void {
    const value = attachments.length === 0 ? null : 0;
    try {
      this.sender.ok<"embed">(request, { type: wireType(type), value }, attachments);
    } catch (error) {
      this.sender.error(request, error);
    }
  }

  #finish({ tensor, buffer }: AllocatedTensor, error?: unknown): void {
    this.engine.native.release(buffer);
    this.tensors.finish(tensor, error);
  }

  /** Ends an embedding before its time: its runs are cancelled. */
  #giveUp(embedding: Embedding, error: ProtocolError): void {
    this.#fail(embedding, error);
    embedding.aborted.abort(error);
  }

  #fail(embedding: Embedding, error: unknown): void {
    const { request, filled } = embedding;
    if (this.#embeddings.get(request) !== embedding) return;
    this.#embeddings.delete(request);
    if (filled !== undefined) this.#finish(filled, error);
    this.sender.error(request, error);
  }

  /** Takes `cancel`. */
  cancel(request: number, reason: string): void {
    const embedding = this.#embeddings.get(request);
    if (embedding !== undefined) this.#giveUp(embedding, new ProtocolError("cancelled", reason));
  }

  /** Takes `close_model`. */
  closeModel(id: number): void {
    const model = this.#models.get(id);
    if (model === undefined) return;
    this.#models.delete(id);
    model.closed = true;
    releaseUnused(model);
  }

  /** The session ends. */
  close(): void {
    const error = new ProtocolError("session_closed", "the session ended");
    for (const embedding of [...this.#embeddings.values()]) this.#giveUp(embedding, error);
    for (const id of [...this.#models.keys()]) this.closeModel(id);
  }
}

/** A model that is open. */
type OpenModel = SessionModel & { readonly shared: SharedEmbedder };

function isOpen(model: SessionModel | undefined): model is OpenModel {
  return model?.shared !== undefined;
}

/** Gives a model back whose name is gone, once it is open and none of its requests is under way. */
function releaseUnused({ closed, running, shared }: SessionModel): void {
  if (closed && running === 0) shared?.release();
}

const UNUSED = { shared: undefined, running: 0, closed: false };

function keyOf(pooling: Pooling | undefined): string {
  return JSON.stringify(pooling ?? null);
}

function isSame(model: SessionModel, path: string, pooling: Pooling | undefined): boolean {
  return model.path === path && model.pooling === keyOf(pooling);
}
