import type { WireType } from "../contract/engine-messages.js";
import type { Pooling } from "../models/index.js";
import type { helloAnswer, infoAnswer } from "./introduction.js";
import type { MessageName } from "./message.js";
import type { WireSites } from "./wire.js";

/** The results of requests, by the types of their messages. Those that are not here have the result nil. */
interface Results {
  hello: ReturnType<typeof helloAnswer>;
  info: ReturnType<typeof infoAnswer>;
  load: WireSites & {
    readonly hash: string;
    readonly inputs: readonly WireType[];
    readonly outputs: readonly WireType[];
    readonly input_names?: readonly string[] | undefined;
  };
  open_file: Readonly<Record<string, WireType>>;
  run: {
    readonly outputs: readonly WireType[];
    /** Indexes of attachments. */
    readonly values: readonly (number | null)[];
  };
  get: { readonly type: WireType } & (
    | { /** The index of an attachment. */ readonly value: number }
    | { readonly transfer: number; readonly bytes: number }
  );
  open_model: {
    readonly dimension: number;
    readonly longest: number;
    readonly pooling: Pooling;
    readonly bytes: number;
  };
  embed: {
    readonly type: WireType /** The index of an attachment. */;
    readonly value: number | null;
  };
  stop_recording: { readonly events: number };
  stop_replay: { readonly answered: number };
}

/** The result of a request. */
export type ResultOf<Name extends MessageName> = Name extends keyof Results ? Results[Name] : null;
