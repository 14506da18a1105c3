import { Socket } from "node:net";
import { ProtocolError } from "./error.js";
import type { Carrier, Receipt, Transfers } from "./transfers.js";

const HEADER_BYTES = 16;
/** The number of the empty transfer that a connection begins with. */
const GREETING = 0;
/** Bytes that nobody wants are read so many at a time. */
const WASTE_BYTES = 256 * 1024;
/** The time that a connection may take to show its token, in milliseconds. */
const TOKEN_TIMEOUT = 10_000;

/** The parts of a listener that its connections need. */
export interface BulkHost {
  readonly tokenBytes: number;
  readonly session: (token: Buffer) => Transfers | undefined;
  readonly closed: () => void;
}

/**
 * One connection of the bulk socket. Bytes are read from the system straight into the engine's
 * memory, and written straight from it.
 */
export class BulkConnection implements Carrier {
  readonly #host: BulkHost;
  readonly #socket: Socket;
  /** For tokens and headers, and for the first bytes of a transfer that has no name yet. */
  readonly #scratch: Buffer;
  #filled = 0;
  #transfers: Transfers | undefined;
  /** The transfer whose header came last. */
  #coming: { readonly transfer: number; readonly length: number } | undefined;
  #receipt: Receipt | undefined;
  #received = 0;
  /** Memory for bytes that are thrown away; made when the first come. */
  #waste: Buffer | undefined;
  /** The first bytes of the transfer come into the scratch, as it had no name when reading stopped. */
  #early = false;
  #sending = false;

  constructor(accepted: Socket, host: BulkHost) {
    this.#host = host;
    this.#scratch = Buffer.alloc(Math.max(HEADER_BYTES, host.tokenBytes));
    this.#socket = readInto(
      accepted,
      () => this.#target(),
      (count) => this.#read(count),
    );
    this.#socket.setTimeout(TOKEN_TIMEOUT, () => {
      if (this.#transfers === undefined) this.destroy();
    });
    this.#socket.on("error", () => this.destroy());
    this.#socket.on("end", () => this.destroy());
    this.#socket.on("close", () => this.#closed());
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Sends what waits, one transfer after the other. */
  wakeSender(): void {
    if (this.#sending || this.#socket.destroyed) return;
    const parcel = this.#transfers?.nextParcel();
    if (parcel === undefined) return;
    this.#sending = true;
    this.#socket.cork();
    this.#socket.write(header(parcel.transfer, parcel.bytes.length));
    this.#socket.write(parcel.bytes, () => {
      parcel.sent();
      this.#sending = false;
      this.wakeSender();
    });
    this.#socket.uncork();
  }

  /** Goes on where the named transfer is the one that waits here. */
  wakeReceiver(): void {
    if (this.#coming !== undefined && this.#receipt === undefined && this.#begin()) {
      this.#socket.resume();
    }
  }

  /** Memory for the next bytes from the system. */
  #target(): Uint8Array {
    if (this.#receipt !== undefined) return this.#rest(this.#receipt);
    if (this.#coming !== undefined && this.#coming.length > 0) {
      this.#early = true;
      return this.#scratch.subarray(0, Math.min(this.#scratch.length, this.#coming.length));
    }
    return this.#scratch.subarray(this.#filled, this.#wanted());
  }

  #rest({ target, length }: Receipt): Uint8Array {
    if (target !== undefined) return target.subarray(this.#received);
    this.#waste ??= Buffer.allocUnsafeSlow(WASTE_BYTES);
    return this.#waste.subarray(0, Math.min(WASTE_BYTES, length - this.#received));
  }

  #wanted(): number {
    return this.#transfers === undefined ? this.#host.tokenBytes : HEADER_BYTES;
  }

  /** Takes `count` bytes that were read into `#target()`; false stops reading. */
  #read(count: number): boolean {
    if (this.#receipt !== undefined) {
      if (this.#early) this.#receipt.target?.set(this.#scratch.subarray(0, count));
      this.#early = false;
      this.#received += count;
      if (this.#received === this.#receipt.length) this.#finish();
      return true;
    }
    this.#filled += count;
    if (this.#filled < this.#wanted()) return true;
    this.#filled = 0;
    if (this.#transfers === undefined) return this.#admit();
    return this.#open();
  }

  #admit(): boolean {
    const transfers = this.#host.session(this.#scratch.subarray(0, this.#host.tokenBytes));
    if (transfers === undefined) {
      this.destroy();
      return false;
    }
    this.#socket.setTimeout(0);
    this.#transfers = transfers;
    // Tells the client that transfers go over this connection from now on: until it knows, what it asks for may be sent
    // over the connection before, whose end may not have been noticed here.
    this.#socket.write(header(GREETING, 0));
    transfers.attach(this);
    return true;
  }

  #open(): boolean {
    const transfer = Number(this.#scratch.readBigUInt64BE(0));
    const length = Number(this.#scratch.readBigUInt64BE(8));
    this.#coming = { transfer, length };
    return this.#begin();
  }

  /** Starts the transfer whose header came, if it has been named; otherwise it waits for its name. */
  #begin(): boolean {
    const { transfer, length } = this.#coming as { transfer: number; length: number };
    const receipt = this.#transfers?.begin(transfer);
    if (receipt === undefined) return false;
    if (length !== receipt.length) {
      this.#transfers?.end(
        transfer,
        new ProtocolError(
          "length_invalid",
          `transfer ${transfer} announces ${length} bytes; expected ${receipt.length}`,
          `${receipt.length} bytes`,
        ),
      );
      // The next header cannot be found any more.
      this.#coming = undefined;
      this.destroy();
      return false;
    }
    this.#receipt = receipt;
    this.#received = 0;
    if (length === 0) this.#finish();
    return true;
  }

  #finish(): void {
    const { transfer } = this.#coming as { transfer: number };
    this.#coming = undefined;
    this.#receipt = undefined;
    this.#waste = undefined;
    this.#transfers?.end(transfer);
  }

  #closed(): void {
    this.#transfers?.detach(this);
    if (this.#receipt !== undefined && this.#coming !== undefined) {
      const { transfer, length } = this.#coming;
      this.#transfers?.end(
        transfer,
        new ProtocolError(
          "transfer_broken",
          `the bulk connection closed after ${this.#received} of ${length} bytes of transfer ${transfer}`,
        ),
      );
    }
    this.#host.closed();
  }
}

function header(transfer: number, length: number): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeBigUInt64BE(BigInt(transfer), 0);
  bytes.writeBigUInt64BE(BigInt(length), 8);
  return bytes;
}

/** A socket over the same connection that reads into memory of our own: three times as fast as chunks and a copy. */
function readInto(
  accepted: Socket,
  buffer: () => Uint8Array,
  callback: (count: number) => boolean,
): Socket {
  // net.connect offers `onread`, servers do not; `handle` is how Node's own server makes its sockets.
  const { _handle: handle } = accepted as unknown as { _handle: unknown };
  return new Socket({ handle, onread: { buffer, callback } } as object);
}
