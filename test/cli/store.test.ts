import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { main } from "../../src/cli/main.js";
import { Store } from "../../src/store/index.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const temporary = temporaryFolder();
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

it("davit store lists, shows, checks and cleans", async () => {
  const path = temporary("store");
  vi.stubEnv("DAVIT_STORE", path);
  const lines: string[] = [];
  const note = (line: string) => void lines.push(line);
  vi.spyOn(console, "log").mockImplementation(note);
  vi.spyOn(console, "error").mockImplementation(note);
  const davit = async (...argv: string[]) => {
    lines.length = 0;
    return { code: await main(["store", ...argv]), text: lines.join("\n") };
  };
  expect(await davit("path")).toEqual({ code: 0, text: path });
  expect(await davit("ls")).toEqual({ code: 0, text: `nothing is kept in ${path}` });
  const store = new Store();
  store.add({ functions: [{ name: "one", data: Buffer.from("1") }] });
  store.add({ functions: [{ name: "two", data: Buffer.from("2") }] });
  expect((await davit("ls")).text).toMatch(
    /^ID +SIZE +USED +FUNCTIONS +FIRST\n(.*(one|two)\n?){2}$/,
  );
  const listed = JSON.parse((await davit("ls", "--json")).text) as { id: string }[];
  expect(listed).toHaveLength(2);
  const [{ id }] = listed as [{ id: string }];
  expect((await davit("show", id.slice(0, 10))).text).toMatch(/bytes, used .*\n(one|two)$/);
  expect(await davit("show", "xyz")).toMatchObject({ code: 1 });
  expect(await davit("verify")).toMatchObject({ code: 0 });
  const file = join(path, "v1", "modules", id);
  writeFileSync(file, readFileSync(file).subarray(0, -1));
  expect(await davit("verify")).toMatchObject({
    code: 1,
    text: expect.stringMatching(/is damaged\n1 modules are whole, 1 were set aside$/),
  });
  expect(readdirSync(join(path, "v1", "modules"))).toHaveLength(1);
  expect((await davit("gc", "--limit", "0")).text).toMatch(
    /^removed 1 modules, .* 0.0 MiB are left/,
  );
  for (const wrong of [["lost"], [], ["ls", "x"], ["show"], ["gc", "--limit", "much"]]) {
    expect(await davit(...wrong)).toMatchObject({ code: 2 });
  }
});
