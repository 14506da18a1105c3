import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { openPort, type Port } from "erlang-port";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Graph } from "../../src/graph/graph.js";
import { f32, floats, TestClient } from "../support/client.js";
import { eventually } from "../support/eventually.js";
import { callback, constant, graph, increment } from "../support/graphs.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const F32x4 = ["float32", [4]];

let child: ChildProcess;
let port: Port;
let client: TestClient;
let exited: Promise<unknown[]>;
const text = { stdout: "", stderr: "" };

// A child process runs what is built.
beforeAll(() => {
  const tsc = `${root}/node_modules/typescript/bin/tsc`;
  execFileSync(process.execPath, [tsc, "-b", `${root}/tsconfig.build.json`]);
});

beforeEach(() => {
  child = spawn(process.execPath, [`${root}/dist/cli/main.js`, "port"], {
    stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"],
  });
  exited = once(child, "exit");
  for (const name of ["stdout", "stderr"] as const) {
    text[name] = "";
    child[name]?.on("data", (chunk) => {
      text[name] += chunk;
    });
  }
  port = openPort({
    input: child.stdio[4] as Socket,
    output: child.stdio[3] as Socket,
    onFrame: (frame) => client.take(frame),
    onEnd: () => {},
  });
  // The client of this test: the process of the last one may close only now.
  const own = new TestClient((payload) => port.write(payload));
  client = own;
  child.once("close", (code, signal) => {
    own.end(`the engine ended with ${code ?? signal}: ${text.stderr}`);
  });
});

afterEach(() => {
  port.destroy();
  child.kill("SIGKILL");
});

/** A program that takes seconds: a matrix multiplied with itself again and again. */
const long: Graph = {
  functions: [
    {
      name: "main",
      parameters: [{ dtype: "float32", shape: [512, 512] }],
      nodes: [{ op: "for", inputs: [0], attributes: { body: 1, count: 1_000_000 }, outputs: 1 }],
      results: [1],
    },
    {
      name: "body",
      parameters: [
        { dtype: "int32", shape: [] },
        { dtype: "float32", shape: [512, 512] },
      ],
      nodes: [{ op: "matmul", inputs: [1, 1], attributes: {}, outputs: 1 }],
      results: [2],
    },
  ],
};

/** Milliseconds. The native side waits for 0.7 s at most; the machine may be busy with other things. */
const AT_ONCE = 10_000;

/** Closes this side's end of the port, as a VM that dies does. */
async function hangUp(): Promise<number> {
  const started = performance.now();
  (child.stdio[3] as Socket).destroy();
  (child.stdio[4] as Socket).destroy();
  await exited;
  return performance.now() - started;
}

/** The processes that this one started, by name. */
function childrenOf(pid: number, name: string): number[] {
  const table = execFileSync("ps", ["-A", "-o", "pid=,ppid=,comm="], { encoding: "utf8" });
  const rows = table.split("\n").map((row) => row.trim().split(/\s+/));
  return rows
    .filter(([, parent, command]) => Number(parent) === pid && command?.endsWith(name))
    .map(([child]) => Number(child));
}

describe("davit port", () => {
  it("speaks first", async () => {
    await client.find(() => true);
    expect(client.received[0]).toMatchObject({
      request: 0,
      type: "ready",
      args: [{ protocol: 1, engine: "davit" }],
    });
  });

  it("can be written to after it was killed, until its client closes the port", async () => {
    await client.hello();
    const [guard] = childrenOf(child.pid as number, "davit-guard") as [number];
    child.kill("SIGKILL");
    expect(await exited).toEqual([null, "SIGKILL"]);
    const input = child.stdio[3] as Socket;
    for (let count = 0; count < 10; count++) {
      await new Promise<void>((resolve, reject) => {
        input.write(Uint8Array.of(0, 0, 0, 0), (error) => (error ? reject(error) : resolve()));
      });
    }
    await hangUp();
    await eventually(() => expect(() => process.kill(guard, 0)).toThrow("ESRCH"));
  });

  it("runs programs for its client and exits when the client is done", async () => {
    await client.hello();
    await client.load(1, increment());
    const { attachments } = await client.ask(
      ["run", 1, 1, [["inline", F32x4, 0]], [null], { fetch: 16 }],
      [f32(1, 2, 3, 4)],
    );
    expect(floats(attachments[0])).toEqual([2, 3, 4, 5]);
    await hangUp();
    expect(await exited).toEqual([0, null]);
    expect(text).toEqual({ stdout: "", stderr: "" });
  });

  it("exits at once when its client dies while a program runs", async () => {
    await client.hello();
    await client.load(1, long);
    client.send(["put", 1, ["float32", [512, 512]], 0], [new Uint8Array(512 * 512 * 4)]);
    client.send(["run", 1, 1, [1], [2], {}]);
    await client.result(["info"]);
    expect(await hangUp()).toBeLessThan(AT_ONCE);
    expect(await exited).toEqual([0, null]);
  });

  it("exits at once when its client dies while a call waits", async () => {
    await client.hello();
    const ask = callback("ask", [0], [{ dtype: "float32", shape: [] }]);
    await client.load(1, graph([], [constant(1), ask], [1]));
    const request = client.send(["run", 1, 1, [], [null], {}]);
    await client.find((one) => one.request === request && one.type === "callback");
    expect(await hangUp()).toBeLessThan(AT_ONCE);
  });

  it("moves large tensors over its bulk socket, and takes the socket away when it ends", async () => {
    const { bulk, token } = await client.hello();
    const socket = connect(bulk);
    const data = randomBytes(20_000_000);
    const header = Buffer.alloc(16);
    header.writeBigUInt64BE(7n, 0);
    header.writeBigUInt64BE(BigInt(data.length), 8);
    const put = client.send(["put", 1, ["uint8", [data.length]], ["transfer", 7]]);
    socket.write(token);
    socket.write(header);
    socket.write(data);
    expect((await client.answer(put)).type).toBe("ok");
    const { transfer, bytes } = await client.result(["get", 1, { bulk: true }]);
    expect(bytes).toBe(data.length);
    const chunks: Buffer[] = [];
    let count = 0;
    for await (const chunk of socket) {
      chunks.push(chunk);
      count += chunk.length;
      if (count === 16 + 16 + data.length) break;
    }
    const all = Buffer.concat(chunks);
    expect(all.subarray(0, 16).equals(Buffer.alloc(16))).toBe(true);
    const got = all.subarray(16);
    expect(got.readBigUInt64BE(0)).toBe(BigInt(transfer));
    expect(got.readBigUInt64BE(8)).toBe(BigInt(data.length));
    expect(got.subarray(16).equals(data)).toBe(true);
    await hangUp();
    expect(existsSync(dirname(bulk))).toBe(false);
  });

  it("says what was wrong with a frame, and exits with 1", async () => {
    await client.hello();
    client.raw(Uint8Array.of(1, 2, 3));
    expect(await exited).toEqual([1, null]);
    expect(client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["frame_invalid", expect.any(String)],
    });
  });

  it("says so when a frame is cut off", async () => {
    (child.stdio[3] as Socket).end(Uint8Array.of(0, 0, 0, 9, 1, 2));
    expect(await exited).toEqual([1, null]);
    const { args } = await client.find(({ type }) => type === "bye");
    expect(args).toEqual(["frame_truncated", "input ended inside a frame, after 2 of 9 bytes"]);
  });

  it("says so when a frame is longer than 64 MiB", async () => {
    (child.stdio[3] as Socket).write(Uint8Array.of(255, 255, 255, 255));
    expect(await exited).toEqual([1, null]);
    const { args } = await client.find(({ type }) => type === "bye");
    expect(args[0]).toBe("frame_too_large");
  });

  it("leaves Ctrl-C to the VM, and says good-bye on SIGTERM", async () => {
    await client.hello();
    child.kill("SIGINT");
    expect((await client.ask(["info"])).type).toBe("ok");
    child.kill("SIGTERM");
    expect(await exited).toEqual([1, null]);
    expect(client.received.at(-1)).toMatchObject({
      type: "bye",
      args: ["engine_terminated", expect.any(String)],
    });
  });
});
