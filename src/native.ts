import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getHeapStatistics } from "node:v8";
import type { POLICIES } from "./contract/hooks.js";
import type { Attributes } from "./graph/graph.js";
import type { TensorType } from "./tensor/dtype.js";

/** A tensor of the engine, by number; never reused. */
export type ValueId = number;
/** A loaded program, by number; never reused. */
export type ProgramId = number;
/** A queue of runs, by number; runs of one queue happen in order. */
export type QueueId = number;
/** A run, by number; chosen by the caller, never reused. */
export type RunId = number;
/** A native subscription to nodes of programs, by number; never reused. */
export type SubscriptionId = number;
/** A credit budget, by number: the bytes of events that may be in flight to the subscriptions that share it. */
export type CreditBudgetId = number;

/** A node as the addon takes it: validated, with the types of its outputs. */
export interface NativeNode {
  readonly op: string;
  readonly inputs: readonly number[];
  readonly attributes: Attributes;
  readonly outputs: readonly TensorType[];
  /** Lets its values be watched, by its site. */
  readonly watchable: boolean;
}

/** A function as the addon takes it. */
export interface NativeFunction {
  readonly parameters: readonly TensorType[];
  readonly nodes: readonly NativeNode[];
  readonly results: readonly number[];
}

/** The part of a value that a subscriber gets. */
export type NativeView =
  | { readonly kind: "full" }
  | { readonly kind: "slice"; readonly start: readonly number[]; readonly size: readonly number[] }
  | { readonly kind: "summary"; readonly bins: number };

/** A policy, and the credit budget and view of a subscription. `argument` is the number of a policy that has one, else 0. */
export interface NativeSubscription {
  readonly budget: CreditBudgetId;
  readonly policy: keyof typeof POLICIES;
  readonly argument: number;
  readonly view: NativeView;
}

/** An error of the addon: `code` is stable; `site` is the number of the node at fault, where one is. */
export interface NativeError extends Error {
  readonly code: string;
  readonly site?: number;
}

/** What {@link NativeEngine.exportPrograms} rejects with: `trace` is the one at fault. */
export interface NativeExportError extends NativeError {
  readonly trace?: number;
}

/** The memory of a tensor, as it lies. */
export interface NativeLayout {
  readonly memory: ArrayBuffer;
  readonly address: bigint;
  readonly offset: number;
  readonly strides: readonly number[];
}

/** Bytes, as MLX counts them. */
export interface NativeMemory {
  readonly active: number;
  readonly peak: number;
  readonly cache: number;
  readonly limit: number;
}

/** Versions and devices of the native part. */
export interface NativeVersions {
  readonly mlx: string;
  readonly blas: string;
  /** The instruction set of the kernels that compute on the CPU: `v2`, `v3` or `v4` (x86-64), `neon`, or `mlx` for MLX's own; what is wrong with `DAVIT_KERNELS`. */
  readonly kernels: string;
  readonly devices: readonly ("cpu" | "gpu")[];
}

/** One engine. Everything here returns at once; what happens later comes through `onBatch`. */
export interface NativeEngine {
  /** Takes a validated program; function 0 is the entry. A constant node holds `data` (bytes) or `value` (a {@link ValueId}). */
  loadProgram(functions: readonly NativeFunction[]): ProgramId;
  unloadProgram(program: ProgramId): void;

  /**
   * Writes loaded programs to a .mlxfn file, as the traces of one function; the last parameters of each are given by keywords. The tensors that
   * they have bound must be ready. Rejects with a {@link NativeExportError}; the file is not whole then.
   */
  exportPrograms(
    path: string,
    traces: readonly { readonly program: ProgramId; readonly keywords: readonly string[] }[],
    options: { readonly metadata: string; readonly shapeless: boolean },
  ): Promise<void>;

  createQueue(): QueueId;
  closeQueue(queue: QueueId): void;

  /** Copies bytes into a new tensor that is ready at once. */
  put(type: TensorType, bytes: Uint8Array): ValueId;
  /** A new tensor to be filled through `bytes` and then published; until then it is pending. */
  allocate(type: TensorType): { value: ValueId; bytes: ArrayBuffer };
  publish(value: ValueId): void;
  /** Marks a pending tensor as failed, and what depends on it. */
  fail(value: ValueId, code: string, message: string): void;
  /** A tensor's type, known from the start. */
  typeOf(value: ValueId): TensorType;
  /** The bytes of a ready tensor, row by row, without a copy where its memory has no gaps. Keeps the memory alive. */
  read(value: ValueId): ArrayBuffer;
  /**
   * The memory of a ready tensor that nobody else has, to be written to. `known` is what an earlier call, or `read`, returned for it, which is
   * returned again where it is over this memory. Throws `tensor_shared` where others have the memory.
   */
  writable(value: ValueId, known: ArrayBuffer | undefined): ArrayBuffer;
  /** The memory of a ready tensor as it lies: the buffer that has it and its address, the offset of the first element in bytes, strides in elements. */
  layout(value: ValueId): NativeLayout;
  /** Ends a buffer of `read` or `allocate`: its memory is freed now, and not only when it is collected as garbage. */
  release(buffer: ArrayBufferLike): void;
  /** Binds a tensor to an object, which V8 is told the weight of: the tensor is freed when the object is garbage. */
  hold(object: object, value: ValueId): void;
  free(value: ValueId): void;
  /** Another name for a tensor. */
  share(value: ValueId): ValueId;
  /** A tensor that the first run or read that needs it reads from a file. */
  fileValue(path: string, offset: number, type: TensorType): ValueId;

  /**
   * Queues a run; its outputs are pending tensors that later runs may take at once. `subscriptions` holds
   * those of this run alone, as a flat list: site, subscription, site, subscription, … An input may be the
   * bytes of a tensor of the parameter's type, which are copied. Inputs that are `donated` are freed: where nothing else
   * has them, their memory may become that of a result.
   */
  run(
    run: RunId,
    program: ProgramId,
    queue: QueueId,
    inputs: readonly (ValueId | Uint8Array)[],
    subscriptions?: readonly number[],
    donated?: readonly ValueId[],
  ): ValueId[];
  /**
   * The results of a small program without control flow, if it can be run at once, on this thread: it has no subscriptions,
   * the queue is empty and the inputs are there. Nothing is told of it through `onBatch`. Undefined where it has to be
   * queued. Throws the error that makes the run fail, with the `site` of the node at fault.
   */
  runHere(
    program: ProgramId,
    queue: QueueId,
    inputs: readonly (ValueId | Uint8Array)[],
  ): ArrayBuffer[] | undefined;
  /** As {@link NativeEngine.runHere}; the results are new tensors. */
  makeHere(
    program: ProgramId,
    queue: QueueId,
    inputs: readonly (ValueId | Uint8Array)[],
  ): ValueId[] | undefined;
  /**
   * Hands over a batch. To be called after `run`, once the caller knows about the run, since small runs are done
   * before `run` returns and wake nobody; after `reply`, for the same reason; and after `onMore`.
   */
  poll(): void;
  /** Ends a run at its next checkpoint; it fails with `code`. Unknown and finished runs are ignored. */
  cancel(run: RunId, code: string, message: string): void;
  /** Answers a callback with tensors, or with the bytes of tensors of the types that it declares. */
  reply(run: RunId, callback: number, values: readonly (ValueId | Uint8Array)[]): void;
  /** Answers a callback with an error. */
  replyError(run: RunId, callback: number, code: string, message: string): void;

  /** Makes a budget of so many bytes for events in flight. An event costs its bytes, but at least `leastBytes`. */
  createCreditBudget(bytes: number, leastBytes: number): CreditBudgetId;
  closeCreditBudget(budget: CreditBudgetId): void;
  /** Gives back bytes of events that were consumed. */
  credit(budget: CreditBudgetId, bytes: number): void;
  createSubscription(subscription: NativeSubscription): SubscriptionId;
  /** Takes effect at once: nothing is emitted for it after this returns. */
  closeSubscription(subscription: SubscriptionId): void;
  /**
   * Sets the sites of a program that a subscription is for, all at once; an empty list takes the program out. Takes
   * effect at the next segment.
   */
  subscribe(program: ProgramId, subscription: SubscriptionId, sites: readonly number[]): void;

  /** The tensors that are bound to objects, see {@link NativeEngine.hold}. */
  handles(): Float64Array;
  /** The bytes of the buffers that tensors, and the constants of programs, have in memory; a buffer counts once. Unknown tensors are passed over. */
  heldBytes(values: Float64Array, programs: readonly ProgramId[]): number;
  memory(): NativeMemory;
  counters(): Readonly<Record<string, number>>;
  /** Sets whether the process stays alive for the engine's runs; false at first. */
  setAlive(alive: boolean): void;
  /** Ends the engine's threads, for when no run is under way. Tensors can still be read and freed. */
  close(): void;
}

/**
 * A batch of what happened, in order. See `src/engine/batch.ts` for the layout of the first `count` words, which are
 * the next batch's once this one is taken.
 */
export type NativeBatch = readonly [
  words: Float64Array,
  count: number,
  bytes?: ArrayBuffer,
  blobs?: readonly ArrayBuffer[],
  texts?: readonly string[],
];

/** Options of an engine, with their defaults in `src/engine/options.ts`. */
export interface NativeOptions {
  readonly lanes: number;
  readonly memoryLimit: number;
  readonly cacheLimit: number;
  readonly device: "cpu" | "gpu";
  readonly onBatch: (...batch: NativeBatch) => void;
  /** There is more to hand over than one batch: {@link NativeEngine.poll} is to be called in a later turn of the event loop. */
  readonly onMore: () => void;
}

/** The addon. */
export interface Native {
  versions(): NativeVersions;
  /** The types of an op's outputs, asked of MLX. Throws a {@link NativeError}. Computes nothing. */
  inferTypes(
    op: string,
    inputs: readonly (TensorType | null)[],
    attributes: Attributes,
  ): TensorType[];
  /** Names of all ops that the native table lowers. */
  opNames(): string[];
  /** Returns the checks of buffers (`DAVIT_GUARD_PAGES`, `DAVIT_POISON`), found by allocating; for tests. */
  allocationChecks(): { readonly guardPages: boolean; readonly poison: number | null };
  /**
   * Ends the process some milliseconds after the other end of a descriptor was closed, unless it ended before;
   * also while this thread is busy.
   */
  exitOnHangUp(descriptor: number, milliseconds: number): void;
  /**
   * Sets the functions that the collector calls: `heapBytes` returns the bytes of JavaScript's heap, and `later`, which calls back when the event
   * loop has turned, by when the memory of collected buffers was given back.
   */
  setUpCollector(heapBytes: () => number, later: (done: () => void) => void): void;
  /** Whether this runtime allows buffers over the engine's memory. */
  externalBuffers(): boolean;
  /** Has V8 collect all garbage now, and frees the tensors that it held. */
  collect(): void;
  /** Bytes that JavaScript objects hold of the engine's memory, those of them that V8 was told of, and collections so far. */
  collectorState(): { held: number; external: number; collections: number };
  Engine: new (options: NativeOptions) => NativeEngine;
}

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The path of the addon; `DAVIT_ADDON` names another. */
export const addonPath = process.env.DAVIT_ADDON ?? join(root, "build", "Release", "davit.node");

/** The program of `src/server/guard.ts`, built with the addon. */
export const guardPath = join(dirname(addonPath), "davit-guard");

let loaded: Native | undefined;

/**
 * Loads the addon, once.
 * @throws Error that says how to build it where it is missing or does not load.
 */
export function native(): Native {
  if (loaded === undefined) {
    if (!existsSync(addonPath)) {
      throw new Error(`Davit's addon is not built: ${addonPath} is missing. Run "npm run setup".`);
    }
    try {
      loaded = createRequire(import.meta.url)(addonPath) as Native;
      setUpCollector(loaded);
    } catch (cause) {
      throw new Error(`Davit's addon at ${addonPath} does not load. Run "npm run setup".`, {
        cause,
      });
    }
  }
  return loaded;
}

/** Asks MLX for the types of an op's outputs, as {@link Native.inferTypes}. They are the same on every device. */
export function inferTypes(
  op: string,
  inputs: readonly (TensorType | null)[],
  attributes: Attributes,
): TensorType[] {
  return native().inferTypes(op, inputs, attributes);
}

function setUpCollector(addon: Native): void {
  const later = (done: () => void) => {
    setImmediate(() => {
      // V8 is done with the buffers of one collection when the next begins; they are given back in the turn after.
      addon.collect();
      setImmediate(() => setImmediate(done));
    });
  };
  addon.setUpCollector(() => getHeapStatistics().used_heap_size, later);
}
