import { resolve } from "node:path";
import type { Engine } from "../engine/engine.js";
import { exportPrograms } from "../mlxfn/export.js";
import { ProtocolError } from "./error.js";
import type { MessageOf } from "./message.js";
import type { LoadedProgram, SessionPrograms } from "./programs.js";
import type { Sender } from "./sender.js";
import type { SessionTensors } from "./tensors.js";

/** The files that a session has programs written to. */
export class SessionExports {
  /** By their requests, what ends those that wait for bytes. */
  readonly #exports = new Map<number, AbortController>();

  constructor(
    private readonly engine: Engine,
    private readonly sender: Sender,
    private readonly tensors: SessionTensors,
    private readonly programs: SessionPrograms,
  ) {}

  /** The number of requests without an answer. */
  get waiting(): number {
    return this.#exports.size;
  }

  /** Answers `export_function` when the file is written. @throws ProtocolError as {@link SessionPrograms.find} */
  export(request: number, message: MessageOf<"export_function">): void {
    if (this.#exports.has(request)) {
      throw new ProtocolError("request_taken", `there is an export_function ${request} already`);
    }
    const traces = message.traces.map(({ program, keywords }) => ({
      loaded: this.programs.find(program),
      keywords,
    }));
    // As a run does, it needs the programs until it is over.
    for (const { loaded } of traces) loaded.runs++;
    const ended = new AbortController();
    this.#exports.set(request, ended);
    this.#write(message, traces, ended.signal)
      .then(
        ({ hooksLeftOut }) =>
          this.sender.ok<"export_function">(request, { hooks_left_out: hooksLeftOut }),
        (error) => this.sender.error(request, error),
      )
      .finally(() => {
        this.#exports.delete(request);
        for (const { loaded } of traces) this.programs.runEnded(loaded);
      });
  }

  async #write(
    { path, metadata, shapeless }: MessageOf<"export_function">,
    traces: readonly { readonly loaded: LoadedProgram; readonly keywords: readonly string[] }[],
    signal: AbortSignal,
  ) {
    for (const { loaded } of traces) await this.#ready(loaded, signal);
    const programs = traces.map(({ loaded, keywords }) => ({ program: loaded.program, keywords }));
    return exportPrograms(this.engine, resolve(path), programs, { metadata, shapeless });
  }

  /** Waits for the bytes of a program's constants. */
  async #ready({ pending }: LoadedProgram, signal: AbortSignal): Promise<void> {
    for (const tensor of pending) {
      if (tensor.pending) {
        await new Promise<void>((resolve, reject) => {
          this.tensors.whenSettled(tensor, resolve);
          signal.addEventListener("abort", () => reject(signal.reason));
        });
      }
      if (tensor.error !== undefined) throw tensor.error;
    }
  }

  /** Takes `cancel`. A file that is being written is written to its end. */
  cancel(request: number, reason: string): void {
    this.#exports.get(request)?.abort(new ProtocolError("cancelled", reason));
  }

  /** The session ends. */
  closeAll(): void {
    for (const request of this.#exports.keys()) this.cancel(request, "the session ended");
  }
}
