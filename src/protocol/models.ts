import { resolve } from "node:path";
import type { Engine } from "../engine/engine.js";
import type { Pooling } from "../models/embedder/pooling.js";
import { ModelError } from "../models/error.js";
import { type AnyModel, type SharedModel, SharedModels } from "../models/shared.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { ResultOf } from "./results.js";
import type { Sender } from "./sender.js";

/** A model that a client named. */
interface SessionModel {
  readonly path: string;
  readonly pooling: string;
  readonly opening: Promise<SharedModel>;
  /** There once it is open. */
  shared: SharedModel | undefined;
  /** Its requests and generations that are not over. */
  running: number;
  /** Its name is gone. */
  closed: boolean;
}

/** A model in use, by a request or a generation. */
export interface ModelUse<Kind extends AnyModel["kind"]> {
  readonly model: Extract<AnyModel, { readonly kind: Kind }>["model"];
  /** Ends the use. A model whose name is gone is closed with the last one. */
  over(): void;
}

/** The models of one session, by the ids that its client chose. The engine's sessions share their weights. */
export class SessionModels {
  readonly #models = new Map<number, SessionModel>();

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly limits: { readonly subscriptions: number },
  ) {}

  /** The paths of those that are open. */
  get paths(): string[] {
    const open = [...this.#models.values()].filter(({ shared }) => shared !== undefined);
    return open.map(({ path }) => resolve(path));
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
      (shared) => this.sender.ok<"open_model">(request, describe(shared)),
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
    const opening = SharedModels.of(this.engine).open(resolve(path), pooling);
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

  /** Begins to use a model. @throws ProtocolError `model_unknown`; ModelError `model_unsupported` for one of another kind */
  use<Kind extends AnyModel["kind"]>(id: number, kind: Kind): ModelUse<Kind> {
    const model = this.#models.get(id);
    if (model?.shared === undefined) {
      const why = model === undefined ? "it was closed, or never opened" : "it is not open yet";
      throw new ProtocolError("model_unknown", `there is no model ${id}: ${why}`);
    }
    if (model.shared.kind !== kind) {
      const problem = `${model.path} is ${KINDS[model.shared.kind]}`;
      throw new ModelError("model_unsupported", problem, KINDS[kind]);
    }
    model.running++;
    let used = true;
    const over = () => {
      if (used) model.running--;
      used = false;
      releaseUnused(model);
    };
    return { model: model.shared.model as ModelUse<Kind>["model"], over };
  }

  /** Takes `close_model`. */
  close(id: number): void {
    const model = this.#models.get(id);
    if (model === undefined) return;
    this.#models.delete(id);
    model.closed = true;
    releaseUnused(model);
  }

  /** The session ends. */
  closeAll(): void {
    for (const id of [...this.#models.keys()]) this.close(id);
  }
}

const KINDS = { embedding: "an embedding model", language: "a language model" };

function describe(shared: SharedModel): ResultOf<"open_model"> {
  if (shared.kind === "language") {
    const { byteLength: bytes, config } = shared.model.model;
    const { vocabulary, contextLength: context } = config;
    return { kind: "language", vocabulary, context, bytes };
  }
  const { dimension, tokenizer, pooling, model } = shared.model;
  const { longest } = tokenizer;
  return { kind: "embedding", dimension, longest, pooling, bytes: model.byteLength };
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
