import { deserialize, serialize } from "node:v8";

/** Structured data as text: bigints, bytes and NaN as they are. */
export function pack(value: unknown): string {
  return serialize(value).toString("base64");
}

/** What {@link pack} made text of. */
export function unpack<T>(text: string): T {
  return deserialize(Buffer.from(text, "base64")) as T;
}
