import { randomBytes } from "node:crypto";
import { statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BulkListener } from "../../src/protocol/bulk.js";
import type { ProtocolError } from "../../src/protocol/error.js";
import { Transfers } from "../../src/protocol/transfers.js";
import { eventually } from "../support/eventually.js";

let bulk: BulkListener;
let transfers: Transfers;
let token: Uint8Array;
let client: Socket;

beforeEach(async () => {
  bulk = await BulkListener.open();
  transfers = new Transfers();
  token = bulk.admit(transfers);
  client = await dial();
});

afterEach(() => {
  client.destroy();
  bulk.close();
});

function dial(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(bulk.path, () => resolve(socket));
    socket.once("error", reject);
  });
}

function header(transfer: number, length: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64BE(BigInt(transfer), 0);
  bytes.writeBigUInt64BE(BigInt(length), 8);
  return bytes;
}

/** Names a transfer; resolves with what came, or with the error. */
function expectTransfer(transfer: number, length: number): Promise<Uint8Array | ProtocolError> {
  const target = new Uint8Array(length);
  return new Promise((resolve) => {
    transfers.receive(transfer, target, (error) => resolve(error ?? target));
  });
}

const closed = (socket: Socket) =>
  new Promise<void>((resolve) => socket.once("close", () => resolve()));

/** What every connection begins with: transfer 0, without bytes. */
const GREETING = header(0, 0);

async function read(socket: Socket, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let count = 0;
  while (count < length) {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) await new Promise((resolve) => socket.once("readable", resolve));
    else {
      chunks.push(chunk);
      count += chunk.length;
    }
  }
  return Buffer.concat(chunks);
}

describe("the bulk socket", () => {
  it("lies in a folder that only this user may enter", () => {
    expect(statSync(dirname(bulk.path)).mode & 0o777).toBe(0o700);
  });

  it("brings bytes into the memory they are for, several transfers in one write", async () => {
    const sizes = [3_000_000, 0, 1, 16, 100_000];
    const data = sizes.map((size) => randomBytes(size));
    const coming = data.map((bytes, index) => expectTransfer(index + 1, bytes.length));
    client.write(
      Buffer.concat([token, ...data.flatMap((bytes, i) => [header(i + 1, bytes.length), bytes])]),
    );
    for (const [index, one] of coming.entries()) {
      expect(Buffer.compare((await one) as Uint8Array, data[index] as Buffer)).toBe(0);
    }
  });

  it.each([0, 1, 5, 16, 17, 70_000])(
    "keeps %i bytes that come before their transfer is named",
    async (length) => {
      const first = expectTransfer(1, 4);
      const bytes = randomBytes(length);
      client.write(
        Buffer.concat([token, header(1, 4), Buffer.from("abcd"), header(2, length), bytes]),
      );
      client.write(Buffer.concat([header(3, 2), Buffer.from("xy")]));
      await first;
      // Let the header of the transfer that has no name yet arrive.
      await new Promise(setImmediate);
      const second = expectTransfer(2, length);
      const third = expectTransfer(3, 2);
      expect(Buffer.from((await second) as Uint8Array)).toEqual(bytes);
      expect(Buffer.from((await third) as Uint8Array).toString()).toBe("xy");
    },
  );

  it("sends, while it receives", async () => {
    client.write(token);
    const data = randomBytes(1_000_000);
    const sent: number[] = [];
    const transfer = transfers.send(data, () => sent.push(data.length));
    const empty = transfers.send(new Uint8Array(0), () => sent.push(0));
    const coming = expectTransfer(9, 4);
    client.write(Buffer.concat([header(9, 4), Buffer.from("abcd")]));
    const got = await read(client, 16 + 16 + data.length + 16);
    const expected = [GREETING, header(transfer, data.length), data, header(empty, 0)];
    expect(Buffer.compare(got, Buffer.concat(expected))).toBe(0);
    expect(Buffer.from((await coming) as Uint8Array).toString()).toBe("abcd");
    await eventually(() => expect(sent).toEqual([data.length, 0]));
  });

  it("fails a transfer that breaks off, and goes on over a new connection", async () => {
    const broken = expectTransfer(1, 1000);
    const later = expectTransfer(2, 3);
    client.write(Buffer.concat([token, header(1, 1000), Buffer.alloc(10)]));
    client.end();
    expect(await broken).toMatchObject({
      code: "transfer_broken",
      message: "the bulk connection closed after 10 of 1000 bytes of transfer 1",
    });
    const again = await dial();
    again.write(Buffer.concat([token, header(2, 3), Buffer.from("abc")]));
    expect(Buffer.from((await later) as Uint8Array).toString()).toBe("abc");
    again.destroy();
  });

  it("fails a transfer of another length than its tensor's, and closes", async () => {
    const coming = expectTransfer(1, 1000);
    client.write(Buffer.concat([token, header(1, 999)]));
    expect(await coming).toMatchObject({ code: "length_invalid" });
    await closed(client.resume());
  });

  it("lets a new connection replace the one before", async () => {
    const first = expectTransfer(1, 1);
    client.write(Buffer.concat([token, header(1, 1), Buffer.from("a")]));
    await first;
    const second = await dial();
    second.write(token);
    await closed(client.resume());
    const transfer = transfers.send(Buffer.from("hello"), () => {});
    expect(await read(second, 37)).toEqual(
      Buffer.concat([GREETING, header(transfer, 5), Buffer.from("hello")]),
    );
    second.destroy();
  });

  it("greets: what is asked for afterwards comes over the new connection, though the one before is open", async () => {
    client.write(token);
    expect(await read(client, 16)).toEqual(GREETING);
    const second = await dial();
    second.write(token);
    expect(await read(second, 16)).toEqual(GREETING);
    const transfer = transfers.send(Buffer.from("hello"), () => {});
    expect(await read(second, 21)).toEqual(
      Buffer.concat([header(transfer, 5), Buffer.from("hello")]),
    );
    second.destroy();
  });

  it("closes on a token it does not know, and on one it has dismissed", async () => {
    client.write(randomBytes(16));
    await closed(client.resume());
    bulk.dismiss(token);
    const second = await dial();
    second.write(token);
    await closed(second.resume());
  });

  it("throws away the bytes of a transfer that was given up, and goes on with the next", async () => {
    const length = 1_000_000;
    const target = new Uint8Array(length);
    transfers.receive(1, target, () => expect.fail("nobody waits for it"));
    expect(transfers.discard(1)).toBe(true);
    expect(transfers.open).toBe(1);
    expect(() => transfers.checkNew(1)).toThrow(/there is a transfer 1/);
    const next = expectTransfer(2, 3);
    const bytes = [token, header(1, length), randomBytes(length), header(2, 3)];
    client.write(Buffer.concat([...bytes, Buffer.from("abc")]));
    expect(Buffer.from((await next) as Uint8Array).toString()).toBe("abc");
    expect(target.every((byte) => byte === 0)).toBe(true);
    expect(transfers.open).toBe(0);
  });

  it("reads to its end what had begun to come when it was given up", async () => {
    const coming = expectTransfer(1, 5);
    const begun = new Promise<void>((resolve) => {
      const begin = transfers.begin.bind(transfers);
      vi.spyOn(transfers, "begin").mockImplementation((transfer) => {
        resolve();
        return begin(transfer);
      });
    });
    client.write(Buffer.concat([token, header(1, 5), Buffer.from("ab")]));
    await begun;
    expect(transfers.discard(1)).toBe(false);
    client.write("cde");
    expect(Buffer.from((await coming) as Uint8Array).toString()).toBe("abcde");
  });

  it("sends an empty transfer in place of one that was cancelled", async () => {
    const sent: string[] = [];
    const cancelled = transfers.send(randomBytes(1000), () => sent.push("cancelled"));
    const next = transfers.send(Buffer.from("abc"), () => sent.push("next"));
    transfers.cancel(cancelled);
    transfers.cancel(cancelled);
    expect(sent).toEqual(["cancelled"]);
    client.write(token);
    expect(await read(client, 16 + 16 + 16 + 3)).toEqual(
      Buffer.concat([GREETING, header(cancelled, 0), header(next, 3), Buffer.from("abc")]),
    );
    await eventually(() => expect(sent).toEqual(["cancelled", "next"]));
    transfers.cancel(next);
  });

  it("lets go of what was not sent when the session ends", () => {
    let sent = 0;
    transfers.send(randomBytes(1000), () => sent++);
    transfers.close();
    expect(sent).toBe(1);
  });

  it("fails what has not come when the session ends", async () => {
    const coming = expectTransfer(1, 10);
    client.write(token);
    transfers.close();
    expect(await coming).toMatchObject({ code: "session_closed" });
    client.write(header(1, 10));
    await closed(client.resume());
  });
});
