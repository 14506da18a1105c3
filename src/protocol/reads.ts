import type { NativeEngine } from "../native.js";
import { byteLength, type TensorType } from "../tensor/dtype.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";
import type { SessionTensor, SessionTensors } from "./tensors.js";
import type { Transfers } from "./transfers.js";
import { wireType } from "./wire.js";

/** A `get` that has not been answered, or whose bytes have not been sent. */
interface Read {
  readonly request: number;
  readonly tensor: SessionTensor;
  readonly bulk: boolean;
  /** Called when the tensor is settled. */
  readonly whenReady: () => void;
  /** The transfer that it was answered with. */
  transfer: number | undefined;
}

/** The reads of one session's client. */
export class SessionReads {
  readonly #reads = new Map<number, Read>();
  #waiting = 0;

  constructor(
    private readonly native: NativeEngine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly transfers: Transfers,
    private readonly limits: { readonly maxFrameBytes: number },
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Answers `get`, once the tensor is ready. */
  get(request: number, { tensor: id, bulk }: MessageOf<"get">): void {
    if (this.#reads.has(request)) {
      throw new ProtocolError("request_taken", `there is a get ${request} already`);
    }
    const tensor = this.tensors.find(id);
    const answer = () => this.#answer(read);
    const whenReady = () => (this.sender.ready ? answer() : this.sender.whenReady(answer));
    const read: Read = { request, tensor, bulk, whenReady, transfer: undefined };
    this.#reads.set(request, read);
    tensor.pins++;
    this.#waiting++;
    if (tensor.pending) this.tensors.whenSettled(tensor, whenReady);
    else whenReady();
  }

  /** Takes `cancel`: a read that has no answer gets an error, and bytes that have not begun to leave are not sent. */
  cancel(request: number, reason: string): void {
    const read = this.#reads.get(request);
    if (read === undefined) return;
    if (read.transfer !== undefined) {
      this.transfers.cancel(read.transfer);
      return;
    }
    read.tensor.waiting?.delete(read.whenReady);
    this.sender.error(request, new ProtocolError("cancelled", reason));
    this.#end(read);
  }

  #answer(read: Read): void {
    // It may have been cancelled while it waited for its turn.
    if (this.#reads.get(read.request) !== read) return;
    try {
      if (!this.sender.ended) this.#sendValue(read);
    } catch (error) {
      this.sender.error(read.request, error);
    }
    if (read.transfer === undefined) this.#end(read);
    else this.#answered(read);
  }

  #sendValue(read: Read): void {
    const { request, tensor, bulk } = read;
    if (tensor.error !== undefined) throw tensor.error;
    const type = tensor.type as TensorType;
    const length = byteLength(type);
    if (!bulk && length > this.limits.maxFrameBytes / 2) {
      throw new ProtocolError(
        "value_too_large",
        `a tensor of ${length} bytes does not fit in a frame; expected get with {bulk: true}`,
        "{bulk: true}",
      );
    }
    const buffer = this.native.read(tensor.value);
    const bytes = new Uint8Array(buffer);
    if (!bulk) {
      this.sender.ok<"get">(request, { type: wireType(type), value: 0 }, [bytes]);
      return;
    }
    read.transfer = this.transfers.send(bytes, () => {
      this.native.release(buffer);
      this.#reads.delete(request);
    });
    this.sender.ok<"get">(request, {
      type: wireType(type),
      transfer: read.transfer,
      bytes: length,
    });
  }

  #end(read: Read): void {
    this.#reads.delete(read.request);
    this.#answered(read);
  }

  #answered(read: Read): void {
    this.#waiting--;
    this.tensors.unpin(read.tensor);
  }
}
