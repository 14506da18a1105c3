import { Writable } from "node:stream";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PortError } from "../src/index.js";
import type { PacketSize } from "../src/packet.js";
import { FrameReader } from "../src/reader.js";
import { FrameWriter } from "../src/writer.js";

/** A stream that records its system calls, and finishes them when told to. */
class Sink extends Writable {
  readonly calls: Buffer[][] = [];
  #finish: (() => void)[] = [];

  constructor(private readonly slow = false) {
    super({ highWaterMark: 1 });
  }

  get bytes(): Buffer {
    return Buffer.concat(this.calls.flat());
  }

  /** Lets the call under way succeed. */
  release(): void {
    this.#finish.shift()?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this._writev([{ chunk }], done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: () => void): void {
    if (!this.slow) {
      this.calls.push(chunks.map(({ chunk }) => Buffer.from(chunk)));
      setImmediate(done);
      return;
    }
    this.calls.push(chunks.map(({ chunk }) => chunk));
    this.#finish.push(done);
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe.each([1, 2, 4] as PacketSize[])("{packet, %d}", (packet) => {
  it("what is written in any parts is read again", async () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(0, 8191, 8192, 9000, 20_000).map((n) => new Uint8Array(n).fill(n)),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(part, { maxLength: 4 }), fc.boolean()), { maxLength: 30 }),
        async (writes) => {
          const sink = new Sink();
          const writer = new FrameWriter(sink, packet, 1 << 20);
          const expected: Buffer[] = [];
          for (const [parts, pause] of writes) {
            const frame = Buffer.concat(parts);
            if (frame.length >= 2 ** (8 * packet)) {
              expect(() => writer.write(parts)).toThrow(PortError);
              continue;
            }
            writer.write(parts);
            expected.push(frame);
            if (pause) await turn();
          }
          await writer.pendingAtMost(0);
          const frames: Buffer[] = [];
          const reader = new FrameReader(
            packet,
            2 ** 32,
            (frame) => frames.push(frame),
            (error) => {
              throw error;
            },
          );
          reader.push(sink.bytes);
          expect(frames.map((frame) => frame.toString("hex"))).toEqual(
            expected.map((frame) => frame.toString("hex")),
          );
          expect(writer.pendingBytes).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });
});

it("sends the small frames of one turn in one call", async () => {
  const sink = new Sink();
  const writer = new FrameWriter(sink, 4, 1 << 20);
  for (let i = 0; i < 500; i++) writer.write(Buffer.from([i & 255]));
  // Each continuation is a tick of its own within the same turn.
  await Promise.all(Array.from({ length: 500 }, async () => writer.write(Buffer.from([1]))));
  await writer.pendingAtMost(0);
  expect(sink.calls.length).toBe(1);
  expect(sink.bytes.length).toBe(1000 * 5);
});

it("sends what gathers behind a slow peer together", async () => {
  const sink = new Sink(true);
  const writer = new FrameWriter(sink, 4, 1 << 20);
  writer.write(Buffer.from([0]));
  await turn();
  for (let i = 0; i < 1000; i++) {
    writer.write(Buffer.from([i & 255]));
    if (i % 100 === 0) await turn();
  }
  expect(sink.calls.length).toBe(1);
  const done = writer.pendingAtMost(0);
  while (writer.pendingBytes > 0) {
    sink.release();
    await turn();
  }
  await done;
  expect(sink.calls.length).toBe(2);
});

it("writes big parts from where they are, small ones copied at once", async () => {
  const sink = new Sink(true);
  const writer = new FrameWriter(sink, 4, 1 << 20);
  const small = Buffer.from([1, 2, 3]);
  const big = Buffer.alloc(100_000, 7);
  writer.write([small, big, small]);
  small.fill(9);
  await turn();
  const chunks = sink.calls[0] as Buffer[];
  expect(chunks.map((chunk) => chunk.length)).toEqual([7, 100_000, 3]);
  expect(chunks[1]?.buffer).toBe(big.buffer);
  expect([...(chunks[0] as Buffer)]).toEqual([0, 1, 0x86, 0xa6, 1, 2, 3]);
  expect([...(chunks[2] as Buffer)]).toEqual([1, 2, 3]);
});

it("counts pending bytes, says when there are too many, and when they have gone", async () => {
  const sink = new Sink(true);
  const writer = new FrameWriter(sink, 4, 1000);
  expect(writer.write(Buffer.alloc(996))).toBe(true);
  expect(writer.pendingBytes).toBe(1000);
  expect(writer.write(Buffer.alloc(0))).toBe(false);
  expect(writer.pendingBytes).toBe(1004);
  await turn();
  expect(writer.write(Buffer.alloc(596))).toBe(false);
  let gone = 0;
  const drained = writer.pendingAtMost(700).then(() => {
    gone = writer.pendingBytes;
  });
  await turn();
  expect(gone).toBe(0);
  sink.release();
  await drained;
  expect(gone).toBe(600);
  sink.release();
  await writer.pendingAtMost(0);
  expect(writer.pendingBytes).toBe(0);
});

it("refuses a frame whose length the header cannot say, naming sizes", () => {
  const writer = new FrameWriter(new Sink(), 1, 1000);
  expect(() => writer.write([Buffer.alloc(200), Buffer.alloc(56)])).toThrow(
    "a frame of 256 bytes was to be written; {packet, 1} ends at 255",
  );
  expect(writer.pendingBytes).toBe(0);
});

it("rejects waiters and drops frames once closed", async () => {
  const writer = new FrameWriter(new Sink(true), 4, 10);
  writer.write(Buffer.alloc(100));
  const waiting = writer.pendingAtMost(0);
  writer.close(new PortError("peer_closed", "gone"));
  await expect(waiting).rejects.toMatchObject({ code: "peer_closed" });
  await expect(writer.pendingAtMost(0)).rejects.toMatchObject({ code: "peer_closed" });
  expect(writer.write(Buffer.alloc(1))).toBe(false);
  expect(writer.pendingBytes).toBe(0);
});

describe("a writer tells when parts are needed no longer", () => {
  const big = (size = 10_000) => Buffer.alloc(size, 1);

  it("once they have left", async () => {
    const sink = new Sink(true);
    const writer = new FrameWriter(sink, 4, 1 << 20);
    const left: string[] = [];
    writer.write(big(), () => left.push("first"));
    writer.write(big(300_000), () => left.push("second"));
    writer.write(Buffer.from("small"), () => left.push("third"));
    await turn();
    writer.write(big(), () => left.push("fourth"));
    expect(left).toEqual([]);
    sink.release();
    await turn();
    expect(left).toEqual(["first", "second"]);
    sink.release();
    await turn();
    expect(left).toEqual(["first", "second", "third", "fourth"]);
  });

  it("at once where they never will leave, but not while the system reads them", async () => {
    const sink = new Sink(true);
    const writer = new FrameWriter(sink, 4, 1 << 20);
    const left: string[] = [];
    writer.write(big(), () => left.push("first"));
    await turn();
    writer.write(big(), () => left.push("second"));
    writer.close(new PortError("port_closed", "enough"));
    expect(left).toEqual([]);
    expect(writer.write(big(), () => left.push("third"))).toBe(false);
    expect(left).toEqual(["third"]);
    sink.release();
    await turn();
    expect(left).toEqual(["third", "first", "second"]);
  });

  it("at once where nothing is under way", () => {
    const writer = new FrameWriter(new Sink(true), 4, 1 << 20);
    let left = 0;
    writer.write(big(), () => left++);
    writer.close(new PortError("port_closed", "enough"));
    expect(left).toBe(1);
  });
});
