import { connect, type Socket } from "node:net";
import { FrameReader } from "../../port/src/reader.js";
import { encodeGraph } from "../../src/graph/encoding/canonical.js";
import { decodeFrame } from "../../src/protocol/frame.js";
import { decodeHeader } from "../../src/protocol/header.js";
import type { Host } from "../../src/protocol/host.js";
import { f32, floats, type Received } from "../../test/support/client.js";
import { increment } from "../../test/support/graphs.js";
import { type OpenSession, openSession } from "../../test/support/session.js";
import { errorOutcome, type Outcome } from "../outcome.js";
import type { Stream } from "./draw-stream.js";

/** Ids that no conversation has. */
const OURS = 2 ** 40;
const TYPE = ["float32", [4]];
const INCREMENT = encodeGraph(increment());

/** Gives a session what a client sent, then looks whether it, or a new one, still serves. */
export async function feed(host: Host, stream: Stream): Promise<Outcome> {
  const open = openSession(host);
  const { client, session } = open;
  let socket: Socket | undefined;
  try {
    await deliver(open, stream.chunks);
    if (stream.bulk !== undefined) socket = await sendBulk(open, host, stream.bulk);
    const ended = client.received.find(({ type }) => type === "bye");
    const greeted = client.received.some(({ args }) => args[0]?.protocol !== undefined);
    const stopped = ended === undefined && greeted ? await probe(open, false) : undefined;
    const fault = stopped ?? (await serveAnother(host)) ?? uncoded(client.received);
    if (fault !== undefined) return fault;
    if (ended === undefined) return { kind: "ok", digest: "" };
    return { kind: "error", code: ended.args[0], message: ended.args[1] };
  } finally {
    socket?.destroy();
    session.close();
  }
}

async function deliver({ session }: OpenSession, chunks: readonly Uint8Array[]): Promise<void> {
  const reader = new FrameReader(
    4,
    2 ** 20,
    (frame) => {
      if (mayTouch(frame)) session.receive(frame);
    },
    (error) => session.end(error.code, error.message),
  );
  for (const chunk of chunks) {
    reader.push(Buffer.from(chunk));
    // Runs go on between frames.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A drawn path is not to leave the folder that the files are in. */
function mayTouch(frame: Uint8Array): boolean {
  try {
    const header = decodeHeader(decodeFrame(frame).header);
    return header.every((item) => typeof item !== "string" || !/[/\\\0]/.test(item));
  } catch {
    return true;
  }
}

/** Sends bytes after the session's token over the bulk socket; undefined where the session told none. */
async function sendBulk(
  { client }: OpenSession,
  host: Host,
  bytes: Uint8Array,
): Promise<Socket | undefined> {
  const hello = client.received.find(({ type, args }) => type === "ok" && args[0]?.token);
  if (hello === undefined || host.bulk === undefined) return undefined;
  const socket = connect(host.bulk.path);
  socket.on("error", () => {}); // it is refused, or ended by the other side
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("close", resolve);
    socket.write(Buffer.concat([hello.args[0].token, bytes]), () => resolve());
  });
  return socket;
}

async function serveAnother(host: Host): Promise<Outcome | undefined> {
  const another = openSession(host);
  try {
    return await probe(another, true);
  } finally {
    another.session.close();
  }
}

/** Computes x + 1 over a session; says what is wrong with the answer. */
async function probe(
  { client, closed }: OpenSession,
  fresh: boolean,
): Promise<Outcome | undefined> {
  // The numbers of its requests too are none that a conversation has.
  let request = OURS;
  const ask = (message: readonly unknown[], attachments: readonly Uint8Array[] = []) => {
    client.tell(message, attachments, ++request);
    return client.answer(request);
  };
  const answers = async () => {
    if (fresh) await ask(["hello", { protocol: 1, client: "fuzz" }]);
    await ask(["load", OURS, {}], [INCREMENT]);
    const run = ["run", OURS, OURS, [["inline", TYPE, 0]], [null], { fetch: 16 }];
    const { type, args, attachments } = await ask(run, [f32(1, 2, 3, 4)]);
    return type === "ok" ? floats(attachments[0]).join() : JSON.stringify(args);
  };
  const answer = await Promise.race([answers(), closed.then(() => "the session's end")]);
  if (answer === "2,3,4,5") return undefined;
  const told = client.received.slice(-4).map(({ type, args }) => JSON.stringify([type, ...args]));
  return {
    kind: "found",
    what: "stops serving",
    detail: [`x + 1 was answered by ${answer}; last came`, ...told].join("\n"),
  };
}

/** An error or a good-bye without a stable code, if there was one. */
function uncoded(received: readonly Received[]): Outcome | undefined {
  for (const { type, args } of received) {
    if (type !== "error" && type !== "bye") continue;
    const [code, message] = type === "error" ? [args[0]?.code, args[0]?.message] : args;
    const outcome = errorOutcome({ code, message });
    if (outcome.kind === "found") return outcome;
  }
  return undefined;
}
