// Functions of Nx that were lowered to graphs and evaluated by Nx.BinaryBackend (`mix davit.record`, docs/nx.md), replayed on the
// engine: so what Davit computes for Nx is tested where Nx is not to be had.
import { afterAll, describe, expect, it } from "vitest";
import { decodeGraph } from "../src/graph/encoding/canonical.js";
import { Engine, type Event, type Tensor, type TypedArray } from "../src/index.js";
import { difference, recordedCases, typeOf } from "./support/conformance.js";

const engine = Engine.create({ lanes: 1, device: "cpu" });
afterAll(() => engine.close());

describe.each([...recordedCases()])("%s", (_family, cases) => {
  it.each(cases.map((recorded) => [recorded.name, recorded] as const))(
    "%s",
    async (_name, recorded) => {
      const constants = Object.entries(recorded.constants).map(
        ([hash, value]) => [hash, engine.fromBytes(value[2], typeOf(value))] as const,
      );
      const program = engine.load(decodeGraph(recorded.graph), { constants: new Map(constants) });
      const inputs = recorded.inputs.map((input) => engine.fromBytes(input[2], typeOf(input)));
      const events: Event[] = [];
      const all = engine.subscribe("all", (event) => events.push(event));
      const { outputs, done } = engine.run(program, inputs);
      await done;
      all.close();

      expect(outputs.map(({ dtype, shape }) => ({ dtype, shape }))).toEqual(
        recorded.outputs.map(typeOf),
      );
      for (const [place, expected] of recorded.outputs.entries()) {
        const bytes = await (outputs[place] as Tensor).bytes();
        expect(difference(bytes, expected), `result ${place}`).toBeUndefined();
      }
      expect(events.map(({ name }) => name)).toEqual(recorded.events.map(([name]) => name));
      for (const [place, [name, values]] of recorded.events.entries()) {
        const event = events[place] as Event;
        expect(event.types).toEqual(values.map(typeOf));
        for (const [number, expected] of values.entries()) {
          const bytes = bytesOf(event.values[number] as TypedArray);
          expect(difference(bytes, expected), `${name} ${number}`).toBeUndefined();
        }
      }
    },
  );
});

const bytesOf = ({ buffer, byteOffset, byteLength }: TypedArray) =>
  new Uint8Array(buffer, byteOffset, byteLength);
