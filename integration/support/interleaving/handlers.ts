import { f32 } from "../../../test/support/client.js";
import type { Client } from "./client.js";
import type { KindName, Vector } from "./programs.js";
import type { RunRecord, Standing } from "./record.js";
import type { Observed } from "./verify.js";

/** Events that came together. */
interface Events {
  /** The run whose own stream this is, or the subscription. */
  readonly own: RunRecord | undefined;
  readonly standing: Standing | undefined;
  /** The run of the last one, where it is this client's. */
  readonly run?: RunRecord | undefined;
  readonly value?: Observed["values"][number] | undefined;
  /** Gives their credit back. */
  consume(): void;
}

/** Does with events what their run or subscription plans. */
export function handleEvents(client: Client, events: Events): void {
  const { own, standing, run, value, consume } = events;
  const plan = standing?.events ?? own?.plan.events;
  if (plan === "hold") {
    client.held.push(consume);
  } else if (plan === "compute" && client.world.budget > 0) {
    const x = Array.isArray(value) && value.length === 4 ? (value as Vector) : [1, 2, 3, 4];
    nested(client, "plain", x, own, consume);
  } else {
    if (plan === "unwatch" && standing !== undefined) client.unsubscribe(standing);
    if (plan === "cancel" && run !== undefined) client.cancel(run);
    consume();
  }
}

/** A call that waits. */
interface Call {
  readonly call: number;
  readonly path: readonly number[];
  readonly values: readonly Vector[];
}

/** Answers a call, now or later, as its run plans. */
export function answerCall(client: Client, run: RunRecord, asked: Call): void {
  const { call, path, values } = asked;
  const planned = run.asked(asked);
  const plan = client.world.budget > 0 ? planned : "reply";
  const reply = (results: readonly Vector[]) => {
    run.replies.set(path.join(), results);
    client.reply(run.request, call, results);
  };
  const fail = (why: string) => {
    run.mayFail("handler_failed");
    client.tell(["reply_error", run.request, call, "handler_failed", why]);
  };
  const twice = values.map((value) => value.map((item) => 2 * item));
  const [x] = values as [Vector];
  switch (plan) {
    case "reply":
      reply(twice);
      break;
    case "hold":
      client.held.push(() => reply(twice));
      break;
    case "twice":
      reply(twice);
      client.reply(run.request, call, values);
      break;
    case "compute":
    case "ask":
      nested(client, plan === "ask" ? "ask" : "plain", x, run, ({ value }) => {
        // It may have been cancelled.
        if (value === undefined) fail("cancelled");
        else reply(values.map(() => value));
      });
      break;
    case "computing": {
      // The reply is what a run under way will give; its name is given up at once.
      const { name } = nested(client, "plain", x, run, ({ code }) => {
        // It may have been cancelled, and then there is no reply to take.
        if (code !== undefined) run.mayFail(code);
      });
      run.replies.set(
        path.join(),
        values.map(() => x.map((item) => item + 1)),
      );
      client.tell(["reply", run.request, call, values.map(() => name)]);
      client.free(name as number);
      break;
    }
    case "error":
      fail("oops");
      break;
    case "wrong":
      run.mayFail("reply_invalid");
      client.tell(["reply", run.request, call, [["inline", ["float32", [2]], 0]]], [f32(1, 2)]);
      break;
    case "die":
      client.die("crash");
  }
}

/** A handler's own run. */
function nested(
  client: Client,
  kind: KindName,
  input: Vector,
  parent: RunRecord | undefined,
  done: (run: RunRecord) => void,
): RunRecord {
  client.world.budget--;
  // What computes for an event must not wait behind a run that waits for that event's credit.
  const queue = parent === undefined ? 98 : 99;
  const plan = { kind, input, queue, fetch: true, name: true, print: true, timeout: false };
  return client.run({ ...plan, hooks: [], events: "consume", calls: ["reply"], parent }, done);
}
