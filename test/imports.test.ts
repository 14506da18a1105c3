import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./support/root.js";

/**
 * The rooms of src/ in the order of docs/architecture.md, each with the rooms that its files may import. A room is a
 * folder, or a file that everything knows. An arrow goes from a room to one before it.
 */
const ROOMS: readonly (readonly [room: string, imports: readonly string[]])[] = [
  ["contract", []],
  ["msgpack", []],
  ["realm.ts", []],
  ["nearest.ts", []],
  ["show.ts", ["realm.ts", "nearest.ts"]],
  ["steps.ts", []],
  ["tensor/dtype.ts", ["contract"]],
  ["error.ts", ["realm.ts", "tensor/dtype.ts"]],
  ["tensor", ["contract", "realm.ts", "show.ts", "tensor/dtype.ts", "error.ts"]],
  [
    "graph",
    [
      "contract",
      "msgpack",
      "realm.ts",
      "nearest.ts",
      "show.ts",
      "steps.ts",
      "tensor/dtype.ts",
      "error.ts",
      "tensor",
    ],
  ],
  ["store", ["msgpack"]],
  ["autograd", ["tensor/dtype.ts", "tensor", "graph"]],
  ["native.ts", ["contract", "tensor/dtype.ts", "graph"]],
  ["native-tensor.ts", ["tensor/dtype.ts", "error.ts", "tensor", "native.ts"]],
  [
    "hooks",
    [
      "contract",
      "realm.ts",
      "show.ts",
      "steps.ts",
      "tensor/dtype.ts",
      "error.ts",
      "tensor",
      "graph",
      "native.ts",
    ],
  ],
  [
    "trace",
    [
      ...["realm.ts", "show.ts", "tensor/dtype.ts", "error.ts", "tensor"],
      ...["graph", "autograd", "native.ts", "native-tensor.ts", "hooks"],
    ],
  ],
  [
    "engine",
    [
      ...["contract", "msgpack", "realm.ts", "show.ts", "steps.ts", "tensor/dtype.ts", "error.ts"],
      ...["tensor", "graph", "store", "native.ts", "native-tensor.ts", "hooks", "trace"],
    ],
  ],
  ["files", ["contract", "show.ts", "tensor/dtype.ts", "error.ts", "tensor"]],
  [
    "models",
    [
      ...["contract", "realm.ts", "show.ts", "tensor/dtype.ts", "error.ts", "tensor"],
      ...["native.ts", "native-tensor.ts", "hooks", "trace", "engine", "files"],
    ],
  ],
  [
    "mlxfn",
    [
      ...["contract", "tensor/dtype.ts", "error.ts", "tensor", "graph", "native.ts"],
      ...["native-tensor.ts", "hooks", "engine", "files"],
    ],
  ],
  [
    "record",
    ["show.ts", "tensor/dtype.ts", "error.ts", "tensor", "native.ts", "hooks", "engine", "files"],
  ],
  [
    "protocol",
    [
      "contract",
      "msgpack",
      ...["realm.ts", "show.ts", "steps.ts", "tensor/dtype.ts", "error.ts", "tensor", "graph"],
      ...["native.ts", "hooks", "engine", "files", "mlxfn", "models", "record"],
    ],
  ],
  ["client", ["contract", "tensor/dtype.ts", "error.ts", "tensor", "hooks", "protocol"]],
  ["attach", ["error.ts", "hooks", "client"]],
  ["server", ["show.ts", "error.ts", "native.ts", "engine", "protocol", "attach"]],
  [
    "cli",
    [
      "nearest.ts",
      ...["realm.ts", "show.ts", "tensor/dtype.ts", "error.ts", "tensor", "graph", "native.ts"],
      ...["native-tensor.ts", "hooks", "engine", "files", "mlxfn", "models", "record"],
      ...["client", "store", "attach", "server"],
    ],
  ],
  [
    "index.ts",
    [
      ...["error.ts", "tensor/dtype.ts", "tensor", "graph", "native-tensor.ts", "hooks", "trace"],
      ...["engine", "files", "mlxfn", "models", "record", "client", "attach"],
    ],
  ],
];

const source = join(root, "src");
const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => path.replaceAll("\\", "/"));

/** The files that a file imports, those of types and of `import()` too. */
function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), "utf8");
  const found = text.matchAll(/(?:from|import\()\s*"(\.[^"]+)\.js"/g);
  return [...found].map(([, path]) =>
    relative(source, normalize(join(source, dirname(file), `${path}.ts`))).replaceAll("\\", "/"),
  );
}

const imports = new Map(files.map((file) => [file, importsOf(file)]));

/** The room of a file: the longest entry that it is, or lies in. */
function roomOf(file: string): string | undefined {
  const rooms = ROOMS.map(([room]) => room).filter(
    (room) => file === room || file.startsWith(`${room}/`),
  );
  return rooms.sort((a, b) => b.length - a.length)[0];
}

/** A way from a file back to itself, if there is one. */
function cycleFrom(start: string): string[] | undefined {
  const seen = new Set<string>();
  const visit = (file: string, way: string[]): string[] | undefined => {
    for (const next of imports.get(file) ?? []) {
      if (next === start) return [...way, next];
      if (seen.has(next)) continue;
      seen.add(next);
      const found = visit(next, [...way, next]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return visit(start, [start]);
}

describe("imports in src/", () => {
  it("read the sources as they are", () => {
    expect(files.length).toBeGreaterThan(100);
    for (const [file, found] of imports) {
      for (const path of found) expect(files, `${file} imports ${path}`).toContain(path);
    }
  });

  it("make no cycle between files", () => {
    expect(files.flatMap((file) => cycleFrom(file)?.join(" -> ") ?? [])).toEqual([]);
  });

  it("go from a room to those that it may know", () => {
    const allowed = new Map(ROOMS);
    const wrong = files.flatMap((file) => {
      const room = roomOf(file);
      if (room === undefined) return [`${file} is in no room`];
      return (imports.get(file) ?? [])
        .filter((path) => {
          const to = roomOf(path) as string;
          return to !== room && !allowed.get(room)?.includes(to);
        })
        .map((path) => `${file} imports ${path}`);
    });
    expect(wrong).toEqual([]);
  });

  it("have arrows that all run the same way", () => {
    const order = ROOMS.map(([room]) => room);
    for (const [index, [room, known]] of ROOMS.entries()) {
      for (const other of known) {
        const at = order.indexOf(other);
        expect(at, `${other}, which ${room} may import, is no room`).toBeGreaterThanOrEqual(0);
        expect(at, `${room} may import ${other}, which comes after it`).toBeLessThan(index);
      }
    }
  });
});
