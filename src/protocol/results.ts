import type { WireType } from "../contract/engine-messages.js";
import type { Pooling } from "../models/index.js";
import type { helloAnswer, infoAnswer, memoryAnswer } from "./introduction.js";
import type { MessageName } from "./message.js";
import type { WireSites } from "./wire.js";

/** What a model is. */
type OpenedModel =
  | {
      readonly kind: "embedding";
      readonly dimension: number;
      readonly longest: number;
      readonly pooling: Pooling;
      readonly bytes: number;
    }
  | {
      readonly kind: "language";
      readonly vocabulary: number;
      readonly context: number;
      readonly bytes: number;
    };

/** A token of a generation, or its end. */
export interface NextToken {
  readonly token: number | null;
  readonly text: string;
  readonly end: {
    readonly reason: string;
    readonly prompt_ids: readonly number[];
    readonly prefill_ms: number;
    readonly decode_ms: number;
  } | null;
}

/** The results of requests, by the types of their messages. Those that are not here have the result nil. */
interface Results {
  keep: boolean;
  load_kept: Results["load"] & {
    /** The index of an attachment. */
    readonly graph: number;
    /** The index of an attachment. */
    readonly note: number;
  };
  hello: ReturnType<typeof helloAnswer>;
  info: ReturnType<typeof infoAnswer>;
  memory: ReturnType<typeof memoryAnswer>;
  load: WireSites & {
    readonly hash: string;
    readonly inputs: readonly WireType[];
    readonly outputs: readonly WireType[];
    readonly input_names?: readonly string[] | undefined;
  };
  open_file: Readonly<Record<string, WireType>>;
  open_function: {
    readonly version: string;
    readonly shapeless: boolean;
    readonly metadata: string;
    readonly traces: readonly {
      readonly inputs: readonly WireType[];
      readonly keywords: readonly string[];
      readonly results: readonly WireType[];
      readonly constants: readonly string[];
    }[];
  };
  export_function: { readonly hooks_left_out: number };
  run: {
    readonly outputs: readonly WireType[];
    /** Indexes of attachments. */
    readonly values: readonly (number | null)[];
  };
  get: { readonly type: WireType } & (
    | { /** The index of an attachment. */ readonly value: number }
    | { readonly transfer: number; readonly bytes: number }
  );
  open_model: OpenedModel;
  embed: {
    readonly type: WireType /** The index of an attachment. */;
    readonly value: number | null;
  };
  generate: NextToken;
  next_token: NextToken;
  snapshot: { readonly tokens: number };
  stop_recording: { readonly events: number };
  stop_replay: { readonly answered: number };
}

/** The result of a request. */
export type ResultOf<Name extends MessageName> = Name extends keyof Results ? Results[Name] : null;
