import { type ChildProcess, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { openPort, type Port } from "erlang-port";

/** How a worker is started. */
export interface WorkerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** How long one request may take, and how long a worker may take to end, in milliseconds. */
const PATIENCE = 120_000;
const GRACE = 5_000;

interface Waiting {
  readonly request: string;
  readonly timer: NodeJS.Timeout;
  resolve(samples: number[]): void;
  reject(error: Error): void;
}

/**
 * A process that measures on request, and waits between requests, so that workers can take turns. Requests are
 * words: what to measure, and numbers. Answers are `ok` and numbers, or `error` and a text. They travel in
 * {packet, 4} frames on descriptors 3 and 4, so that printing does not disturb them.
 */
export class Worker {
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #port: Port;
  #waiting: Waiting | undefined;

  constructor({ name, command, args, cwd, env }: WorkerCommand) {
    this.#name = name;
    this.#child = spawn(command, args, {
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...process.env, ...env },
      // What a worker prints goes to stderr: the last line of stdout is ours.
      stdio: ["ignore", process.stderr, process.stderr, "pipe", "pipe"],
    });
    this.#child.on("error", (error) => this.#fail(error.message));
    this.#child.on("exit", (code, signal) => this.#fail(`it ended with ${signal ?? code}`));
    this.#port = openPort({
      packet: 4,
      input: this.#child.stdio[4] as Readable,
      output: this.#child.stdio[3] as Writable,
      onFrame: (frame) => this.#answer(frame.toString()),
      onEnd: () => {},
    });
  }

  /** Has something measured; one at a time. */
  measure(what: string, ...numbers: readonly number[]): Promise<number[]> {
    if (this.#waiting !== undefined) {
      throw new Error(`${this.#name} still measures "${this.#waiting.request}"`);
    }
    return new Promise((resolve, reject) => {
      const request = [what, ...numbers].join(" ");
      const timer = setTimeout(() => {
        this.#fail(`no answer after ${PATIENCE / 1000} s`);
        this.#child.kill("SIGKILL");
      }, PATIENCE);
      this.#waiting = { request, timer, resolve, reject };
      this.#port.write(Buffer.from(request));
    });
  }

  /** Ends the process. */
  async close(): Promise<void> {
    const child = this.#child;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE);
    await this.#port.close();
    await ended;
    clearTimeout(timer);
  }

  #answer(text: string): void {
    const waiting = this.#taken();
    if (text.startsWith("ok")) {
      waiting?.resolve(text.split(" ").slice(1).map(Number));
    } else {
      waiting?.reject(new Error(`${this.#name}, "${waiting.request}": ${text.slice(6)}`));
    }
  }

  #fail(how: string): void {
    const waiting = this.#taken();
    waiting?.reject(new Error(`${this.#name}, "${waiting.request}": ${how}`));
  }

  /** What is waited for, and from now on is not. */
  #taken(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
