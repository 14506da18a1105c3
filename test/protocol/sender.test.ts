import { decode } from "@msgpack/msgpack";
import { describe, expect, expectTypeOf, it } from "vitest";
import { GraphError } from "../../src/graph/error.js";
import { decodeFrame } from "../../src/protocol/frame.js";
import { Sender } from "../../src/protocol/sender.js";

/** A connection whose reader reads when it is told to. */
class SlowConnection {
  readonly frames: { request: number; header: unknown }[] = [];
  pendingBytes = 0;
  #draining: { resolve: () => void; reject: (error: Error) => void }[] = [];

  write(parts: Uint8Array | readonly Uint8Array[]): boolean {
    const payload = Buffer.concat(parts instanceof Uint8Array ? [parts] : parts);
    const { request, header } = decodeFrame(payload);
    this.frames.push({ request, header: decode(header) });
    this.pendingBytes += payload.length;
    return true;
  }

  drain(): Promise<void> {
    return new Promise((resolve, reject) => this.#draining.push({ resolve, reject }));
  }

  async read(): Promise<void> {
    this.pendingBytes = 0;
    for (const { resolve } of this.#draining.splice(0)) resolve();
    await new Promise(setImmediate);
  }

  async break(): Promise<void> {
    for (const { reject } of this.#draining.splice(0)) reject(new Error("gone"));
    await new Promise(setImmediate);
  }

  async close(): Promise<void> {}
}

describe("a sender", () => {
  it("sends short answers at once, and values only while little is unread", async () => {
    const connection = new SlowConnection();
    const sender = new Sender(connection, 100, 2 ** 20, () => {});
    expect(sender.ready).toBe(true);
    sender.ok(1, null, [new Uint8Array(1000)]);
    expect(sender.ready).toBe(false);
    const order: string[] = [];
    for (const name of ["a", "b", "c"]) {
      sender.whenReady(() => {
        order.push(name);
        sender.send(2, ["ok", name], [new Uint8Array(1000)]);
      });
    }
    sender.send(3, ["ok", "short"]);
    expect(order).toEqual([]);
    expect(connection.frames.map(({ request }) => request)).toEqual([1, 3]);
    await connection.read();
    expect(order).toEqual(["a"]);
    await connection.read();
    expect(order).toEqual(["a", "b"]);
    // Nothing overtakes what waits.
    connection.pendingBytes = 0;
    expect(sender.ready).toBe(false);
    await connection.read();
    expect(order).toEqual(["a", "b", "c"]);
    await connection.read();
    expect(sender.ready).toBe(true);
  });

  it("calls what waits when it ends, so that nothing is held, and sends nothing more", async () => {
    const connection = new SlowConnection();
    const sender = new Sender(connection, 100, 2 ** 20, () => {});
    sender.ok(1, null, [new Uint8Array(1000)]);
    let called = 0;
    sender.whenReady(() => {
      called++;
      sender.ok(2, null);
    });
    sender.end();
    await connection.break();
    expect(called).toBe(1);
    expect(connection.frames).toHaveLength(1);
    expect(sender.ended).toBe(true);
  });

  it("gives the memory of large values back when they have left", () => {
    const lefts: ((() => void) | undefined)[] = [];
    const connection = Object.assign(new SlowConnection(), {
      write: (_: unknown, left?: () => void) => {
        lefts.push(left);
        return true;
      },
    });
    const released: ArrayBufferLike[] = [];
    const sender = new Sender(connection, 100, 2 ** 20, (buffer) => released.push(buffer));
    const large = new Uint8Array(100_000);
    const part = new Uint8Array(new ArrayBuffer(200_000), 0, 100_000);
    sender.ok(1, null, [new Uint8Array(1000), large, part]);
    sender.ok(2, null, [new Uint8Array(1000)]);
    expect(lefts).toEqual([expect.any(Function), undefined]);
    expect(released).toEqual([]);
    lefts[0]?.();
    expect(released).toEqual([large.buffer]);
  });

  it("tells errors of all rooms with what they know", () => {
    const connection = new SlowConnection();
    const sender = new Sender(connection, 100, 2 ** 20, () => {});
    const details = { code: "shape_mismatch", op: "add", label: "l", site: 3, expected: "x" };
    const inputs = [{ dtype: "float32", shape: [2] }, null];
    sender.error(1, Object.assign(new Error("no"), details, { inputs }));
    sender.error(2, new TypeError("a fault"));
    sender.error(3, "text");
    expect(connection.frames.map(({ header }) => header)).toEqual([
      ["error", { ...details, message: "no", inputs: [["float32", [2]], null] }],
      ["error", { code: "internal", message: "a fault" }],
      ["error", { code: "internal", message: "text" }],
    ]);
  });
});

describe("a frame that would be too long", () => {
  it("is refused, where it is no error", () => {
    const connection = new SlowConnection();
    const sender = new Sender(connection, 100, 1000, () => {});
    const long = expect.objectContaining({ code: "value_too_large", expected: "1000 bytes" });
    expect(() => sender.send(1, ["ok", "x".repeat(1000)])).toThrow(long);
    expect(() => sender.ok(2, null, [new Uint8Array(985)])).toThrow(long);
    expect(connection.frames).toEqual([]);
    sender.send(3, ["ok", "x".repeat(900)]);
    expect(connection.frames).toMatchObject([{ request: 3 }]);
  });

  it("is cut to size, where it is an error", () => {
    const connection = new SlowConnection();
    const sender = new Sender(connection, 100, 2 ** 20, () => {});
    const inputs = new Array(65_536).fill({ dtype: "float32", shape: new Array(32).fill(1) });
    const error = new GraphError("type_mismatched", "y".repeat(2 ** 21), {
      inputs,
      expected: "z".repeat(2 ** 21),
    });
    sender.error(1, error);
    const [frame] = connection.frames as unknown as [{ header: [string, Record<string, unknown>] }];
    expect(frame.header[1]).toMatchObject({ code: "type_mismatched" });
    expect(frame.header[1].inputs).toHaveLength(64);
  });
});

it("takes only messages that the contract has", () => {
  type Message = Parameters<Sender["send"]>[1];
  const ready: Message = ["ready", { protocol: 1, engine: "davit" }];
  expectTypeOf(ready).toExtend<Message>();
  // @ts-expect-error a field that the row does not have
  const field: Message = ["ready", { protocol: 1, engine: "davit", mood: "good" }];
  // @ts-expect-error a field is missing
  const missing: Message = ["ready", { protocol: 1 }];
  // @ts-expect-error an argument too many
  const many: Message = ["ok", null, 1];
  // @ts-expect-error no such message
  const unknown: Message = ["hello"];
  expect([field, missing, many, unknown]).toHaveLength(4);
});
