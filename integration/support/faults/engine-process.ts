import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { openPort } from "erlang-port";
import { built } from "../../../test/support/built.js";
import { TestClient } from "../../../test/support/client.js";

/** A client and its way to an engine. */
export interface Connected {
  readonly client: TestClient;
  /** Sends bytes as they are, without a frame around them. */
  raw(bytes: Uint8Array): void;
  /** Closes the client's side. */
  end(): void;
  /** Resolves when nothing more comes. */
  readonly closed: Promise<void>;
}

/** An engine in a process of its own. */
export class EngineProcess {
  readonly child: ChildProcess;
  /** The code and signal it ended with. */
  readonly exited: Promise<readonly [number | null, NodeJS.Signals | null]>;
  #stderr = "";

  private constructor(main: string, command: readonly string[], stdio: number) {
    this.child = spawn(process.execPath, [main, ...command], {
      stdio: ["ignore", "pipe", "pipe", ...new Array(stdio).fill("pipe")],
    });
    this.child.stdout?.resume();
    this.child.stderr?.on("data", (text) => {
      this.#stderr += text;
    });
    this.exited = once(this.child, "exit") as Promise<never>;
  }

  /** `davit port`. */
  static async port(options: readonly string[] = []): Promise<EngineProcess> {
    return new EngineProcess(await mainFile(), ["port", ...options], 2);
  }

  /** `davit serve`; resolves when it serves. */
  static async serve(path: string, options: readonly string[] = []): Promise<EngineProcess> {
    const engine = new EngineProcess(await mainFile(), ["serve", path, ...options], 0);
    while (!engine.stderr.includes("davit serves"))
      await once(engine.child.stderr as never, "data");
    return engine;
  }

  /** What it printed. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Whether it has neither exited nor been killed. */
  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The one client of a port. */
  get client(): Connected {
    const [, , , output, input] = this.child.stdio as unknown as [null, null, null, Socket, Socket];
    return join(input, output, () => `the engine ended: ${this.#stderr}`);
  }

  kill(): void {
    this.child.kill("SIGKILL");
  }
}

/** Connects to the Unix socket of `davit serve`. */
export async function dial(path: string): Promise<Connected> {
  const socket = connect(path);
  await once(socket, "connect");
  return join(socket, socket, () => "the connection ended");
}

function join(input: Socket, output: Socket, why: () => string): Connected {
  let close = () => {};
  const closed = new Promise<void>((resolve) => {
    close = resolve;
  });
  // What is still being sent to an engine that has gone is lost.
  output.on("error", () => {});
  const port = openPort({
    input,
    output,
    onFrame: (frame) => client.take(frame),
    onEnd: () => {
      client.end(why());
      close();
      port.destroy();
    },
  });
  const client = new TestClient((payload) => port.write(payload));
  return { client, closed, raw: (bytes) => output.write(bytes), end: () => output.end() };
}

let main: Promise<string> | undefined;

function mainFile(): Promise<string> {
  main ??= built("cli/main.js").then((address) => fileURLToPath(address));
  return main;
}
