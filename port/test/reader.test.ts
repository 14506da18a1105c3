import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PortError } from "../src/index.js";
import { maxLength, type PacketSize } from "../src/packet.js";
import { FrameReader } from "../src/reader.js";

const packets: PacketSize[] = [1, 2, 4];

function encode(packet: PacketSize, frames: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    frames.flatMap((frame) => {
      const header = Buffer.alloc(packet);
      header.writeUIntBE(frame.length, 0, packet);
      return [header, frame];
    }),
  );
}

function collect(packet: PacketSize, limit = maxLength(packet)) {
  const frames: Buffer[] = [];
  const errors: PortError[] = [];
  const reader = new FrameReader(
    packet,
    limit,
    (frame) => frames.push(frame),
    (error) => errors.push(error),
  );
  return { reader, frames, errors };
}

/** Feeds `bytes` cut at `cuts`, through fresh chunks or through the reader's own memory. */
function feed(reader: FrameReader, bytes: Buffer, cuts: readonly number[], way: "push" | "filled") {
  const points = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const to of [...points, bytes.length]) {
    if (way === "push") {
      reader.push(Buffer.from(bytes.subarray(from, to)));
    } else {
      let position = from;
      while (position < to) {
        const target = reader.target();
        expect(target.length).toBeGreaterThan(0);
        const count = bytes.copy(target, 0, position, to);
        reader.filled(count);
        position += count;
      }
    }
    from = to;
  }
}

/** Lengths around every threshold of the reader: header limits, block, big frame. */
function lengths(packet: PacketSize) {
  const edges = [0, 1, 255, 256, 16_384, 32_767, 32_768, 32_769, 65_531, 65_535, 65_536, 200_000];
  const allowed = edges.filter((length) => length <= maxLength(packet));
  return fc.oneof(
    fc.nat({ max: Math.min(300, maxLength(packet)) }),
    fc.constantFrom(...allowed),
    fc.nat({ max: Math.min(100_000, maxLength(packet)) }),
  );
}

function pattern(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 255;
  return bytes;
}

describe.each(packets)("{packet, %d}", (packet) => {
  it.each(["push", "filled"] as const)("any frames in any chunks (%s)", (way) => {
    fc.assert(
      fc.property(
        fc.array(lengths(packet), { maxLength: 12 }),
        fc.array(fc.nat({ max: 1_000_000 }), { maxLength: 20 }),
        (sizes, cuts) => {
          const sent = sizes.map(pattern);
          const { reader, frames, errors } = collect(packet);
          feed(reader, encode(packet, sent), cuts, way);
          // Compared only now: what was handed out first must still be intact.
          expect(frames.length).toBe(sent.length);
          for (const [i, frame] of frames.entries()) {
            expect(frame.equals(sent[i] as Buffer)).toBe(true);
          }
          expect(errors).toEqual([]);
          expect(reader.endError()).toBeUndefined();
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each(["push", "filled"] as const)("one byte at a time (%s)", (way) => {
    const sent = [0, 1, 5, 0, 255].map(pattern);
    const bytes = encode(packet, sent);
    const { reader, frames } = collect(packet);
    feed(
      reader,
      bytes,
      Array.from(bytes, (_, i) => i),
      way,
    );
    expect(frames.map((frame) => frame.toString("hex"))).toEqual(
      sent.map((frame) => frame.toString("hex")),
    );
  });

  it.each(["push", "filled"] as const)("an end inside a frame is an error (%s)", (way) => {
    fc.assert(
      fc.property(lengths(packet), fc.nat({ max: 1_000_000 }), (length, at) => {
        const whole = encode(packet, [pattern(length, 1)]);
        const cut = whole.subarray(0, at % whole.length);
        const { reader, frames } = collect(packet);
        feed(reader, cut, [at % 7], way);
        expect(frames).toEqual([]);
        const error = reader.endError();
        if (cut.length === 0) expect(error).toBeUndefined();
        else expect(error?.code).toBe("frame_truncated");
      }),
    );
  });
});

it("names how far a truncated frame came", () => {
  const header = collect(4).reader;
  header.push(Buffer.from([0, 0]));
  expect(header.endError()?.message).toBe("input ended inside a frame, after 2 of 4 header bytes");
  const body = collect(2).reader;
  body.push(Buffer.from([0, 5, 1, 2]));
  expect(body.endError()?.message).toBe("input ended inside a frame, after 2 of 5 bytes");
  const big = collect(4).reader;
  big.push(encode(4, [Buffer.alloc(100_000)]).subarray(0, 50_004));
  expect(big.endError()?.message).toBe("input ended inside a frame, after 50000 of 100000 bytes");
});

it.each(["push", "filled"] as const)("refuses a frame above the limit (%s)", (way) => {
  const { reader, frames, errors } = collect(4, 1000);
  const bytes = encode(4, [pattern(1000, 1), pattern(1001, 2), pattern(3, 3)]);
  feed(reader, bytes, [500, 1006], way);
  expect(frames.map((frame) => frame.length)).toEqual([1000]);
  expect(errors.map((error) => [error.code, error.message])).toEqual([
    ["frame_too_large", "a frame of 1001 bytes arrived; maxFrameBytes is 1000"],
  ]);
  // What follows is read and forgotten, and does not touch what was handed out.
  feed(reader, encode(4, [pattern(200_000, 4)]), [], way);
  expect(frames.length).toBe(1);
  expect(frames[0]?.equals(pattern(1000, 1))).toBe(true);
  expect(errors.length).toBe(1);
  expect(reader.endError()).toBeUndefined();
});

it("refuses a hostile length at once, from its header alone", () => {
  const { reader, errors } = collect(4, 1 << 20);
  reader.push(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  expect(errors.map((error) => error.code)).toEqual(["frame_too_large"]);
});

it("cuts whole frames out of a chunk without a copy", () => {
  const chunk = encode(2, [pattern(10, 1), pattern(20, 2)]);
  const { reader, frames } = collect(2);
  reader.push(chunk);
  expect(frames.map((frame) => frame.buffer === chunk.buffer)).toEqual([true, true]);
});

it("fills one buffer of its own with a big frame", () => {
  const { reader, frames } = collect(4);
  const size = 8 << 20;
  const header = Buffer.alloc(4);
  header.writeUInt32BE(size);
  header.copy(reader.target());
  reader.filled(4);
  const memory = new Set<ArrayBufferLike>();
  for (let left = size; left > 0; left -= 65_536) {
    const target = reader.target();
    expect(target.length).toBe(left);
    memory.add(target.buffer);
    reader.filled(65_536);
  }
  expect(memory.size).toBe(1);
  expect(frames.map((frame) => [frame.length, frame.byteOffset])).toEqual([[size, 0]]);
  expect(memory.has(frames[0]?.buffer as ArrayBufferLike)).toBe(true);
});

it("stops in the middle of a chunk when told to", () => {
  const seen: number[] = [];
  const reader = new FrameReader(
    1,
    255,
    (frame) => {
      seen.push(frame.length);
      if (seen.length === 2) reader.stop();
    },
    () => {},
  );
  reader.push(encode(1, [pattern(1, 1), pattern(2, 1), pattern(3, 1)]));
  expect(seen).toEqual([1, 2]);
});

it("cuts at least 200,000 small frames a second", () => {
  const chunk = encode(
    4,
    Array.from({ length: 3000 }, () => Buffer.alloc(16)),
  );
  const { reader, frames } = collect(4);
  const start = performance.now();
  for (let i = 0; i < 100; i++) reader.push(chunk);
  const seconds = (performance.now() - start) / 1000;
  expect(frames.length / seconds).toBeGreaterThan(200_000);
});
