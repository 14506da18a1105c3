import type { Engine } from "../engine/engine.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";
import { noteRun, ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { ModelUse, SessionModels } from "./models.js";
import type { Sender } from "./sender.js";
import type { AllocatedTensor, SessionTensors } from "./tensors.js";
import { wireType } from "./wire.js";

/** An `embed` that has no answer. */
interface Embedding {
  readonly request: number;
  readonly aborted: AbortController;
  /** The tensor that it fills, where the vectors do not come with the answer. */
  readonly filled: AllocatedTensor | undefined;
}

/** The vectors that a session waits for. */
export class SessionEmbeddings {
  readonly #embeddings = new Map<number, Embedding>();

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly models: SessionModels,
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#embeddings.size;
  }

  /** Answers `embed` when the vectors are computed. */
  embed(request: number, message: MessageOf<"embed">): void {
    const { output, texts, refuse } = message;
    if (this.#embeddings.has(request)) {
      throw new ProtocolError("request_taken", `there is an embed ${request} already`);
    }
    if (output !== null) this.tensors.checkNew(output);
    let use: ModelUse<"embedding"> | undefined;
    try {
      use = this.models.use(message.model, "embedding");
      const { model, over } = use;
      const type = { dtype: "float32", shape: [texts.length, model.dimension] } as const;
      const embedding = this.#start(request, output, type);
      const { signal } = embedding.aborted;
      model
        .embed(texts, { signal, tooLong: refuse ? "refuse" : "truncate" })
        .then(
          (vectors) => this.#done(embedding, type, vectors),
          (error) => this.#fail(embedding, error),
        )
        .finally(over);
    } catch (error) {
      use?.over();
      noteRun(error, request);
      if (output !== null) this.tensors.defineFailed(output, error);
      throw error;
    }
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

  /** The session ends. */
  closeAll(): void {
    const error = new ProtocolError("session_closed", "the session ended");
    for (const embedding of [...this.#embeddings.values()]) this.#giveUp(embedding, error);
  }
}
