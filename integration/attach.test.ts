import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { attach, listEngines } from "davit-engine";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const davit = join(root, "dist", "cli", "main.js");

/** A process and the lines that it prints. */
function start(command: string, args: readonly string[], cwd = root) {
  const child = spawn(command, args, { cwd, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string | undefined;
  return { child, line, exited: once(child, "exit") };
}

const until = async (line: () => Promise<string | undefined>, wanted: RegExp): Promise<string> => {
  for (;;) {
    const text = await line();
    if (text === undefined) throw new Error(`it ended before it printed ${wanted}`);
    if (wanted.test(text)) return text;
  }
};

let folder: string;
let beam: ReturnType<typeof start>;
const children: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-attach-"));
  vi.stubEnv("DAVIT_RUNTIME_DIR", join(folder, "run"));
  vi.stubEnv("ELIXIR_ERL_OPTIONS", "+fnu");
  const script = join(root, "integration", "support", "counting.exs");
  beam = start("mix", ["run", script], join(root, "elixir_client"));
  children.push(beam.child);
  await until(beam.line, /^counting$/);
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** What `davit watch` prints of an event; its number in the run. */
const STEP = /^count\.step \[\d+\] #(\d+) int32\[\] {2}min \d+/;

describe("a process that watches an engine of the Erlang VM", () => {
  it("sees the nodes of a run under way, and the run goes on without it", async () => {
    const [engine] = await listEngines();
    expect(engine?.programs).toBe(1);
    const watch = start(process.execPath, [davit, "watch", "--probe", "count.*"]);
    children.push(watch.child);
    const numbers: number[] = [];
    while (numbers.length < 100) {
      numbers.push(Number(STEP.exec(await until(watch.line, STEP))?.[1]));
    }
    // None is left out.
    const [first] = numbers as [number];
    expect(numbers).toEqual(numbers.map((_, index) => first + index));
    expect(await listEngines()).toMatchObject([{ pid: engine?.pid, programs: 1, runs: 1 }]);
    watch.child.kill("SIGKILL");
    await watch.exited;

    const attached = await attach(engine?.pid);
    const later = await new Promise<number>((resolve) => {
      void attached.probe("count.step", ({ seq }) => resolve(seq), { policy: "latest" });
    });
    expect(later).toBeGreaterThan(numbers.at(-1) as number);
    await attached.close();
  });

  it("goes on when the engine dies, and so does the VM", async () => {
    const [engine] = await listEngines();
    const attached = await attach(engine?.pid);
    const seen = new Promise<void>((resolve) => {
      void attached.probe("count.step", () => resolve(), { policy: "latest" });
    });
    await seen;
    process.kill(engine?.pid as number, "SIGKILL");
    expect((await attached.closed).code).toBe("engine_lost");
    expect(await until(beam.line, /^lost/)).toMatch(/^lost engine_/);
    expect(await until(beam.line, /^down/)).toBe("down");
    await beam.exited;
  });
});
