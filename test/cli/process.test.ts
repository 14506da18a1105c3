import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import type { GraphFunction, GraphNode } from "../../src/graph/graph.js";

// The compiled program, as the shell and Erlang start it; the set-up compiles it before tests.
const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

let folder: string;
const at = (name: string) => join(folder, name);
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "davit-process-"));
});
afterAll(() => rm(folder, { recursive: true }));

function davit(...args: string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (text: string) => {
    output += text;
    child.emit("output", output);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, output }));
  /** Waits until a text was printed. */
  const printed = async (text: string) => {
    while (!output.includes(text)) await once(child, "output");
  };
  return { child, ended, printed };
}

describe("the davit process", () => {
  it("ends with 0, 1 or 2", async () => {
    expect((await davit("--version").ended).code).toBe(0);
    expect((await davit("inspect", at("missing")).ended).code).toBe(1);
    expect((await davit("--frobnicate").ended).code).toBe(2);
  });

  it("cancels a run on Ctrl+C", async () => {
    // The hook says that the run is under way; the products after it take minutes.
    const shape = { dtype: "float32", shape: [2048, 2048] } as const;
    const nodes: GraphNode[] = [
      { op: "ones", inputs: [], attributes: { ...shape }, outputs: 1 },
      {
        op: "custom_call.hook",
        inputs: [0],
        attributes: { id: new Uint8Array(16), name: "begun" },
        outputs: 1,
      },
    ];
    for (let value = 1; value < 2000; value++) {
      nodes.push({ op: "matmul", inputs: [value, value], attributes: {}, outputs: 1 });
    }
    const main: GraphFunction = {
      name: "main",
      parameters: [],
      nodes,
      results: [nodes.length - 1],
    };
    await writeFile(at("long.davit"), encodeGraph({ functions: [main] }));
    const run = davit("run", at("long.davit"), "--hook", "*");
    await run.printed("begun #0");
    run.child.kill("SIGINT");
    const { code, output } = await run.ended;
    expect(code).toBe(1);
    expect(output).toMatch(/the run was cancelled: Ctrl\+C.*\[cancelled\]/);
  });

  it("serves a socket until SIGTERM", async () => {
    const socket = at("davit.sock");
    const server = davit("serve", socket);
    await server.printed(`davit serves ${socket}`);
    const client = connect(socket);
    await once(client, "connect");
    const closed = once(client, "close");
    client.resume();
    server.child.kill("SIGTERM");
    await closed;
    expect((await server.ended).code).toBe(0);
    expect(existsSync(socket)).toBe(false);
  });
});
