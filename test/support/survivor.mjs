// Runs graphs one after the other in this process, which one of them may end. Takes the address of the package, and JSON
// on its standard input: [{graph, inputs: [{type, bytes}], options}]; prints one JSON line for each, bytes in Base64.
import { text } from "node:stream/consumers";

const { Engine } = await import(process.argv[2]);

// The bytes of attributes do not survive JSON.
const revive = (_key, value) =>
  value !== null && typeof value === "object" && "base64" in value
    ? new Uint8Array(Buffer.from(value.base64, "base64"))
    : value;

for (const { graph, inputs, options } of JSON.parse(await text(process.stdin), revive)) {
  const engine = Engine.create({ lanes: 1, ...options });
  let answer;
  try {
    const program = engine.load(graph);
    const tensors = inputs.map(({ type, bytes }) => engine.fromBytes(bytes, type));
    const { outputs } = engine.run(program, tensors);
    const results = outputs.map(async (output) => ({
      type: output.type,
      bytes: Buffer.from(await output.bytes()).toString("base64"),
    }));
    answer = { results: await Promise.all(results) };
  } catch ({ code, op, message }) {
    answer = { error: { code, op, message } };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  await engine.close();
}
