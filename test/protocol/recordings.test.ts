import { beforeEach, describe, expect, it } from "vitest";
import type { Session } from "../../src/protocol/session.js";
import { diffRecordings } from "../../src/record/diff.js";
import { RecordingFile } from "../../src/record/reader.js";
import { f32, floats, type TestClient } from "../support/client.js";
import { sessionForEachTest } from "../support/each-session.js";
import { asking, hooked } from "../support/graphs.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const at = temporaryFolder();
let client: TestClient;
let session: Session;

sessionForEachTest(async (opened) => {
  ({ client, session } = opened);
  await client.load(1, hooked());
});

async function run(...values: number[]): Promise<void> {
  const inputs = [["inline", ["float32", [values.length]], 0]];
  const answer = await client.ask(["run", 1, 1, inputs, [null]], [f32(...values)]);
  expect(answer.type).toBe("ok");
}

describe("record", () => {
  it("keeps what matches until it is stopped", async () => {
    expect(await client.ask(["record", 1, at("a.rec"), [["all"]]])).toMatchObject({ type: "ok" });
    await run(1, 2, 3, 4);
    await run(5, 6, 7, 8);
    expect(await client.ask(["stop_recording", 1])).toMatchObject({ args: [{ events: 2 }] });
    await client.ask(["record", 2, at("b.rec"), [["name", "none"], ["all"]]]);
    await run(1, 2, 3, 4);
    await run(5, 6, 7, 9);
    await client.ask(["stop_recording", 2]);
    await run(1, 1, 1, 1);
    const found = await diffRecordings(at("a.rec"), at("b.rec"));
    expect(found.first).toMatchObject({ where: { run: 1 }, index: [3] });
    expect(found.b).toMatchObject({ complete: true, runs: 2, events: 2 });
  });

  it("ends with the session", async () => {
    await client.ask(["record", 1, at("ended.rec"), [["all"]]]);
    await run(1, 2, 3, 4);
    session.close();
    const file = await RecordingFile.open(at("ended.rec"));
    expect(file).toMatchObject({ complete: true, events: { length: 1 } });
    await file.close();
  });

  it("refuses what makes no sense", async () => {
    await client.ask(["record", 1, at("c.rec"), []]);
    const cases: [unknown[], string, RegExp][] = [
      [["record", 1, at("d.rec"), []], "recording_taken", /recording 1/],
      [["record", 2, at("no/such/d.rec"), []], "file_missing", /d\.rec/],
      [["record", 2, 7, []], "message_invalid", /record's path is 7/],
      [["record", 2, at("d.rec"), "all"], "message_invalid", /record's matches is "all"/],
      [["record", 2, at("d.rec"), [["every"]]], "message_invalid", /a match is/],
      [["stop_recording", 2], "recording_unknown", /recording 2/],
    ];
    for (const [message, code, text] of cases) {
      const { type, args } = await client.ask(message);
      expect([type, args[0].code]).toEqual(["error", code]);
      expect(args[0].message).toMatch(text);
    }
    expect(await client.ask(["stop_recording", 1])).toMatchObject({ args: [{ events: 0 }] });
  });
});

describe("replay", () => {
  const type = ["float32", [2]];
  const inline = ["inline", type, 0];
  const runAsking = (options = {}) =>
    client.send(["run", 1, 2, [inline], [null], { fetch: 100, ...options }], [f32(1, 2)]);
  const values = async (request: number) => floats((await client.answer(request)).attachments[0]);

  beforeEach(async () => {
    await client.load(2, asking([2]));
  });

  /** A recording of two runs and their replies. */
  async function recorded(name: string): Promise<string> {
    await client.ask(["record", 9, at(name), []]);
    for (const reply of [f32(10, 20), f32(30, 40)]) {
      const request = runAsking();
      const { args } = await client.find(
        (one) => one.request === request && one.type === "callback",
      );
      client.tell(["reply", request, args[0], [inline]], [reply]);
      await client.answer(request);
    }
    await client.ask(["stop_recording", 9]);
    return at(name);
  }

  it("answers the calls of the runs that ask for it, and of no others", async () => {
    const path = await recorded("replies.rec");
    expect(await client.ask(["replay", 1, path])).toMatchObject({ type: "ok" });
    expect(await values(runAsking({ replay: 1 }))).toEqual([10, 20]);
    const other = runAsking();
    const { args } = await client.find((one) => one.request === other && one.type === "callback");
    client.tell(["reply", other, args[0], [inline]], [f32(5, 6)]);
    expect(await values(other)).toEqual([5, 6]);
    expect(await values(runAsking({ replay: 1 }))).toEqual([30, 40]);
    const third = await client.answer(runAsking({ replay: 1 }));
    expect(third.args[0]).toMatchObject({ code: "replay_missing" });
    expect(await client.result(["stop_replay", 1])).toEqual({ answered: 2 });
    const stopped = await client.answer(runAsking({ replay: 1 }));
    expect(stopped.args[0]).toMatchObject({ code: "recording_unknown" });
  });

  it("plays two recordings beside each other", async () => {
    const path = await recorded("twice.rec");
    await client.result(["replay", 1, path]);
    await client.result(["replay", 2, path]);
    const requests = [1, 2].map((replay) => runAsking({ replay }));
    expect(await Promise.all(requests.map(values))).toEqual([
      [10, 20],
      [10, 20],
    ]);
  });

  it("refuses what makes no sense", async () => {
    const path = await recorded("good.rec");
    await client.result(["replay", 1, path]);
    const cases: [unknown[], string, RegExp][] = [
      [["replay", 1, path], "recording_taken", /replay 1/],
      [["replay", 2, at("none.rec")], "file_missing", /none\.rec/],
      [["replay", 2, 7], "message_invalid", /replay's path is 7/],
      [["stop_replay", 2], "recording_unknown", /no replay 2/],
      [["run", 1, 2, [inline], [null], { replay: 2 }], "recording_unknown", /no replay 2/],
      [["run", 1, 2, [inline], [null], { replay: "a" }], "message_invalid", /run's replay is "a"/],
    ];
    for (const [message, code, text] of cases) {
      const { type, args } = await client.ask(message, message[0] === "run" ? [f32(1, 2)] : []);
      expect([type, args[0].code]).toEqual(["error", code]);
      expect(args[0].message).toMatch(text);
    }
  });
});
