import { encode } from "@msgpack/msgpack";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ProtocolError } from "../../src/protocol/error.js";
import { decodeHeader, encodeHeader, MAX_HEADER_BYTES } from "../../src/protocol/header.js";

const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 5 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    // msgpack has no integer -0.
    fc.double().map((value) => value + 0),
    fc.string(),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 20 }),
    fc.dictionary(fc.string(), tie("value"), { noNullPrototype: true }),
  ),
})).value;

const bad = expect.objectContaining({ code: "frame_invalid" });

describe("headers", () => {
  it("come back as they were", () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 5 }), (rest) => {
        fc.pre(!JSON.stringify(rest).includes("__proto__"));
        const message = ["type", ...rest];
        expect(decodeHeader(encodeHeader(message))).toEqual(message);
      }),
    );
  });

  it("survive any bytes with an error of their own", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          expect(typeof decodeHeader(bytes)[0]).toBe("string");
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 5000 },
    );
  });

  const runWith = (...inputs: unknown[]) =>
    encode(["run", 1, 2, inputs, [null], { hooks: [[["id", new Uint8Array(16).fill(7)]]] }]);

  it("of runs with operands of their own are kept, apart from the frame's memory", () => {
    const header = Buffer.from(runWith(["inline", ["float32", [16]], 0]));
    const first = decodeHeader(header);
    expect(decodeHeader(Buffer.from(header))).toBe(first);
    const text = structuredClone(first);
    header.fill(0xff);
    expect(first).toEqual(text);
  });

  it("that name tensors are not kept: their ids are never used again", () => {
    const header = Buffer.from(runWith(12));
    expect(decodeHeader(header)).not.toBe(decodeHeader(header));
  });

  it("are kept in bounded memory", () => {
    const frames = Array.from({ length: 2000 }, (_, queue) =>
      Buffer.from(encode(["run", queue, 1, [], [null], {}])),
    );
    const firsts = frames.map((frame) => decodeHeader(frame));
    const again = frames.map((frame) => decodeHeader(frame));
    expect(again).toEqual(firsts);
    expect(again.filter((header, index) => header === firsts[index]).length).toBeLessThan(2000);
  });

  it("are refused when cut off, anywhere", () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 5 }), fc.nat(), (rest, at) => {
        const whole = encodeHeader(["type", ...rest]).slice();
        expect(() => decodeHeader(whole.subarray(0, at % whole.length))).toThrow(bad);
      }),
    );
  });

  it.each([
    ["an array of four thousand million items", [0xdd, 255, 255, 255, 255, 0]],
    ["a map of four thousand million pairs", [0x92, 0xa1, 97, 0xdf, 255, 255, 255, 255, 0]],
    ["a string that goes beyond the end", [0x91, 0xdb, 255, 255, 255, 255, 97]],
    ["an extension type", [0x92, 0xa1, 97, 0xd4, 1, 1]],
    ["the byte that msgpack does not use", [0x92, 0xa1, 97, 0xc1]],
    ["bytes after the array", [0x91, 0xa1, 97, 0]],
    ["a map", [0x80]],
    ["an array that begins with a number", [0x91, 1]],
    ["an empty array", [0x90]],
    ["nothing", []],
    ["a number as a map's key", [0x92, 0xa1, 97, 0x81, 1, 1]],
  ])("refuse %s", (_, bytes) => {
    expect(() => decodeHeader(Uint8Array.from(bytes))).toThrow(bad);
  });

  it("refuse an array in an array in an array", () => {
    const bytes = new Uint8Array(1000).fill(0x91);
    expect(() => decodeHeader(bytes)).toThrow(/nests too deep/);
  });

  it("refuse nested arrays that together promise more items than there are bytes", () => {
    // Each level alone could be true: 500 items in 500 bytes.
    const level = [0xdc, 1, 244];
    const bytes = Uint8Array.from([...level, ...level, ...new Array(600).fill(0)]);
    expect(() => decodeHeader(bytes)).toThrow(/ends inside a value/);
  });

  it("refuse one that is too long", () => {
    const bytes = encode(["type", new Uint8Array(MAX_HEADER_BYTES)]);
    expect(() => decodeHeader(bytes)).toThrow(bad);
  });
});
