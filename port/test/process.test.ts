import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { openPort } from "../src/index.js";
import { build, root } from "./support/build.js";
import { recorder } from "./support/recorder.js";

const echo = `${root}/examples/echo.mjs`;
const noisy = `${root}/test/support/noisy.mjs`;

beforeAll(build);

/** Starts a real Erlang VM that opens `program` as its port. */
function beam(mode: string, packet: number, program: string, sizes: number[] = []) {
  const script = `${root}/test/support/peer.escript`;
  const args = [script, mode, String(packet), process.execPath, program, ...sizes.map(String)];
  const child = spawn("escript", args, { stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    text.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    text.stderr += chunk;
  });
  // "close" comes when every process that holds the pipes is gone: the VM, and its port program.
  return { child, text, closed: once(child, "close") };
}

async function until(child: ChildProcess, text: { stdout: string }, wanted: string) {
  while (!text.stdout.includes(wanted)) await once(child.stdout as NodeJS.ReadableStream, "data");
}

describe.each([1, 2, 4])("a real BEAM, {packet, %d}", (packet) => {
  const sizes = [0, 1, 255, 65_535, 1 << 20, 64 << 20].filter((size) => size < 256 ** packet);

  it("gets frames of many sizes back", { timeout: 60_000 }, async () => {
    const { text, closed } = beam("sizes", packet, echo, [...sizes, ...sizes.slice(0, 4)]);
    expect(await closed).toEqual([0, null]);
    const expected = [...sizes, ...sizes.slice(0, 4)].map((size) => `${size} came back\n`);
    expect(text).toEqual({ stdout: expected.join(""), stderr: "" });
  });

  it("gets 10,000 pipelined frames back in order", async () => {
    const { text, closed } = beam("pipelined", packet, echo, [10_000]);
    expect(await closed).toEqual([0, null]);
    expect(text).toEqual({ stdout: "10000 came back in order\n", stderr: "" });
  });

  it("is not disturbed by what the program prints", async () => {
    const { text, closed } = beam("sizes", packet, noisy, [0, 1, 200, 200]);
    expect(await closed).toEqual([0, null]);
    expect(text.stderr).toBe("");
    const lines = text.stdout.split("\n");
    for (const size of [0, 1, 200]) {
      expect(lines).toContain(`frame of ${size} bytes`);
      expect(lines).toContain(`${size} came back`);
    }
    // The VM closed its port before it ended.
    expect(lines.filter((line) => line.startsWith("end:"))).toEqual(["end: whole"]);
  });
});

describe("kill -9 of the BEAM", () => {
  it("ends an idle program at once", async () => {
    const { child, text, closed } = beam("idle", 4, noisy);
    await until(child, text, "ready");
    const start = performance.now();
    child.kill("SIGKILL");
    await closed;
    expect(performance.now() - start).toBeLessThan(1000);
    expect(text.stdout.match(/end: \w+/g)).toEqual(["end: whole"]);
    expect(text.stderr).toBe("");
  });

  it.each([100, 1_000_000])("is reported once amid frames of %d bytes", async (size) => {
    for (let round = 0; round < 3; round++) {
      const { child, text, closed } = beam("flood", 4, noisy, [size]);
      await until(child, text, "ready");
      const start = performance.now();
      child.kill("SIGKILL");
      await closed;
      expect(performance.now() - start).toBeLessThan(1000);
      const ends = text.stdout.match(/end: \w+/g);
      expect(ends?.length).toBe(1);
      expect(["end: whole", "end: frame_truncated", "end: peer_closed"]).toContain(ends?.[0]);
      expect(text.stderr).toBe("");
    }
  });
});

describe("descriptors", () => {
  const program = `${root}/test/support/stdio.mjs`;

  it("frames on stdin and stdout", async () => {
    const child = spawn(process.execPath, [program, "2", "0", "1"]);
    const stderr = child.stderr.toArray();
    const got: Buffer[] = [];
    const all = new Promise<void>((resolve) => {
      const port = openPort({
        packet: 2,
        input: child.stdout,
        output: child.stdin,
        onFrame: (frame) => got.push(frame),
        onEnd: () => resolve(),
      });
      for (let i = 0; i < 1000; i++) port.write(Buffer.alloc(i, i));
      // The end of its input ends the echo, after its last answer.
      void port.end();
    });
    await all;
    expect(got.map((frame) => frame.length)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(String(await stderr)).toBe("end: whole\n");
  });

  it("one socket as one descriptor for both directions", async () => {
    const stdio = ["ignore", "ignore", "pipe", "pipe"] as const;
    const child = spawn(process.execPath, [program, "4", "3", "3"], { stdio: [...stdio] });
    const near = recorder(child.stdio[3] as Socket);
    const big = Buffer.alloc(3_000_000, 3);
    near.port.write(big);
    await near.until(() => near.frames.length === 1);
    expect(near.frames[0]?.equals(big)).toBe(true);
    const exit = once(child, "exit");
    await near.port.close();
    expect(await exit).toEqual([0, null]);
  });

  it("an end inside a frame is seen on a descriptor too", () => {
    const { stderr } = spawnSync(process.execPath, [program, "4", "0", "1"], {
      input: Buffer.from([0, 0, 1]),
    });
    expect(String(stderr)).toBe("end: frame_truncated\n");
  });

  const advice =
    "expected a pipe or a socket: is this program run as an Erlang port with :nouse_stdio (descriptors 3 and 4)?\n";

  it("a closed descriptor, a file and a device are refused", () => {
    const run = (input: string, output: string, stdio: ("pipe" | "ignore" | number)[]) =>
      String(spawnSync(process.execPath, [program, "4", input, output], { stdio }).stderr);
    expect(run("0", "987", ["pipe", "pipe", "pipe"])).toBe(
      `descriptor_invalid: output descriptor 987 is not open; ${advice}`,
    );
    expect(run("0", "1", ["ignore", "pipe", "pipe"])).toBe(
      `descriptor_invalid: input descriptor 0 is a device; ${advice}`,
    );
    const file = openSync(fileURLToPath(import.meta.url), "r");
    expect(run("0", "3", ["pipe", "pipe", "pipe", file])).toBe(
      `descriptor_invalid: output descriptor 3 is a file; ${advice}`,
    );
    closeSync(file);
  });
});
