export { type AttachedEngine, attach, type RemoteRecording } from "./attach/attach.js";
export {
  type EngineInfo,
  type EngineUsage,
  listEngines,
  type SessionUsage,
} from "./attach/engines.js";
export type { RemoteSubscription } from "./client/client.js";
export type { RemoteMatch } from "./client/wire.js";
export type { Argument } from "./engine/arguments.js";
export type { GraphTensors } from "./engine/constants.js";
export { Engine } from "./engine/engine.js";
export { type ExportedGraph, type ExportOptions, exportGraph } from "./engine/export.js";
export type { Fold } from "./engine/fold.js";
export type { JitOptions, Jitted, Result } from "./engine/jit.js";
export type { JitStore } from "./engine/jit-store.js";
export type { EngineMemory, MemoryOwner } from "./engine/memory.js";
export type { EngineOptions } from "./engine/options.js";
export type { Program } from "./engine/program.js";
export type { ProgramCounts } from "./engine/program-cache.js";
export type { ApplyOptions, HeldState, State, StepResult } from "./engine/state.js";
export type { ProgramRun, ProgramRunOptions } from "./engine/tensor-run.js";
export { DavitError } from "./error.js";
export {
  type FileArray,
  type FileRange,
  type Gguf,
  type GgufKind,
  type GgufPart,
  type GgufSource,
  type GgufTensor,
  type GgufValue,
  type Members,
  openGguf,
  openSafetensors,
  readGgufTensor,
  readSafetensor,
  readTensors,
  type Safetensors,
  type SafetensorsOptions,
  writeTensors,
} from "./files/index.js";
export { decodeGraph, encodeGraph, graphHash } from "./graph/encoding/canonical.js";
export type { Graph, GraphFunction, GraphNode } from "./graph/graph.js";
export type { Event, EventHandler, Summary } from "./hooks/event.js";
export type { Match } from "./hooks/match.js";
export type { Policy, SubscriptionOptions, View } from "./hooks/policy.js";
export type { Subscription } from "./hooks/subscription.js";
export * from "./mlxfn/index.js";
export * from "./models/index.js";
export { Tensor } from "./native-tensor.js";
export * from "./record/index.js";
export type { TensorMemory } from "./tensor/dlpack.js";
export type { Dtype, TensorType } from "./tensor/dtype.js";
export type { NestedArray, TensorLike, TypedArray } from "./tensor/values.js";
export type { ReadonlyTypedArray } from "./tensor/view.js";
export * from "./trace/index.js";
