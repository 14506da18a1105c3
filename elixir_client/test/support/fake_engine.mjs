// A stand-in for the engine that speaks the protocol's frames and computes nothing. What a program does follows
// from the name of its first function, so that tests can have an engine that dies, lies or never answers:
//
//   echo          outputs = inputs
//   events:N      N events of the first input for every watch, then as echo
//   print         one print event of the first input, then as echo
//   call          hands the inputs to a handler and gives what it replies
//   hollow        answers without values
//   count         counts its runs, then answers with no outputs
//   inlined       counts the inputs that came with the run, then as echo
//   hang          never answers, until it is cancelled
//   exit:N        exits with status N
//   kill          kills itself with SIGKILL
//   bye           says bye and exits
//   garbage       answers with bytes that are no frame's payload
//   fail          answers with an error that has everything an error can have
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode, encode } from "@msgpack/msgpack";

const [mode = "normal"] = process.argv.slice(2);
if (mode === "exit") process.exit(7);

const input = new Socket({ fd: 3, readable: true, writable: false });
const output = new Socket({ fd: 4, readable: false, writable: true });
const folder = mkdtempSync(join(tmpdir(), "davit-fake-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
input.on("end", () => process.exit(0));
input.on("error", () => process.exit(0));
output.on("error", () => process.exit(0));

const programs = new Map();
const tensors = new Map();
const freed = [];
const unloaded = [];
const cancelled = [];
const closed = [];
const subscriptions = new Map();
const waiting = new Map();
const consumed = new Map();
const transfers = new Map();
const early = new Map();
const token = randomBytes(16);
const ID = randomBytes(16);
let bulk;
let runs = 0;
let inlined = 0;
let transfer = 0;

createServer((socket) => {
  let chunks = [];
  let size = 0;
  let greeted = false;
  const take = (count) => {
    const all = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks);
    size -= count;
    chunks = size === 0 ? [] : [all.subarray(count)];
    return all.subarray(0, count);
  };
  let head;
  socket.on("error", () => {});
  socket.on("data", (data) => {
    chunks.push(data);
    size += data.length;
    if (!greeted && size >= 16) {
      if (!take(16).equals(token)) return socket.destroy();
      greeted = true;
      bulk = socket;
      // Transfer 0, without bytes: transfers go over this connection from now on.
      socket.write(Buffer.alloc(16));
    }
    while (greeted) {
      if (head === undefined) {
        if (size < 16) return;
        const bytes = take(16);
        head = [Number(bytes.readBigUInt64BE(0)), Number(bytes.readBigUInt64BE(8))];
      }
      if (size < head[1]) return;
      arrived(head[0], Buffer.from(take(head[1])));
      head = undefined;
    }
  });
}).listen(join(folder, "bulk"));

// Bytes may be here before the message that names them.
function arrived(n, bytes) {
  if (!transfers.has(n)) return early.set(n, bytes);
  const { request, tensor, type } = transfers.get(n);
  tensors.set(tensor, { type, bytes });
  send(request, ["ok", null]);
}

let rest = Buffer.alloc(0);
input.on("data", (data) => {
  rest = Buffer.concat([rest, data]);
  while (rest.length >= 4) {
    const length = rest.readUInt32BE(0);
    if (rest.length < 4 + length) break;
    frame(rest.subarray(4, 4 + length));
    rest = rest.subarray(4 + length);
  }
});

function frame(payload) {
  const request = Number(payload.readBigUInt64BE(0));
  const size = payload.readUInt32BE(8);
  const count = payload.readUInt32BE(12);
  let position = 16 + 4 * count + size;
  const header = decode(payload.subarray(16 + 4 * count, position));
  const attachments = [];
  for (let index = 0; index < count; index++) {
    position = Math.ceil(position / 8) * 8;
    const bytes = payload.readUInt32BE(16 + 4 * index);
    attachments.push(Buffer.from(payload.subarray(position, position + bytes)));
    position += bytes;
  }
  const [type, ...args] = header;
  const handler = handlers[type];
  if (handler === undefined) send(request, ["error", { code: "message_unknown", message: type }]);
  else handler(request, args, attachments);
}

function send(request, header, attachments = []) {
  const encoded = encode(header);
  const sizes = Buffer.alloc(4 * attachments.length);
  attachments.forEach((bytes, index) => sizes.writeUInt32BE(bytes.length, 4 * index));
  const parts = [Buffer.alloc(16), sizes, encoded];
  let position = 16 + sizes.length + encoded.length;
  for (const bytes of attachments) {
    const gap = (8 - (position % 8)) % 8;
    parts.push(Buffer.alloc(gap), bytes);
    position += gap + bytes.length;
  }
  parts[0].writeBigUInt64BE(BigInt(request), 0);
  parts[0].writeUInt32BE(encoded.length, 8);
  parts[0].writeUInt32BE(attachments.length, 12);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(position);
  output.write(Buffer.concat([length, ...parts]));
}

const handlers = {
  hello(request) {
    if (mode === "refuse") return send(request, ["error", { code: "protocol", message: "no" }]);
    const path = mode === "nobulk" ? null : join(folder, "bulk");
    send(0, ["log", "info", `fake engine ${process.pid}`]);
    send(request, [
      "ok",
      { protocol: 1, engine: "fake", instance: "1", limits: {}, bulk: path, token, versions: {}, devices: [] },
    ]);
  },
  load(request, [program, constants], [graph]) {
    const main = decode(graph).functions[0];
    programs.set(program, { main, constants });
    const inputs = main.parameters;
    const sites = sitesOf(main.name.split(":")[0], inputs);
    send(request, ["ok", { hash: "00".repeat(32), inputs, outputs: inputs, ...sites }]);
  },
  put(request, [tensor, type, source], attachments) {
    if (Array.isArray(source)) {
      transfers.set(source[1], { request, tensor, type });
      if (early.has(source[1])) arrived(source[1], early.get(source[1]));
      return;
    }
    tensors.set(tensor, { type, bytes: attachments[source] });
    send(request, ["ok", null]);
  },
  get(request, [id, options]) {
    const tensor = tensors.get(id);
    if (tensor === undefined) {
      return send(request, ["error", { code: "tensor_freed", message: `there is no tensor ${id}` }]);
    }
    const { type, bytes } = tensor;
    if (!options.bulk) return send(request, ["ok", { type, value: 0 }], [bytes]);
    const n = ++transfer;
    const head = Buffer.alloc(16);
    head.writeBigUInt64BE(BigInt(n), 0);
    head.writeBigUInt64BE(BigInt(bytes.length), 8);
    bulk.write(head);
    bulk.write(bytes);
    send(request, ["ok", { type, transfer: n, bytes: bytes.length }]);
  },
  run(request, [queue, id, inputs, outputs, options], attachments) {
    const program = programs.get(id);
    if (program === undefined) {
      return send(request, ["error", { code: "unknown_program", message: `no program ${id}` }]);
    }
    const types = program.main.parameters;
    const operands = inputs.map((input, index) =>
      Array.isArray(input)
        ? { type: input[1] ?? types[index], bytes: attachments[input[2]] }
        : tensors.get(input),
    );
    const [name, argument] = program.main.name.split(":");
    behaviours[name](request, operands, outputs, options, Number(argument), queue, inputs);
  },
  free(_, [ids]) {
    for (const id of ids) tensors.delete(id);
    freed.push(...ids);
  },
  unload(_, [id]) {
    programs.delete(id);
    unloaded.push(id);
  },
  cancel(_, [request, reason]) {
    cancelled.push([request, reason]);
    waiting.delete(request);
    send(request, ["error", { code: "cancelled", message: reason }]);
  },
  close_queue(_, [queue]) {
    closed.push(queue);
  },
  subscribe(request, [match, policy, view]) {
    if (match[1] === "refuse me" || existsSync(match[1] ?? "")) {
      return send(request, ["error", { code: "match_invalid", message: "no" }]);
    }
    subscriptions.set(request, { match, policy, view });
    send(request, ["ok", null]);
  },
  unsubscribe(_, [request]) {
    subscriptions.delete(request);
  },
  consumed(request, [bytes]) {
    consumed.set(request, (consumed.get(request) ?? 0) + bytes);
  },
  reply(_, [request, call, values], attachments) {
    const { outputs, options } = waiting.get(request);
    waiting.delete(request);
    const operands = values.map((v) =>
      Array.isArray(v) ? { type: v[1], bytes: attachments[v[2]] } : tensors.get(v),
    );
    answer(request, operands, outputs, options);
  },
  info(request) {
    const map = (pairs) => Object.fromEntries(pairs);
    send(request, [
      "ok",
      {
        pid: process.pid,
        tensors: [...tensors.keys()],
        programs: [...programs.keys()],
        freed,
        unloaded,
        cancelled,
        closed,
        runs,
        inlined,
        subscriptions: [...subscriptions].map(([request, s]) => ({ request, ...s })),
        consumed: map([...consumed].map(([k, v]) => [String(k), v])),
      },
    ]);
  },
};

function answer(request, operands, outputs, options) {
  const values = [];
  const attachments = [];
  operands.forEach(({ type, bytes }, index) => {
    if (outputs[index] !== null) tensors.set(outputs[index], { type, bytes });
    const home = bytes.length <= (options.fetch ?? 0);
    values.push(home ? attachments.push(bytes) - 1 : null);
  });
  send(request, ["ok", { outputs: operands.map((o) => o.type), values }], attachments);
}

function sitesOf(name, types) {
  const site = { node: 0, function: 0, name: "h", label: "layer.0", id: ID, types: [0] };
  const table = (...sites) => ({ functions: ["main"], types, sites });
  if (name === "events") return table({ ...site, number: 0, kind: "hook" });
  if (name === "print") return table({ ...site, number: 0, kind: "print" });
  if (name === "callback") {
    const all = types.map((_, index) => index);
    return table({ ...site, number: 3, kind: "callback", name: "ask", label: undefined, types: all, operands: all });
  }
  return table();
}

function events(stream, request, count, { type, bytes }, subscription) {
  if (stream !== request) {
    const { sites, ...table } = sitesOf("events", [type]);
    send(stream, ["sites", { ...table, sites: [{ ...sites[0], index: 0, program: 1 }] }]);
  }
  for (let seq = 0; seq < count; seq += 32) {
    const batch = [];
    for (let i = seq; i < Math.min(count, seq + 32); i++) {
      batch.push([0, subscription, request, i, [i], 0, [bytes]]);
    }
    send(stream, ["events", batch, batch.length * (64 + bytes.length)]);
  }
}

if (mode !== "silent") send(0, ["ready", { protocol: 1, engine: "fake" }]);

const behaviours = {
  echo: (request, operands, outputs, options) => answer(request, operands, outputs, options),
  events(request, operands, outputs, options, count) {
    (options.hooks ?? []).forEach((_, index) => events(request, request, count, operands[0], index));
    for (const stream of subscriptions.keys()) events(stream, request, count, operands[0], 0);
    answer(request, operands, outputs, options);
  },
  print(request, operands, outputs, options) {
    if (options.print !== false) events(request, request, 1, operands[0], -1);
    answer(request, operands, outputs, options);
  },
  callback(request, operands, outputs, options) {
    waiting.set(request, { outputs, options });
    const values = operands.map((o) => o.bytes);
    send(request, ["callback", 1, 3, 0, []], values);
  },
  hollow: (request) => send(request, ["ok", {}]),
  count(request) {
    runs++;
    send(request, ["ok", { outputs: [], values: [] }]);
  },
  inlined(request, operands, outputs, options, _argument, _queue, inputs) {
    inlined = inputs.filter(Array.isArray).length;
    answer(request, operands, outputs, options);
  },
  hang: (request, operands, outputs, options) => waiting.set(request, { outputs, options }),
  exit: (_request, _operands, _outputs, _options, status) => process.exit(status),
  kill: () => process.kill(process.pid, "SIGKILL"),
  bye(_request) {
    send(0, ["bye", "frame_invalid", "said the fake engine"]);
    output.end(() => process.exit(1));
  },
  garbage(request) {
    const payload = Buffer.alloc(4 + 20, 0xff);
    payload.writeUInt32BE(20);
    payload.writeBigUInt64BE(BigInt(request), 4);
    output.write(payload);
  },
  fail: (request, operands) =>
    send(request, [
      "error",
      {
        code: "shape_invalid",
        message: "matmul cannot multiply these",
        op: "matmul",
        label: "layer.3",
        site: 5,
        inputs: operands.map((o) => o.type),
        expected: "the same inner size",
      },
    ]),
};
