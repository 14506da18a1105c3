import { ProtocolError } from "./error.js";

/** The memory for the bytes of a transfer, and a function to call when they are there or will not come. */
export interface Receipt {
  readonly length: number;
  /** Undefined where nobody wants the bytes any more: they are thrown away. */
  readonly target: Uint8Array | undefined;
  readonly done: (error?: ProtocolError) => void;
}

/** Bytes on their way to the client. */
export interface Parcel {
  readonly transfer: number;
  readonly bytes: Uint8Array;
  /** Called when the bytes have left, or never will. */
  readonly sent: () => void;
}

const NONE = new Uint8Array(0);

/** The connection that carries a session's transfers now. */
export interface Carrier {
  /** There is something to send. */
  wakeSender(): void;
  /** A transfer has been named. */
  wakeReceiver(): void;
  destroy(): void;
}

/** The transfers of one session over the bulk socket: named on the one side, carried on the other, in any order. */
export class Transfers {
  readonly #expected = new Map<number, Receipt>();
  /** The transfers whose bytes are coming in. */
  readonly #incoming = new Map<number, Receipt>();
  /** The transfers that have not begun to leave, in order. */
  readonly #parcels = new Map<number, Parcel>();
  #discarded = 0;
  #carrier: Carrier | undefined;
  #next = 1;
  #closed = false;

  /** Transfers that nobody waits for and that are not over: bytes to be sent, and bytes to be thrown away. */
  get open(): number {
    return this.#parcels.size + this.#discarded;
  }

  /** @throws ProtocolError `transfer_taken` */
  checkNew(transfer: number): void {
    if (!this.#expected.has(transfer) && !this.#incoming.has(transfer)) return;
    throw new ProtocolError(
      "transfer_taken",
      `there is a transfer ${transfer} already`,
      "a new number",
    );
  }

  /** Names a transfer that the client sends. */
  receive(transfer: number, target: Uint8Array, done: Receipt["done"]): void {
    this.#expected.set(transfer, { length: target.length, target, done });
    this.#carrier?.wakeReceiver();
  }

  /**
   * Gives up a transfer of the client: its bytes are thrown away when they come, and `done` is not called. False where
   * they have begun to come, and go where they were to go.
   */
  discard(transfer: number): boolean {
    const receipt = this.#expected.get(transfer);
    if (receipt === undefined) return false;
    this.#discarded++;
    const done = () => {
      this.#discarded--;
    };
    this.#expected.set(transfer, { length: receipt.length, target: undefined, done });
    return true;
  }

  /** Names a transfer to the client, and sends it when it is its turn. */
  send(bytes: Uint8Array, sent: () => void): number {
    const transfer = this.#next++;
    this.#parcels.set(transfer, { transfer, bytes, sent });
    this.#carrier?.wakeSender();
    return transfer;
  }

  /** Sends no bytes for a transfer, but an empty one. Nothing happens where its bytes have begun to leave. */
  cancel(transfer: number): void {
    const parcel = this.#parcels.get(transfer);
    if (parcel === undefined) return;
    this.#parcels.set(transfer, { transfer, bytes: NONE, sent: () => {} });
    parcel.sent();
  }

  /** A connection takes over; the one before it ends, and what was under way on it. */
  attach(carrier: Carrier): void {
    if (this.#closed) {
      carrier.destroy();
      return;
    }
    const before = this.#carrier;
    this.#carrier = carrier;
    before?.destroy();
    carrier.wakeSender();
  }

  /** A connection ended. */
  detach(carrier: Carrier): void {
    if (this.#carrier === carrier) this.#carrier = undefined;
  }

  /** For the carrier: the transfer whose bytes come next; undefined until it is named. */
  begin(transfer: number): Receipt | undefined {
    const receipt = this.#expected.get(transfer);
    if (receipt === undefined) return undefined;
    this.#expected.delete(transfer);
    this.#incoming.set(transfer, receipt);
    return receipt;
  }

  /** For the carrier: a begun transfer is complete, or will never be. */
  end(transfer: number, error?: ProtocolError): void {
    const receipt = this.#incoming.get(transfer);
    this.#incoming.delete(transfer);
    receipt?.done(error);
  }

  /** For the carrier: what to send next. */
  nextParcel(): Parcel | undefined {
    const [parcel] = this.#parcels.values();
    if (parcel !== undefined) this.#parcels.delete(parcel.transfer);
    return parcel;
  }

  /** The session ends. */
  close(): void {
    this.#closed = true;
    this.#carrier?.destroy();
    for (const { sent } of this.#parcels.values()) sent();
    this.#parcels.clear();
    const error = new ProtocolError("session_closed", "the session ended before the transfer came");
    for (const receipt of [...this.#expected.values(), ...this.#incoming.values()]) {
      receipt.done(error);
    }
    this.#expected.clear();
    this.#incoming.clear();
  }
}
