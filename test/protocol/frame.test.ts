import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/protocol/error.js";
import { decodeFrame, FrameEncoder } from "../../src/protocol/frame.js";

const encoder = new FrameEncoder();

/** One payload, as it leaves. */
function encode(request: number, header: Uint8Array, attachments: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(encoder.encode(request, header, attachments)));
}

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const frames = fc.record({
  request: fc.maxSafeNat(),
  header: bytes(100),
  attachments: fc.array(fc.oneof(bytes(20), bytes(3000)), { maxLength: 6 }),
});

describe("frames", () => {
  it("come back as they were, whether short or long", () => {
    fc.assert(
      fc.property(frames, ({ request, header, attachments }) => {
        const frame = decodeFrame(encode(request, header, attachments));
        expect(frame.request).toBe(request);
        expect(frame.header).toEqual(header);
        expect(frame.attachments).toEqual(attachments);
      }),
    );
  });

  it("are laid out as docs/protocol.md says", () => {
    const payload = encode(0x1_0000_0002, Uint8Array.of(0x90, 7, 8), [
      Uint8Array.of(1),
      new Uint8Array(0),
      Uint8Array.of(2, 3),
    ]);
    // Preface 16, three lengths 12, header 3: 31, padded to 32; one byte, padded to 40; nothing; two bytes.
    expect([...payload]).toEqual([
      ...[0, 0, 0, 1, 0, 0, 0, 2],
      ...[0, 0, 0, 3, 0, 0, 0, 3],
      ...[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2],
      ...[0x90, 7, 8, 0],
      ...[1, 0, 0, 0, 0, 0, 0, 0],
      ...[2, 3],
    ]);
  });

  it("give long attachments on without a copy", () => {
    const big = new Uint8Array(1_000_000);
    const parts = encoder.encode(1, Uint8Array.of(0x90), [big]);
    expect(parts.some((part) => part.buffer === big.buffer)).toBe(true);
  });

  it("say what is wrong with one that is cut off, anywhere", () => {
    fc.assert(
      fc.property(
        frames,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (f, at) => {
          const whole = encode(f.request, f.header, f.attachments);
          const cut = whole.subarray(0, Math.floor(at * whole.length));
          expect(() => decodeFrame(cut)).toThrow(
            expect.objectContaining({ code: "frame_invalid" }),
          );
        },
      ),
    );
  });

  it("never read outside of any bytes at all", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
        try {
          const { attachments, header } = decodeFrame(payload);
          const length = attachments.reduce((sum, one) => sum + one.length, header.length);
          expect(length).toBeLessThanOrEqual(payload.length);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["a request number above 2^53 - 1", [0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    ["a header beyond the end", [0, 0, 0, 0, 0, 0, 0, 1, 255, 255, 255, 255, 0, 0, 0, 0]],
    ["four thousand million attachments", [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 255, 255, 255, 255]],
    ["bytes after the header", [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 9]],
  ])("refuse %s", (_, payload) => {
    expect(() => decodeFrame(Uint8Array.from(payload))).toThrow(
      expect.objectContaining({ code: "frame_invalid" }),
    );
  });

  it("refuse padding that is not zero", () => {
    const payload = encode(1, Uint8Array.of(0x90), [Uint8Array.of(5)]);
    const padding = payload.indexOf(0x90) + 1;
    payload[padding] = 1;
    expect(() => decodeFrame(payload)).toThrow(/padding before attachment 0/);
  });
});
