import { FileError } from "../files/error.js";
import { readRegular } from "../files/open.js";
import { isPlainObject } from "../realm.js";
import { show } from "../show.js";

/** An object of a JSON file. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads a JSON file. @throws FileError */
export async function readJsonValue(path: string): Promise<unknown> {
  const text = (await readRegular(path)).toString("utf8");
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FileError("file_malformed", path, "it does not parse", "JSON", { cause });
  }
}

/** Reads a JSON file with an object. @throws FileError */
export async function readJson(path: string): Promise<JsonObject> {
  const value = await readJsonValue(path);
  if (isPlainObject(value)) return value;
  throw new FileError("file_malformed", path, `it holds ${show(value)}`, "a JSON object");
}

/** Returns what a read of a file results in; nothing where there is no such file. */
export async function ifThere<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof FileError && error.code === "file_missing") return undefined;
    throw error;
  }
}

/** A positive whole number of an object. @throws FileError */
export function countOf(object: JsonObject, key: string, path: string): number {
  const value = object[key];
  if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return value;
  throw new FileError("file_malformed", path, `${key} is ${show(value)}`, "a whole number above 0");
}

/** A positive number of an object. @throws FileError */
export function numberOf(object: JsonObject, key: string, path: string): number {
  const value = object[key];
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new FileError("file_malformed", path, `${key} is ${show(value)}`, "a number above 0");
}

/** An object of texts in an object. @throws FileError */
export function stringsOf(
  object: JsonObject,
  key: string,
  path: string,
): Readonly<Record<string, string>> {
  const value = object[key];
  if (isPlainObject(value) && Object.values(value).every((item) => typeof item === "string")) {
    return value as Readonly<Record<string, string>>;
  }
  throw new FileError("file_malformed", path, `${key} is ${show(value)}`, "an object of texts");
}
