import { rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Store, type StoredFunction } from "../../src/store/index.js";
import { type StoreModule, sha256 } from "../../src/store/module.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
let stores = 0;

/** Functions that need others, of any module, and globals; each module has globals of its own. */
const modules = fc
  .array(
    fc.array(
      fc.record({
        bytes: fc.uint8Array({ maxLength: 300 }),
        functions: fc.uniqueArray(fc.nat(99), { maxLength: 3 }),
        globals: fc.uniqueArray(fc.nat(9), { maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 30 },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((drawn) => {
    const count = drawn.flat().length;
    let next = 0;
    return drawn.map((functions, module): StoreModule => {
      const globals = Array.from({ length: 10 }, (_, number) => ({
        name: `g${number}`,
        data: Buffer.from(`global ${number} of ${module}`),
        constant: number % 2 === 0,
      }));
      return {
        globals,
        functions: functions.map((item) => ({
          name: `f${next++}`,
          data: item.bytes,
          functions: item.functions.map((number) => `f${number % count}`),
          globals: item.globals.map((number) => `g${number}`),
        })),
      };
    });
  });

/** What a function needs, itself too, as the modules say. */
function closure(all: readonly StoreModule[], name: string, found = new Set<string>()) {
  if (found.has(name)) return found;
  found.add(name);
  for (const other of functionOf(all, name).functions ?? []) closure(all, other, found);
  return found;
}

function functionOf(all: readonly StoreModule[], name: string) {
  const functions = all.flatMap((module) => module.functions);
  return functions.find((item) => item.name === name) as (typeof functions)[number];
}

/** The functions that were loaded with one, by name. */
function loaded(item: StoredFunction, found = new Map<string, StoredFunction>()) {
  if (found.has(item.name)) return found;
  found.set(item.name, item);
  for (const other of item.functions.values()) loaded(other, found);
  return found;
}

/** The constants that a function needs with others, by their hashes. */
function constantsOf(all: readonly StoreModule[], name: string): Set<string> {
  const hashes = [...closure(all, name)].flatMap((need) => {
    const module = all.find(({ functions }) => functions.some((item) => item.name === need));
    const names = functionOf(all, need).globals ?? [];
    const globals = module?.globals ?? [];
    return globals.filter((item) => item.constant && names.includes(item.name));
  });
  return new Set(hashes.map(({ data }) => sha256(data)));
}

it("loads what a function needs, and nothing else, whatever needs what; what is lost stops only those that need it", () => {
  fc.assert(
    fc.property(modules, fc.nat(), (all, pick) => {
      const path = temporary(`store-${stores++}`);
      const store = new Store({ path });
      for (const module of all) store.add(module);
      const names = all.flatMap(({ functions }) => functions.map(({ name }) => name));
      const target = names[pick % names.length] as string;
      const one = new Store({ path });
      const found = one.find(target);
      const parts = loaded(found as StoredFunction);
      const expected = closure(all, target);
      expect(new Set(parts.keys())).toEqual(expected);
      for (const [name, part] of parts) {
        const { data, globals = [] } = functionOf(all, name);
        expect(Buffer.from(part.data).equals(data)).toBe(true);
        expect([...part.globals.keys()]).toEqual(globals);
      }
      const globals = [...parts.values()].reduce((sum, part) => sum + part.globals.size, 0);
      expect(one.counts).toMatchObject({ functions: expected.size, globals, damaged: 0 });

      const [lost] = constantsOf(all, target);
      if (lost === undefined) return;
      rmSync(join(path, "v1", "constants", lost));
      const after = new Store({ path });
      for (const name of names) {
        expect(after.find(name) === undefined, name).toBe(constantsOf(all, name).has(lost));
      }
    }),
    { numRuns: 25 },
  );
});
