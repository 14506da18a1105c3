import type { NativeEngine } from "../native.js";
import { byteLength, formatType, type TensorType } from "../tensor/dtype.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { Sender } from "./sender.js";
import { type AllocatedTensor, SessionTensor, type SessionTensors } from "./tensors.js";
import type { Transfers } from "./transfers.js";

/** A `put` whose bytes have not all come; they are read into the tensor's memory. */
interface Arrival extends AllocatedTensor {
  readonly request: number;
  readonly transfer: number;
}

/** The tensors of one session whose bytes come over the bulk socket. */
export class SessionArrivals {
  readonly #arrivals = new Map<number, Arrival>();

  constructor(
    private readonly native: NativeEngine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly transfers: Transfers,
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#arrivals.size;
  }

  /** Takes `put`: the bytes came with it, or a transfer brings them. */
  put(request: number, { tensor: id, tensorType: type, source }: MessageOf<"put">): void {
    this.tensors.make(id, () => {
      if ("transfer" in source) {
        this.receive(request, id, type, source.transfer);
      } else {
        this.tensors.admit(byteLength(type));
        const value = this.native.put(type, source.bytes);
        this.tensors.define(id, new SessionTensor(value, type, false));
        this.sender.ok<"put">(request, null);
      }
    });
  }

  /** Names a tensor that a transfer brings; `request` is answered when the bytes are there. */
  receive(request: number, id: number, type: TensorType, transfer: number): void {
    if (this.#arrivals.has(request)) {
      throw new ProtocolError("request_taken", `there is a put ${request} already`);
    }
    this.transfers.checkNew(transfer);
    const giveUp = () => this.#giveUp(arrival, freedTooSoon(type));
    const arrival: Arrival = { request, transfer, ...this.tensors.allocate(id, type, giveUp) };
    const { buffer } = arrival;
    this.#arrivals.set(request, arrival);
    this.transfers.receive(transfer, new Uint8Array(buffer), (error) => {
      // Its memory would otherwise stay until JavaScript collects garbage, which an idle engine never does.
      this.native.release(buffer);
      this.#end(arrival, error);
    });
  }

  /** Takes `cancel`: the tensor fails, and what depends on it. */
  cancel(request: number, reason: string): void {
    const arrival = this.#arrivals.get(request);
    if (arrival !== undefined) this.#giveUp(arrival, new ProtocolError("cancelled", reason));
  }

  /** Ends an arrival before its bytes came. The memory of one whose bytes are coming is read into until they are all there. */
  #giveUp(arrival: Arrival, error: ProtocolError): void {
    if (this.transfers.discard(arrival.transfer)) this.native.release(arrival.buffer);
    this.#end(arrival, error);
  }

  #end(arrival: Arrival, error: ProtocolError | undefined): void {
    const { request, tensor } = arrival;
    if (!this.#arrivals.delete(request)) return;
    this.tensors.finish(tensor, error);
    if (error === undefined) this.sender.ok<"put">(request, null);
    else this.sender.error(request, error);
  }
}

function freedTooSoon(type: TensorType): ProtocolError {
  return new ProtocolError(
    "tensor_freed",
    `the tensor ${formatType(type)} was freed before its bytes came`,
  );
}
