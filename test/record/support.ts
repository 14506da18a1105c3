import type { Place } from "../../src/record/format.js";
import { VERSION } from "../../src/record/format.js";
import { RecordWriter } from "../../src/record/writer.js";
import type { TensorType } from "../../src/tensor/dtype.js";
import { type TensorLike, toBytes, typeOfValue } from "../../src/tensor/values.js";

/** One event of a recording that a test writes. */
export interface Written {
  readonly title: string;
  readonly value: TensorLike;
  readonly dtype?: TensorType["dtype"];
  readonly run?: number;
  readonly path?: readonly number[];
  readonly ordinal?: number;
}

/** Writes a recording as the engine would. */
export async function writeRecording(
  path: string,
  events: readonly Written[],
  { closed = true } = {},
): Promise<string> {
  const writer = new RecordWriter(path);
  writer.write(["recording", VERSION]);
  const places = new Map<string, number>();
  events.forEach(({ title, value, dtype, run = 1, path: loops = [], ordinal = 0 }, seq) => {
    const type = typeOfValue(value, dtype);
    const key = JSON.stringify([title, ordinal, type]);
    let place = places.get(key);
    if (place === undefined) {
      place = places.size;
      places.set(key, place);
      const described: Place = {
        site: place,
        function: "main",
        node: place,
        kind: "node",
        label: title,
        types: [type],
        ordinal,
      };
      writer.write(["place", place, described]);
    }
    writer.write(["event", place, run, 1, seq, loops], [toBytes(value, type)]);
  });
  if (closed) writer.write(["end", events.length]);
  writer.close();
  return path;
}
