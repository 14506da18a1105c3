import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, describe, expect, it, vi } from "vitest";
import { openPort, type Port, type PortOptions } from "../src/index.js";
import { recorder } from "./support/recorder.js";

const folder = mkdtempSync(join(tmpdir(), "erlang-port-"));
const cleanup: (() => void)[] = [];

afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});
afterAll(() => rmSync(folder, { recursive: true }));

let serial = 0;

/** Both ends of a new Unix or TCP connection. */
async function pair(kind: "unix" | "tcp" = "unix"): Promise<[Socket, Socket]> {
  const server: Server = createServer();
  if (kind === "unix") server.listen(join(folder, `${serial++}.sock`));
  else server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const near =
    typeof address === "string" ? connect(address) : connect(address?.port ?? 0, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  server.close();
  cleanup.push(() => {
    near.destroy();
    far.destroy();
  });
  return [near, far];
}

describe.each(["unix", "tcp"] as const)("over a %s socket", (kind) => {
  it("carries frames both ways, and the end", async () => {
    const [a, b] = await pair(kind);
    const near = recorder(a);
    const far: Port = openPort({
      input: b,
      output: b,
      onFrame: (frame) => void far.write([frame, Buffer.from("!")]),
    });
    const big = Buffer.alloc(5_000_000, "abc");
    near.port.write(Buffer.from("hello"));
    near.port.write([big.subarray(0, 10), big.subarray(10)]);
    near.port.write(Buffer.alloc(0));
    await near.until(() => near.frames.length === 3);
    expect(near.frames[0]?.toString()).toBe("hello!");
    expect(near.frames[1]?.equals(Buffer.concat([big, Buffer.from("!")]))).toBe(true);
    expect(near.frames[2]?.toString()).toBe("!");
    await far.close();
    await near.until(() => near.ends.length > 0);
    expect(near.ends).toEqual([undefined]);
    await near.port.close();
    expect(near.port.ended).toBe(true);
  });
});

it("goes on reading while its writes wait for a slow reader", async () => {
  const [a, b] = await pair();
  const near = recorder(a, { highWaterBytes: 100_000 });
  const frame = Buffer.alloc(50_000, 5);
  let written = 0;
  // `b` does not read yet: the kernel takes some, the rest is pending.
  while (near.port.write(frame)) {
    written++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  written++;
  expect(near.port.pendingBytes).toBeGreaterThan(100_000);
  let drained = false;
  const drain = near.port.drain().then(() => {
    drained = true;
  });

  // What `b` says arrives all the same.
  b.write(Buffer.from([0, 0, 0, 2, 104, 105]));
  await near.until(() => near.frames.length === 1);
  expect(near.frames[0]?.toString()).toBe("hi");
  expect(drained).toBe(false);

  const far = recorder(b);
  await drain;
  expect(near.port.pendingBytes).toBeLessThanOrEqual(50_000);
  await near.port.close();
  await far.until(() => far.ends.length > 0);
  expect(far.frames.length).toBe(written);
  expect(far.frames.every((got) => got.equals(frame))).toBe(true);
  expect(far.ends).toEqual([undefined]);
});

it("answers the last frames after the end of input", async () => {
  const [a, b] = await pair();
  const near = recorder(a);
  const far = recorder(b);
  near.port.write(Buffer.from("question"));
  await near.port.end();
  expect(near.port.write(Buffer.from("too late"))).toBe(false);
  await far.until(() => far.ends.length > 0);
  expect(far.ends).toEqual([undefined]);
  far.port.write(Buffer.from("answer"));
  await far.port.close();
  await near.until(() => near.ends.length > 0);
  expect(near.frames.map(String)).toEqual(["answer"]);
});

it("reports an end inside a frame", async () => {
  const [a, b] = await pair();
  const near = recorder(a);
  b.end(Buffer.from([0, 0, 0, 9, 1, 2]));
  await near.until(() => near.ends.length > 0);
  expect(near.ends.map((error) => error?.code)).toEqual(["frame_truncated"]);
  expect(near.frames).toEqual([]);
});

it("reports a frame above the limit, and can still say so to the peer", async () => {
  const [a, b] = await pair();
  const near = recorder(a, { maxFrameBytes: 10 });
  const far = recorder(b);
  far.port.write(Buffer.alloc(11));
  far.port.write(Buffer.alloc(1));
  await near.until(() => near.ends.length > 0);
  expect(near.ends.map((error) => error?.code)).toEqual(["frame_too_large"]);
  near.port.write(Buffer.from("too large"));
  await near.port.close();
  await far.until(() => far.ends.length > 0);
  expect(far.frames.map(String)).toEqual(["too large"]);
  expect(near.frames).toEqual([]);
});

it("reports a peer that is gone exactly once, and ends a writing loop", async () => {
  const [a, b] = await pair();
  const near = recorder(a);
  b.destroy();
  const loop = async () => {
    for (;;) if (!near.port.write(Buffer.alloc(100_000))) await near.port.drain();
  };
  await expect(loop()).rejects.toMatchObject({ name: "PortError" });
  await near.until(() => near.ends.length > 0);
  if (!a.closed) await once(a, "close");
  expect(near.ends.length).toBe(1);
  expect(near.port.write(Buffer.alloc(1))).toBe(false);
  expect(near.port.pendingBytes).toBe(0);
});

it("reports nothing when closed on this side", async () => {
  const [a, b] = await pair();
  const near = recorder(a);
  const far = recorder(b);
  near.port.destroy();
  await far.until(() => far.ends.length > 0);
  expect(near.ends).toEqual([]);
  await expect(near.port.drain()).rejects.toMatchObject({ code: "port_closed" });
  await near.port.close();
});

it("delivers nothing after destroy, even from the chunk at hand", async () => {
  const [a, b] = await pair();
  const seen: string[] = [];
  const port: Port = openPort({
    packet: 1,
    input: a,
    output: a,
    onFrame: (frame) => {
      seen.push(frame.toString());
      port.destroy();
    },
  });
  b.write(Buffer.from("\u0001a\u0001b\u0001c"));
  await once(a, "close");
  expect(seen).toEqual(["a"]);
});

it("an exception in onFrame is uncaught and disturbs no other frame", async () => {
  const input = new PassThrough();
  const seen: string[] = [];
  const uncaught: unknown[] = [];
  const { nextTick } = process;
  const tick = vi.spyOn(process, "nextTick").mockImplementation((callback, ...args) =>
    nextTick(() => {
      try {
        callback(...args);
      } catch (error) {
        uncaught.push(error);
      }
    }),
  );
  try {
    const port = openPort({
      packet: 1,
      input,
      output: new PassThrough(),
      onFrame: (frame) => {
        seen.push(frame.toString());
        if (seen.length === 1) throw new Error("from the handler");
      },
    });
    input.write(Buffer.from("\u0001a\u0001b"));
    await new Promise((resolve) => setImmediate(resolve));
    port.destroy();
  } finally {
    tick.mockRestore();
  }
  expect(seen).toEqual(["a", "b"]);
  expect(uncaught.map(String)).toEqual(["Error: from the handler"]);
});

describe("options", () => {
  const onFrame = () => {};
  const stream = () => new PassThrough();
  const wrong: [string, object][] = [
    ["packet is 3; expected 1, 2 or 4", { packet: 3, onFrame }],
    ["maxFrameBytes is 0; expected an integer >= 1", { maxFrameBytes: 0, onFrame }],
    ["highWaterBytes is 1.5; expected an integer >= 0", { highWaterBytes: 1.5, onFrame }],
    ["onFrame is undefined; expected a function", {}],
    ["output is missing; expected input and output, or neither", { input: 3, onFrame }],
    ["input descriptor is -1; expected an integer >= 0", { input: -1, output: stream(), onFrame }],
    [
      "input is null; expected a descriptor or a stream of bytes",
      { input: null, output: stream(), onFrame },
    ],
    [
      "input is a stream of strings or objects; expected a descriptor or a stream of bytes",
      { input: stream().setEncoding("utf8"), output: stream(), onFrame },
    ],
  ];

  it.each(wrong)("%s", (message, options) => {
    expect(() => openPort(options as PortOptions)).toThrow(
      expect.objectContaining({ code: "option_invalid", message }),
    );
  });
});
