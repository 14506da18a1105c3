import { checkedByteLength } from "../files/array.js";
import { show } from "../show.js";
import { isDtype, type TensorType } from "../tensor/dtype.js";
import { damaged, type Place, type RecordHeader, VERSION } from "./format.js";

const KINDS: readonly unknown[] = ["hook", "hook_gradient", "print", "callback", "node"];
const EVENT = '["event", place, run, program, seq, path]';

/**
 * Reads and checks a record's header; `at` is where it lies in the file.
 * @throws FileError `file_malformed`
 */
export function decodeHeader(bytes: Uint8Array, path: string, at: number): RecordHeader {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw damaged(path, `the header at byte ${at} does not parse`, "a list in JSON");
  }
  const refuse = (expected: string) =>
    damaged(path, `the header at byte ${at} is ${show(header)}`, expected);
  if (!Array.isArray(header)) throw refuse("a list");
  const [kind, first] = header;
  switch (kind) {
    case "recording":
      if (first !== VERSION) throw refuse(`version ${VERSION} of the format`);
      break;
    case "place":
      if (!isCount(first) || !isPlace(header[2], path)) throw refuse('["place", number, {…}]');
      break;
    case "event": {
      const loops = header[5];
      const numbers = header.slice(1, 5);
      if (numbers.length !== 4 || !numbers.every(isCount)) throw refuse(EVENT);
      if (!Array.isArray(loops) || !loops.every(isCount)) throw refuse(EVENT);
      break;
    }
    case "end":
      if (!isCount(first)) throw refuse('["end", events]');
      break;
    default:
      throw refuse("one of recording, place, event, end");
  }
  return header as unknown as RecordHeader;
}

function isPlace(value: unknown, path: string): value is Place {
  if (typeof value !== "object" || value === null) return false;
  const { site, node, function: name, kind, label, name: hook, types, ordinal } = value as Place;
  const texts = [label, hook].every((text) => text === undefined || typeof text === "string");
  if (!texts || typeof name !== "string" || !KINDS.includes(kind)) return false;
  if (![site, node, ordinal].every(isCount) || !Array.isArray(types)) return false;
  return types.every((type) => isType(type, path));
}

function isType(value: unknown, path: string): value is TensorType {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape } = value as TensorType;
  if (!isDtype(dtype) || !Array.isArray(shape) || !shape.every(isCount)) return false;
  checkedByteLength({ dtype, shape }, path);
  return true;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
