import { afterEach, describe, expect, it } from "vitest";
import { Worker } from "../../bench/worker.js";

let worker: Worker;
afterEach(() => worker.close());

/** A worker that runs a script, which gets `answer(text)` and `onRequest(function)`. */
function start(script: string): Worker {
  const framing = `
    const fs = require("node:fs");
    const input = fs.createReadStream("", { fd: 3 });
    const answer = (text) => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(text.length);
      fs.writeSync(4, Buffer.concat([head, Buffer.from(text)]));
    };
    const onRequest = (take) => input.on("data", (frame) => take(frame.subarray(4).toString()));
  `;
  worker = new Worker({
    name: "the test's worker",
    command: process.execPath,
    args: ["-e", framing + script],
  });
  return worker;
}

describe("a worker", () => {
  it("answers with samples, request after request, whatever it prints", async () => {
    start(`
      console.log("not an answer");
      onRequest((request) => answer("ok " + request.split(" ").slice(1).map((n) => n / 4).join(" ")));
    `);
    expect(await worker.measure("quarter", 1, 2)).toEqual([0.25, 0.5]);
    expect(await worker.measure("quarter", 4)).toEqual([1]);
  });

  it("passes its error on, with what was asked for", async () => {
    start('onRequest(() => answer("error out of paper"));');
    const message = 'the test\'s worker, "print 3": out of paper';
    await expect(worker.measure("print", 3)).rejects.toThrow(message);
  });

  it("that ends under way is an error, not a wait", async () => {
    start("onRequest(() => process.exit(3));");
    const message = 'the test\'s worker, "exit": it ended with 3';
    await expect(worker.measure("exit")).rejects.toThrow(message);
  });

  it("that cannot be started is an error", async () => {
    worker = new Worker({ name: "nobody", command: "/no/such/command", args: [] });
    await expect(worker.measure("anything")).rejects.toThrow('nobody, "anything": spawn');
  });

  it("measures one thing at a time", async () => {
    start('onRequest(() => answer("ok 1"));');
    const first = worker.measure("first");
    expect(() => worker.measure("second")).toThrow('still measures "first"');
    expect(await first).toEqual([1]);
  });
});
