import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  CANONICAL_VERSION,
  decodeGraph,
  encodeGraph,
  hashBytes,
} from "../../../src/graph/encoding/canonical.js";

/** Graphs as earlier builds wrote them. Nothing generates these files: a change that needs to change one breaks what users have on disk. */
const folder = new URL("../../vectors/v1/", import.meta.url);

const sums = readFileSync(new URL("SHA256SUMS", folder), "utf8")
  .trim()
  .split("\n")
  .map((line) => line.split("  ") as [string, string]);

describe("version 1 of the encoding", () => {
  it("is the version that is written", () => expect(CANONICAL_VERSION).toBe(1));

  it("has all of its files listed", () => {
    const files = readdirSync(folder).filter((name) => name.endsWith(".davit"));
    expect(files.sort()).toEqual(sums.map(([, name]) => name).sort());
  });

  it.each(sums)("%s: %s is read, and written as it was", (sum, name) => {
    const bytes = readFileSync(new URL(name, folder));
    expect(hashBytes(bytes)).toBe(sum);
    const graph = decodeGraph(bytes);
    expect(Buffer.compare(encodeGraph(graph), bytes)).toBe(0);
    // Nothing is lost in between: what was read says the same again.
    expect(decodeGraph(encodeGraph(graph))).toEqual(graph);
  });
});
