import { smallerBytes } from "../bytes/smaller.js";
import type { Stream } from "./draw-stream.js";

/** Streams that are almost a given one but shorter: first whole frames go, then bytes. */
export function* smallerStreams({ chunks, bulk }: Stream): Generator<Stream> {
  const bytes = Uint8Array.from(Buffer.concat(chunks));
  const more = bulk === undefined ? {} : { bulk };
  if (bulk !== undefined) yield { chunks };
  if (chunks.length > 1) yield { chunks: [bytes], ...more };
  for (const [from, to] of frames(bytes)) {
    yield { chunks: [bytes.slice(0, from), bytes.slice(to)], ...more };
  }
  for (const fewer of smallerBytes(bytes)) yield { chunks: [fewer], ...more };
}

/** Where the frames of a stream lie, as far as its lengths are right. */
function frames(bytes: Uint8Array): [number, number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: [number, number][] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + view.getUint32(at);
    if (end > bytes.length) break;
    found.push([at, end]);
    at = end;
  }
  return found;
}
