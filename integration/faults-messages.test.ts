import { execFileSync } from "node:child_process";
import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { encodeGraph } from "../src/graph/encoding/canonical.js";
import { f32, floats } from "../test/support/client.js";
import { increment } from "../test/support/graphs.js";
import { node, program } from "./support/faults/programs.js";
import { describeEngines, F32x4 } from "./support/faults/subject.js";

const x4 = f32(1, 2, 3, 4);
const GOOD = encodeGraph(increment());
/** Of something that is not there. */
const NONE = 4_000_000;

// One engine for all that follows: nothing of it may end the engine or the session.
describeEngines((engine) => {
  const inline = ["inline", F32x4, 0];

  it.each<[string, (id: number) => readonly unknown[], string]>([
    ["nothing that is known", () => ["explode"], "message_unknown"],
    ["hello once more", () => ["hello", { protocol: 1 }], "hello_repeated"],
    ["too few arguments", () => ["put", 1], "message_invalid"],
    ["arguments of the wrong kind", () => ["free", { a: 1 }], "message_invalid"],
    ["bytes for another shape", (id) => ["put", id, ["float32", [5]], 0], "length_invalid"],
    ["a shape below zero", (id) => ["put", id, ["float32", [-4]], 0], "message_invalid"],
    ["a dtype that is not there", (id) => ["put", id, ["float3", [4]], 0], "message_invalid"],
    [
      "a size that is no number",
      (id) => ["put", id, ["float32", [Number.NaN]], 0],
      "message_invalid",
    ],
    [
      "a shape beyond all numbers",
      (id) => ["put", id, ["float32", new Array(32).fill(2 ** 31 - 1)], 0],
      "message_invalid",
    ],
    [
      "a tensor beyond the memory limit",
      (id) => ["put", id, ["float32", [2 ** 30]], ["transfer", id]],
      "value_too_large",
    ],
    ["a program that is there already", () => ["load", 1, {}], "program_taken"],
    ["a constant of no hash", (id) => ["load", id, { weights: 1 }], "message_invalid"],
    [
      "a constant of a tensor that is not there",
      (id) => ["load", id, { ["0".repeat(64)]: NONE }],
      "tensor_unknown",
    ],
    ["no such program", (id) => ["run", 1, NONE, [inline], [id]], "program_unknown"],
    ["no such tensor", (id) => ["run", 1, 1, [NONE], [id]], "tensor_unknown"],
    [
      "outputs that it does not have",
      (id) => ["run", 1, 1, [inline], [id, null]],
      "output_count_invalid",
    ],
    ["an input too many", (id) => ["run", 1, 1, [inline, inline], [id]], "input_count_invalid"],
    [
      "an input of another type",
      (id) => ["run", 1, 1, [["inline", ["int32", [4]], 0]], [id]],
      "input_type_invalid",
    ],
    [
      "an option that is not there",
      () => ["run", 1, 1, [inline], [null], { x: 1 }],
      "message_invalid",
    ],
    [
      "a hook of endless bins",
      () => ["run", 1, 1, [inline], [null], { hooks: [[["all"], "every", ["summary", 1e9]]] }],
      "view_invalid",
    ],
    ["a tensor that is not there", () => ["get", NONE], "tensor_unknown"],
    ["a file that is not there", (id) => ["open_file", "/nowhere", { a: id }], "file_missing"],
  ])("refuses %s", async (_, make, code) => {
    const message = make(engine.id());
    const answer = await engine.client.ask(message, [message[0] === "load" ? GOOD : x4]);
    await engine.expectError(answer, code);
  });

  it("refuses a tensor under a name that is taken, and keeps the one that has it", async () => {
    const id = engine.id();
    await engine.client.result(["put", id, F32x4, 0], [x4]);
    const again = await engine.client.ask(["put", id, F32x4, 0], [f32(9, 9, 9, 9)]);
    await engine.expectError(again, "tensor_taken");
    const { attachments } = await engine.client.ask(["get", id]);
    expect(floats(attachments[0])).toEqual([1, 2, 3, 4]);
  });

  it("refuses two outputs of one name, and names none", async () => {
    const { client } = engine;
    const { program: two } = await engine.load(program(["float32[4]"], [node("exp", [0])], [1, 0]));
    const before = (await client.result(["info"])).tensors;
    const id = engine.id();
    const answer = await client.ask(["run", 1, two, [inline], [id, id]], [x4]);
    await engine.expectError(answer, "tensor_taken");
    expect((await client.result(["info"])).tensors).toBe(before);
  });

  it("refuses replies to runs that are not there, and such that do not fit", async () => {
    const { client } = engine;
    client.tell(["reply", NONE, 1, []]);
    client.tell(["reply_error", NONE, 1, "a", "b"]);
    client.tell(["reply", 1, 1, [["inline", F32x4, 7]]]);
    await engine.expectAlive();
    const codes = client.received
      .filter(({ request, type }) => request === 0 && type === "error")
      .map(({ args }) => args[0].code);
    expect(codes).toEqual(["callback_unknown", "callback_unknown", "message_invalid"]);
  });

  const one = (dtype: string, shape: number[], offsets: number[]) =>
    JSON.stringify({ a: { dtype, shape, data_offsets: offsets } });
  const safetensors = (json: string, bytes = 0) => {
    const head = Buffer.alloc(8);
    head.writeBigUInt64LE(BigInt(json.length));
    return Buffer.concat([head, Buffer.from(json), Buffer.alloc(bytes)]);
  };

  it.each<[string, Uint8Array, string]>([
    ["is empty", Buffer.alloc(0), "file_truncated"],
    ["is a picture", Buffer.from("89504e470d0a1a0a0000", "hex"), "file_malformed"],
    ["has a header of an exabyte", Buffer.alloc(64, 0x7f), "file_malformed"],
    ["has a header that is no JSON", safetensors("{{{{"), "file_malformed"],
    ["has deep JSON", safetensors("[".repeat(100_000)), "file_malformed"],
    ["lacks bytes", safetensors(one("F32", [4], [0, 16])), "file_truncated"],
    ["has tensors of another length", safetensors(one("F32", [4], [0, 8]), 16), "file_malformed"],
    ["has offsets below zero", safetensors(one("F32", [1], [-4, 0]), 16), "file_malformed"],
    ["has sizes below zero", safetensors(one("F32", [-4], [0, 16]), 16), "file_malformed"],
    ["has unknown dtypes", safetensors(one("F4", [4], [0, 16]), 16), "file_dtype_unsupported"],
  ])("refuses a safetensors file that %s", async (_, bytes, code) => {
    const id = engine.id();
    const path = join(engine.folder, `file-${id}`);
    writeFileSync(path, bytes);
    await engine.expectError(await engine.client.ask(["open_file", path, { a: id }]), code);
  });

  it("refuses a folder, a device and a pipe, for which it does not wait", async () => {
    const pipe = join(engine.folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const path of [engine.folder, "/dev/zero", pipe]) {
      const answer = await engine.client.ask(["open_file", path, { a: engine.id() }]);
      await engine.expectError(answer, "file_unreadable");
    }
  });

  it("fails a run whose file has gone or become a pipe", async () => {
    const open = async () => {
      const id = engine.id();
      const path = join(engine.folder, `file-${id}`);
      writeFileSync(path, safetensors(one("F32", [4], [0, 16]), 16));
      await engine.client.result(["open_file", path, { a: id }]);
      unlinkSync(path);
      return { id, path };
    };
    const [gone, piped] = [await open(), await open()];
    execFileSync("mkfifo", [piped.path]);
    for (const { id } of [gone, piped]) {
      const answer = await engine.client.ask(["run", 1, 1, [id], [null]]);
      await engine.expectError(answer, "file_unreadable");
    }
  });
});
