import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import { namedId } from "../../src/hooks/ids.js";
import { f32 } from "../../test/support/client.js";
import { asking, hooked, increment } from "../../test/support/graphs.js";
import { drawGraphFile } from "../bytes/graph-file.js";
import type { Random } from "../random.js";

/** A message of a client: its request number, what its header says, and its attachments. */
export interface Sent {
  readonly request: number;
  readonly message: readonly unknown[];
  readonly attachments: readonly Uint8Array[];
}

const TYPE = ["float32", [4]];
const INLINE = ["inline", TYPE, 0];
const VALUES = f32(1, 2, 3, 4);
const ID = namedId("sum");

/** Draws what a client says that makes no mistakes; files are those of {@link FILES}. */
export function drawConversation(random: Random): Sent[] {
  const sent: Sent[] = [];
  let next = 1;
  const say = (
    message: readonly unknown[],
    attachments: readonly Uint8Array[] = [],
    request = next++,
  ) => {
    sent.push({ request, message, attachments });
    return request;
  };
  const graphs = [increment(), hooked(), asking()].map((graph) => encodeGraph(graph));
  say(["hello", { protocol: 1, client: "fuzz", limits: { hook_credit: 4096 } }]);
  graphs.forEach((graph, program) => {
    say(["load", program + 1, {}], [graph]);
  });
  say(["put", 1, TYPE, 0], [VALUES]);
  const program = () => random.between(1, 3);
  const tensor = () => random.between(1, 6);
  const queue = () => random.between(1, 2);
  const match = () =>
    random.pick([
      ["all"],
      ["name", "sum"],
      ["id", ID],
      ["label", "layer.*"],
      ["probe", "layer.?.add"],
    ]);
  const policy = () => random.pick(["every", "latest", ["sample", 2], ["rate", 100], null]);
  const view = () => random.pick(["full", ["slice", [1], [2]], ["summary", 4], null]);
  const operand = () => (random.chance(0.5) ? INLINE : tensor());
  const run = (options: Record<string, unknown>) =>
    say(
      ["run", queue(), program(), [operand()], [random.pick([null, tensor()])], options],
      [VALUES],
    );
  const kinds: (() => void)[] = [
    () => say(["load", tensor() + 3, {}], [drawGraphFile(random)]),
    () => say(["put", tensor(), TYPE, 0], [VALUES]),
    () => say(["put", tensor(), TYPE, ["transfer", tensor()]]),
    () => say(["get", tensor(), random.pick([{}, { bulk: true }])]),
    () => say(["open_file", "case.safetensors", { a: tensor(), b: tensor() }]),
    () => say(["open_function", "case.mlxfn"]),
    () => say(["unload", program()], [], 0),
    () => say(["free", [tensor(), tensor()]], [], 0),
    () => say(["cancel", random.between(1, next), "enough"], [], 0),
    () => say(["close_queue", queue()], [], 0),
    () => say(["subscribe", match(), policy(), view()]),
    () => say(["unsubscribe", random.between(1, next)], [], 0),
    () => say(["consumed", random.pick([0, 80, 4096])], [], random.between(1, next)),
    () => say(["record", tensor(), "case.rec", [match()]]),
    () => say(["stop_recording", tensor()]),
    () => say(["replay", tensor(), "case.rec"]),
    () => say(["stop_replay", tensor()]),
    () => say(["open_model", tensor(), "."]),
    () => say(["embed", tensor(), random.pick([null, tensor()]), random.below(3)], [VALUES]),
    () => say(["generate", tensor(), queue(), tensor(), random.pick(["a", [1], [["user", "a"]]])]),
    () => say(["next_token", tensor()]),
    () => say(["close_generation", tensor()], [], 0),
    () => say(["snapshot", tensor(), tensor(), "a"]),
    () => say(["close_snapshot", tensor()], [], 0),
    () => say(["close_model", tensor()], [], 0),
    () => say(["info"]),
    () => say(["memory"]),
    () => {
      const asked = run({ fetch: 1024 });
      say(["reply", asked, 1, [operand()]], [VALUES], 0);
    },
    () => {
      const asked = run({ timeout: 1000 });
      say(["reply_error", asked, 1, "no", "not today"], [], 0);
    },
    () => run({ fetch: 16, hooks: [[match(), policy(), view()]], print: random.chance(0.5) }),
    () => run({ replay: tensor(), parent: random.between(1, next) }),
    () => run({}),
  ];
  for (let count = random.between(2, 12); count > 0; count--) random.pick(kinds)();
  return sent;
}
