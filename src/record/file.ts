import type { FileHandle } from "node:fs/promises";
import { FileError, fromSystem } from "../files/error.js";
import { openRegular } from "../files/open.js";

const WINDOW = 256 * 1024;

/** A file that is read here and there, mostly forwards: what is asked for next is mostly there already. */
export class WindowedFile {
  #start = 0;
  #window: Uint8Array = new Uint8Array(0);

  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly file: FileHandle,
  ) {}

  static async open(path: string): Promise<WindowedFile> {
    const file = await openRegular(path, "read");
    return new WindowedFile(path, (await file.stat()).size, file);
  }

  /** Bytes that were read already, or undefined. They are good until the next read. */
  peek(at: number, length: number): Uint8Array | undefined {
    const from = at - this.#start;
    if (from < 0 || from + length > this.#window.length) return undefined;
    return this.#window.subarray(from, from + length);
  }

  /** Bytes of the file, which has to have them; good until the next read. */
  async bytes(at: number, length: number): Promise<Uint8Array> {
    const known = this.peek(at, length);
    if (known !== undefined) return known;
    const wanted = Math.min(Math.max(length, WINDOW), this.size - at);
    this.#window = await this.#read(at, Math.max(wanted, length));
    this.#start = at;
    return this.#window.subarray(0, length);
  }

  async #read(at: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const wanted = Math.min(length - done, 2 ** 30);
      const { bytesRead } = await this.file
        .read(bytes, done, wanted, at + done)
        .catch((error) => Promise.reject(fromSystem(error, this.path)));
      if (bytesRead === 0) {
        throw new FileError(
          "file_truncated",
          this.path,
          `it ends at byte ${at + done}`,
          `${length} bytes from byte ${at}`,
        );
      }
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
