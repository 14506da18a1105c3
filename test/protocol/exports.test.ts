import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { Engine } from "../../src/engine/engine.js";
import { openFunction } from "../../src/index.js";
import { createHost, type Host } from "../../src/protocol/host.js";
import type { Session } from "../../src/protocol/session.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { eventually } from "../support/eventually.js";
import { increment } from "../support/graphs.js";
import { openSession } from "../support/session.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = temporaryFolder();
let engine: Engine;
let host: Host;
let client: TestClient;
let session: Session;

beforeAll(() => {
  engine = Engine.create({ lanes: 1 });
  host = createHost(engine);
});

afterAll(() => engine.close());

beforeEach(async () => {
  ({ client, session } = openSession(host));
  await client.hello();
});

afterEach(() => session.close());

it("writes programs as the traces of a function, and its answer counts the hooks that were left out", async () => {
  void client.load(1, increment());
  const path = at("f.mlxfn");
  const answer = await client.answer(
    client.send(["export_function", path, [[1, ["x"]]], "here", true]),
  );
  expect(answer.args[0]).toEqual({ hooks_left_out: 0 });
  expect(openFunction(path)).toMatchObject({
    metadata: "here",
    shapeless: true,
    signatures: [{ keywords: ["x"], inputs: [{ dtype: "float32", shape: [4] }] }],
  });
  const sizes = [0, [["float32", [2]]]];
  const opened = await client.answer(client.send(["open_function", path, sizes]));
  expect(opened.args[0]).toMatchObject({ traces: [{ inputs: [["float32", [2]]] }] });
  void client.send(["load", 2, {}, {}], [opened.attachments[0] as Uint8Array]);
  const run = client.send(["run", 1, 2, [["inline", null, 0]], [null], { fetch: 16 }], [f32(1, 2)]);
  expect(floats((await client.answer(run)).attachments[0])).toEqual([2, 3]);
});

it("waits for the programs' constants, until it is cancelled or the session ends", async () => {
  const type = { dtype: "float32", shape: [4] } as const;
  const node = { op: "external", inputs: [], attributes: { ...type, name: "w" }, outputs: 1 };
  const main = { name: "main", parameters: [type], nodes: [node], results: [1] };
  client.send(["put", 9, ["float32", [4]], ["transfer", 1]]);
  await client.load(1, { functions: [main] }, {}, { w: 9 });
  const message = ["export_function", at("w.mlxfn"), [[1, []]], ""];
  const cancelled = client.send(message);
  client.tell(["cancel", cancelled, "enough"]);
  expect((await client.answer(cancelled)).args[0]).toMatchObject({
    code: "cancelled",
    message: "enough",
  });
  client.send(message);
  client.send(["unload", 1]);
  session.close();
  await eventually(() => expect(engine.info().counters.tensors).toBe(0));
});

it("refuses what is no program, no trace, and sizes that the function does not take", async () => {
  void client.load(1, increment());
  const answer = async (...message: unknown[]) =>
    (await client.answer(client.send(message))).args[0];
  const path = at("g.mlxfn");
  expect(await answer("export_function", path, [[7, []]], "")).toMatchObject({
    code: "program_unknown",
  });
  expect(await answer("export_function", path, [], "")).toMatchObject({
    code: "argument_invalid",
    message: expect.stringContaining("there is no trace"),
  });
  expect(await answer("export_function", path, [[1]], "")).toMatchObject({
    code: "message_invalid",
  });
  expect(await answer("export_function", path, [[1, []]], "")).toEqual({ hooks_left_out: 0 });
  for (const sizes of [
    [1, [["float32", [2]]]],
    [0, [["float32", [2]]]],
    [0, []],
  ]) {
    expect(await answer("open_function", path, sizes)).toMatchObject({ code: "argument_invalid" });
  }
});
