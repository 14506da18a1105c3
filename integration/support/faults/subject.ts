import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { encodeGraph } from "../../../src/graph/encoding/canonical.js";
import type { Graph } from "../../../src/graph/graph.js";
import { f32, floats, type Received, type TestClient } from "../../../test/support/client.js";
import { increment } from "../../../test/support/graphs.js";
import { dial, EngineProcess } from "./engine-process.js";

/** The type of the inputs that are sent. */
export const F32x4 = ["float32", [4]];
const OPTIONS = ["--memory-limit", "1G", "--lanes", "2"];

/** An engine that gets bad input, over one connection: nothing may end either. */
export class Subject {
  engine!: EngineProcess;
  client!: TestClient;
  /** For files. */
  folder!: string;
  #next = 1;

  constructor(private readonly way: "port" | "socket") {}

  /** A new id. */
  id(): number {
    return this.#next++;
  }

  async begin(): Promise<void> {
    this.folder = mkdtempSync(join(tmpdir(), "davit-faults-"));
    const path = join(this.folder, "socket");
    if (this.way === "port") this.engine = await EngineProcess.port(OPTIONS);
    else this.engine = await EngineProcess.serve(path, OPTIONS);
    ({ client: this.client } = this.way === "port" ? this.engine.client : await dial(path));
    await this.client.hello();
    await this.client.load(this.id(), increment());
  }

  end(): void {
    this.engine.kill();
    rmSync(this.folder, { recursive: true });
  }

  /** Program 1 computes x + 1: the engine goes on, and so does the session. */
  async expectAlive(): Promise<void> {
    const message = ["run", 2, 1, [["inline", F32x4, 0]], [null], { fetch: 16 }];
    const { attachments } = await this.client.ask(message, [f32(1, 2, 3, 4)]);
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
    expect(this.engine.alive).toBe(true);
  }

  /** Loads a program under a new id. */
  async load(graph: Graph | Uint8Array): Promise<Received & { readonly program: number }> {
    const program = this.id();
    const bytes = graph instanceof Uint8Array ? graph : encodeGraph(graph);
    return { program, ...(await this.client.ask(["load", program, {}], [bytes])) };
  }

  /** Loads a program and runs it on 1, 2, 3, 4; gives its answer, or why it was not loaded. */
  async run(graph: Graph, options: object = {}): Promise<Received & { readonly program: number }> {
    const loaded = await this.load(graph);
    if (loaded.type === "error") return loaded;
    const { program } = loaded;
    const outputs = graph.functions[0]?.results.map(() => null);
    const inputs = [["inline", F32x4, 0]];
    const message = ["run", 1, program, inputs, outputs, { fetch: 1e6, ...options }];
    return { program, ...(await this.client.ask(message, [f32(1, 2, 3, 4)])) };
  }

  /** The answer is an error of this code, and the engine goes on. */
  async expectError({ type, args }: Received, code: string): Promise<void> {
    expect([type, args[0].code]).toEqual(["error", code]);
    expect(args[0].message).not.toBe("");
    await this.expectAlive();
  }
}

/** Tests with an engine behind a port, and with one behind a Unix socket. */
export function describeEngines(tests: (subject: Subject) => void): void {
  describe.each(["port", "socket"] as const)("over a %s", (way) => {
    const subject = new Subject(way);
    beforeAll(() => subject.begin());
    afterAll(() => subject.end());
    tests(subject);
  });
}
