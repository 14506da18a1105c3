import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { Store } from "../../src/store/index.js";
import { built } from "../support/built.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();

/** Finds and collects with no, one, two and three descriptors that are left. */
const script = `
import { closeSync, openSync } from "node:fs";
const [module, path] = process.argv.slice(1);
const { Store } = await import(module);
const held = [];
const holdAll = () => { for (;;) try { held.push(openSync("/dev/null")); } catch { return; } };
const found = [];
for (const spare of [0, 1, 2, 3]) {
  holdAll();
  for (let left = spare; left > 0; left--) closeSync(held.pop());
  const store = new Store({ path });
  found.push(store.find("f") !== undefined);
  try { store.gc({ grace: -1000 }); } catch { found.push("gc"); }
}
for (const descriptor of held) closeSync(descriptor);
console.log(JSON.stringify(found));
`;

it("a process without descriptors finds nothing, and removes nothing", async () => {
  const module = await built("store/index.js");
  const path = temporary("store");
  new Store({ path }).add({
    functions: [{ name: "f", data: Buffer.from("F"), globals: ["c"] }],
    globals: [{ name: "c", data: Buffer.from("constant"), constant: true }],
  });
  const limited = `ulimit -n 128; exec "$0" --input-type=module -e "$1" "$2" "$3"`;
  const args = ["-c", limited, process.execPath, script, module, path];
  const { stdout } = await promisify(execFile)("/bin/sh", args);
  expect(JSON.parse(stdout)).toEqual([false, "gc", false, true, true]);
  const found = new Store({ path }).find("f");
  expect(String(found?.globals.get("c"))).toBe("constant");
});
