import type { FileArray } from "../files/array.js";
import { FileError } from "../files/error.js";
import { byteLength, formatType } from "../tensor/dtype.js";
import { WindowedFile } from "./file.js";
import {
  checkCrc,
  damaged,
  decodePrefix,
  layout,
  type Place,
  PREFIX_BYTES,
  type Prefix,
  SIGNATURE,
} from "./format.js";
import { decodeHeader } from "./header.js";

/** One event of a recording; its values are still in the file. */
export interface RecordedEvent {
  /** The node that fired. */
  readonly place: Place;
  /** The run's number in the process that recorded; runs that were started later have larger ones. */
  readonly run: number;
  /** The program's number in the process that recorded. */
  readonly program: number;
  /** Events of the run before this one. */
  readonly seq: number;
  /** Iterations of the loops around the node, outermost first. */
  readonly path: readonly number[];
  /** The place of its values in the file, and the number of their bytes. */
  readonly at: number;
  /** The number of bytes of its values. */
  readonly length: number;
  /** The checksum of its values. */
  readonly crc: number;
}

/** A recording, opened. Its events are in memory, their values in the file. */
export class RecordingFile {
  private constructor(
    private readonly file: WindowedFile,
    /** In the order in which they fired. */
    readonly events: readonly RecordedEvent[],
    /** True where it was closed; if not, its writer died, and these are its whole records. */
    readonly complete: boolean,
  ) {}

  /** The path of the file. */
  get path(): string {
    return this.file.path;
  }

  /**
   * Reads what fired, up to the last whole record.
   * @throws FileError `file_missing`, `file_malformed` where it is no recording or damaged
   */
  static async open(path: string): Promise<RecordingFile> {
    const file = await WindowedFile.open(path);
    try {
      const { events, complete } = await scan(file);
      return new RecordingFile(file, events, complete);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * The values of an event.
   * @throws FileError `file_malformed` where they are damaged
   */
  async values(event: RecordedEvent): Promise<FileArray[]> {
    return this.peek(event) ?? this.#cut(event, await this.file.bytes(event.at, event.length));
  }

  /** As {@link values}, at once, or undefined where they have to be read from the disk. */
  peek(event: RecordedEvent): FileArray[] | undefined {
    const payload = this.file.peek(event.at, event.length);
    return payload === undefined ? undefined : this.#cut(event, payload);
  }

  #cut({ place: { types }, at, crc }: RecordedEvent, payload: Uint8Array): FileArray[] {
    checkCrc(payload, crc, this.path, at);
    const { offsets } = layout(types);
    return types.map((type, index) => {
      const offset = offsets[index] as number;
      // A copy: what was read is good until the next read.
      return { type, bytes: payload.slice(offset, offset + byteLength(type)) };
    });
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.file.close();
  }
}

interface Scanned {
  readonly events: RecordedEvent[];
  readonly complete: boolean;
}

async function scan(file: WindowedFile): Promise<Scanned> {
  await checkSignature(file);
  const scanner = new Scanner(file.path);
  let at = SIGNATURE.length;
  while (at + PREFIX_BYTES <= file.size && !scanner.complete) {
    const bytes = file.peek(at, PREFIX_BYTES) ?? (await file.bytes(at, PREFIX_BYTES));
    const prefix = decodePrefix(bytes, file.path, at);
    const from = at + PREFIX_BYTES;
    const { headerBytes, headerCrc, payloadBytes } = prefix;
    const end = from + headerBytes + payloadBytes;
    if (end > file.size) break;
    const header = file.peek(from, headerBytes) ?? (await file.bytes(from, headerBytes));
    checkCrc(header, headerCrc, file.path, from);
    scanner.take(header, prefix, from);
    at = end;
  }
  if (!scanner.begun) {
    throw new FileError(
      "file_truncated",
      file.path,
      `it has ${file.size} bytes and no whole record`,
      "a recording of davit",
    );
  }
  if (scanner.complete && at !== file.size) {
    throw damaged(file.path, `it goes on after its end, at byte ${at}`, `${at} bytes`);
  }
  return scanner;
}

async function checkSignature(file: WindowedFile): Promise<void> {
  const length = Math.min(SIGNATURE.length, file.size);
  const start = await file.bytes(0, length);
  if (SIGNATURE.subarray(0, length).equals(start) && length > 0) return;
  throw damaged(file.path, "it is no recording of davit", `that it begins with ${SIGNATURE}`);
}

/** Gathers events from records, in order. */
class Scanner implements Scanned {
  readonly events: RecordedEvent[] = [];
  complete = false;
  begun = false;
  readonly #places: Place[] = [];

  constructor(private readonly path: string) {}

  /** Takes a record whose header lies at byte `at`. */
  take(bytes: Uint8Array, prefix: Prefix, at: number): void {
    const header = decodeHeader(bytes, this.path, at);
    const refuse = (problem: string, expected: string) =>
      damaged(this.path, `the record at byte ${at} ${problem}`, expected);
    if (this.begun === (header[0] === "recording")) {
      throw refuse(`is "${header[0]}"`, this.begun ? "no second beginning" : "the beginning");
    }
    this.begun = true;
    switch (header[0]) {
      case "place":
        if (header[1] !== this.#places.length) {
          throw refuse(`is place ${header[1]}`, `place ${this.#places.length}`);
        }
        this.#places.push(header[2]);
        break;
      case "event": {
        const [, number, run, program, seq, path] = header;
        const place = this.#places[number];
        if (place === undefined) {
          throw refuse(`is of place ${number}`, `one of ${this.#places.length} places`);
        }
        const { length } = layout(place.types);
        if (prefix.payloadBytes !== length) {
          const types = place.types.map(formatType).join(", ");
          throw refuse(`has ${prefix.payloadBytes} bytes of values`, `${length} for ${types}`);
        }
        const crc = prefix.payloadCrc;
        this.events.push({
          place,
          run,
          program,
          seq,
          path,
          at: at + prefix.headerBytes,
          length,
          crc,
        });
        break;
      }
      case "end":
        if (header[1] !== this.events.length) {
          throw refuse(`counts ${header[1]} events`, `${this.events.length}`);
        }
        this.complete = true;
    }
  }
}
