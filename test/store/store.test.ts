import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Store, type StoreModule } from "../../src/store/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
let stores = 0;

const bytes = (text: string) => Buffer.from(text);
const text = (data: Uint8Array | undefined) => data && Buffer.from(data).toString();

/** A store in a folder of its own, and how others open it. */
function setUp() {
  const path = temporary(`store-${stores++}`);
  const warnings: string[] = [];
  const open = (options = {}) =>
    new Store({ path, warn: (message) => warnings.push(message), ...options });
  const at = (...names: string[]) => join(path, "v1", ...names);
  const only = (part: string) => at(part, readdirSync(at(part))[0] as string);
  return { path, warnings, open, at, only };
}

/** A thousand functions, each with a global of its own and one that all share. */
function thousand(): StoreModule {
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  return {
    functions: numbers.map((number) => ({
      name: `f${number}`,
      data: bytes(`function ${number} `.repeat(100)),
      functions: number % 10 === 0 && number > 0 ? [`f${number - 1}`] : [],
      globals: [`g${number}`],
    })),
    globals: numbers.map((number) => ({
      name: `g${number}`,
      data: bytes(`global ${number}`),
      constant: number % 100 === 0,
    })),
  };
}

describe("a store", () => {
  it("gives another process what was added", () => {
    const { open } = setUp();
    expect(open().find("f")).toBeUndefined();
    open().add({
      functions: [
        { name: "f", data: bytes("F"), functions: ["g"], globals: ["c"] },
        { name: "g", data: bytes("G"), functions: ["f"] },
      ],
      globals: [{ name: "c", data: bytes("C"), constant: true }],
    });
    const found = open().find("f");
    expect(text(found?.data)).toBe("F");
    expect(text(found?.globals.get("c"))).toBe("C");
    expect(text(found?.functions.get("g")?.data)).toBe("G");
    expect(found?.functions.get("g")?.functions.get("f")).toBe(found);
  });

  it("finds what a function needs in other modules", () => {
    const { open } = setUp();
    open().add({ functions: [{ name: "f", data: bytes("F"), functions: ["g"] }] });
    const store = open();
    expect(store.find("f")).toBeUndefined();
    store.add({ functions: [{ name: "g", data: bytes("G") }] });
    store.add({ functions: [{ name: "f", data: bytes("F"), functions: ["g"] }] });
    expect(text(open().find("f")?.functions.get("g")?.data)).toBe("G");
  });

  it("reads of a module what a function needs, and nothing else", () => {
    const { open, only } = setUp();
    open().add(thousand());
    const { size } = statSync(only("modules"));
    const one = open();
    expect(one.find("f500")?.functions.size).toBe(1);
    expect(one.counts).toMatchObject({ functions: 2, globals: 2, hits: 1 });
    const all = open();
    for (let number = 0; number < 1000; number++) all.find(`f${number}`);
    expect(all.counts.functions).toBe(1099);
    expect(one.counts.bytes).toBeLessThan(all.counts.bytes / 500);
    expect(one.counts.bytes).toBeLessThan(size / 100);
  });

  it("reads of a module that is needed as a whole each byte once", () => {
    const { open, only } = setUp();
    const { functions } = thousand();
    const parts = functions.map(({ name, data }) => ({ name, data }));
    const all = { name: "all", data: bytes(""), functions: parts.map(({ name }) => name) };
    open().add({ functions: [...parts, all] });
    const store = open();
    expect(store.find("all")?.functions.size).toBe(1000);
    expect(store.counts.bytes).toBe(statSync(only("modules")).size);
  });

  it("keeps constants once, whichever modules have them", () => {
    const { open, at } = setUp();
    const global = { name: "c", data: Buffer.alloc(1000, 7), constant: true };
    const store = open();
    for (const name of ["f", "g"]) {
      store.add({ functions: [{ name, data: bytes(name), globals: ["c"] }], globals: [global] });
    }
    expect(readdirSync(at("constants"))).toHaveLength(1);
    for (const id of readdirSync(at("modules"))) {
      expect(statSync(at("modules", id)).size).toBeLessThan(300);
    }
  });

  it("refuses a module that names nothing", () => {
    const { open } = setUp();
    const f = { name: "f", data: bytes("") };
    expect(() => open().add({ functions: [f, f] })).toThrow(TypeError);
    expect(() => open().add({ functions: [{ ...f, globals: ["c"] }] })).toThrow(TypeError);
  });

  it("makes no path of a name", () => {
    const { open, path } = setUp();
    const names = ["../../out", "/etc/passwd", "a\0b", "", ".", "💥".repeat(5000)];
    const store = open();
    for (const name of names) store.add({ functions: [{ name, data: bytes(name) }] });
    for (const name of names) expect(text(open().find(name)?.data)).toBe(name);
    expect(readdirSync(path)).toEqual(["v1"]);
  });

  it("tells names of one hash apart", () => {
    const { open } = setUp();
    const options = { hash: () => "0".repeat(64) };
    open(options).add({ functions: [{ name: "a", data: bytes("A") }] });
    open(options).add({ functions: [{ name: "b", data: bytes("B") }] });
    expect(text(open(options).find("a")?.data)).toBe("A");
    expect(text(open(options).find("b")?.data)).toBe("B");
    expect(open(options).find("c")).toBeUndefined();
  });
});

describe("after a race", () => {
  it("many modules have a function, readers choose a whole one, and gc leaves that", () => {
    const { open, at } = setUp();
    for (let number = 0; number < 50; number++) {
      open().add({ functions: [{ name: "f", data: bytes(`F${number}`) }] });
    }
    const ids = readdirSync(at("modules"));
    expect(ids).toHaveLength(50);
    const damaged = ids.filter((_, index) => index !== 31);
    for (const id of damaged) {
      const file = readFileSync(at("modules", id));
      file[file.length - 1] = 0;
      writeFileSync(at("modules", id), file);
    }
    const store = open();
    expect(text(store.find("f")?.data)).toMatch(/^F\d+$/);
    expect(store.gc({ grace: 0 }).bytes).toBe(statSync(at("modules", ids[31] as string)).size);
    expect(text(open().find("f")?.data)).toMatch(/^F\d+$/);
    expect(readdirSync(at("modules"))).toEqual([ids[31]]);
  });

  it("a damaged or missing global stops only those that need it", () => {
    const { open, at } = setUp();
    const globals = ["a", "b"].map((name) => ({ name, data: bytes(name), constant: true }));
    const functions = ["a", "b"].map((name) => ({ name, data: bytes(name), globals: [name] }));
    open().add({ functions, globals });
    const [first] = readdirSync(at("constants"));
    rmSync(at("constants", first as string));
    const store = open();
    const found = ["a", "b"].map((name) => store.find(name) !== undefined);
    expect(found.sort()).toEqual([false, true]);
    expect(store.counts.damaged).toBe(1);
    store.add({ functions, globals });
    expect(["a", "b"].map((name) => text(open().find(name)?.data))).toEqual(["a", "b"]);
  });
});

describe("files that are not as they were written", () => {
  const sample = { functions: [{ name: "f", data: bytes("some data"), globals: ["c"] }] };
  const add = (store: Store) =>
    store.add({ ...sample, globals: [{ name: "c", data: bytes("constant"), constant: true }] });

  it("are found, wherever a bit differs or the file ends, and made again", () => {
    const { open, only } = setUp();
    add(open());
    for (const part of ["modules", "constants"]) {
      const { length } = readFileSync(only(part));
      for (let at = 0; at < length; at++) {
        const path = only(part);
        const good = readFileSync(path);
        const cut = at % 2 === 0;
        if (cut) truncateSync(path, at);
        else
          writeFileSync(
            path,
            good.map((byte, index) => (index === at ? byte ^ 4 : byte)),
          );
        const store = open();
        // A version that is not ours is left alone.
        expect(store.find("f"), `${part} at ${at}`).toBeUndefined();
        add(store);
        expect(text(open().find("f")?.globals.get("c"))).toBe("constant");
      }
    }
  });

  it("are left alone where they are of another version", () => {
    const { open, only } = setUp();
    add(open());
    const path = only("modules");
    const file = readFileSync(path);
    file.writeUInt32BE(9, 8);
    writeFileSync(path, file);
    expect(open().find("f")).toBeUndefined();
    expect(readFileSync(path)).toEqual(file);
  });

  it("are not read through symbolic links, and nothing outside is touched", () => {
    const { open, only, at } = setUp();
    add(open());
    for (const part of ["modules", "constants"]) {
      const outside = temporary(`outside-${stores}-${part}`);
      const path = only(part);
      renameSync(path, outside);
      symlinkSync(outside, path);
      const before = readFileSync(outside);
      expect(open().find("f")).toBeUndefined();
      open().gc({ grace: 0, limit: 0 });
      expect(readFileSync(outside)).toEqual(before);
      rmSync(path, { force: true });
      add(open());
      expect(open().find("f")).toBeDefined();
    }
    const [name] = readdirSync(at("names"));
    const outside = temporary(`outside-${stores}`);
    renameSync(at("names", name as string), outside);
    symlinkSync(outside, at("names", name as string));
    expect(open().find("f")).toBeUndefined();
    open().gc({ grace: 0, limit: 0 });
    open().forget("f");
    expect(readdirSync(outside)).toHaveLength(1);
  });

  it("are not used where others may write", () => {
    const { open, at, warnings } = setUp();
    add(open());
    chmodSync(at(), 0o777);
    const store = open();
    expect(store.find("f")).toBeUndefined();
    add(store);
    add(store);
    expect(text(store.find("f")?.data)).toBe("some data");
    expect(warnings).toEqual([expect.stringMatching(/mode 777; expected 700/)]);
  });
});

describe("where nothing can be written", () => {
  it("programs are kept in memory, with one warning", () => {
    const { open, path, warnings } = setUp();
    writeFileSync(path, "a file");
    const store = open();
    for (const name of ["f", "g"]) {
      store.add({
        functions: [{ name, data: bytes(name), globals: ["c"] }],
        globals: [{ name: "c", data: bytes("C") }],
      });
    }
    expect(text(store.find("f")?.globals.get("c"))).toBe("C");
    expect(text(store.find("g")?.data)).toBe("g");
    expect(warnings).toHaveLength(1);
    expect(store.gc()).toMatchObject({ modules: 0, bytes: 0 });
  });

  it("a folder that vanishes is made again", () => {
    const { open, path, warnings } = setUp();
    const store = open();
    store.add({ functions: [{ name: "f", data: bytes("F") }] });
    rmSync(path, { recursive: true });
    expect(store.find("f")).toBeUndefined();
    store.add({ functions: [{ name: "f", data: bytes("F") }] });
    expect(text(open().find("f")?.data)).toBe("F");
    expect(warnings).toEqual([]);
  });
});

describe("gc", () => {
  it("removes what was used least recently, with its constants", () => {
    const { open, at } = setUp();
    const store = open();
    const size = 10_000;
    for (let number = 0; number < 5; number++) {
      store.add({
        functions: [{ name: `f${number}`, data: bytes("F"), globals: ["c"] }],
        globals: [{ name: "c", data: Buffer.alloc(size, number), constant: true }],
      });
    }
    for (const part of ["modules", "constants"]) {
      for (const name of readdirSync(at(part))) utimesSync(at(part, name), 1, 1);
    }
    for (const name of readdirSync(at("names"))) {
      for (const id of readdirSync(at("names", name))) utimesSync(at("names", name, id), 1, 1);
    }
    open().find("f3");
    const { modules, constants, bytes: left } = open().gc({ limit: 15_000 });
    expect({ modules, constants }).toEqual({ modules: 4, constants: 4 });
    expect(left).toBeLessThan(15_000);
    expect(open().find("f3")).toBeDefined();
    expect(open().find("f2")).toBeUndefined();
    expect(readdirSync(at("names"))).toHaveLength(1);
  });

  it("happens by itself above the limit", () => {
    const { open, at } = setUp();
    const store = open({ limit: 50_000 });
    for (let number = 0; number < 20; number++) {
      store.add({ functions: [{ name: `f${number}`, data: Buffer.alloc(9000, number) }] });
    }
    expect(readdirSync(at("modules")).length).toBeLessThan(7);
    expect(store.find("f19")).toBeDefined();
  });

  it("leaves what is young, and removes what a crash left", () => {
    const { open, at } = setUp();
    open().add({ functions: [{ name: "f", data: bytes("F") }] });
    writeFileSync(at("tmp", "1-abc"), "half");
    mkdirSync(at("names", "1".repeat(64)));
    rmSync(at("names", readdirSync(at("names")).at(-1) as string), { recursive: true });
    expect(open().gc()).toMatchObject({ modules: 0, leftovers: 0 });
    expect(open().gc({ grace: -1 })).toMatchObject({ modules: 1, leftovers: 1, bytes: 0 });
  });

  it("says what is wrong with a module", () => {
    const { open, only } = setUp();
    open().add({ functions: [{ name: "f", data: bytes("F") }] });
    expect([...open().modules()]).toMatchObject([{ functions: ["f"] }]);
    truncateSync(only("modules"), statSync(only("modules")).size - 1);
    expect([...open().modules()]).toMatchObject([{ problem: "the function f is damaged" }]);
  });
});
