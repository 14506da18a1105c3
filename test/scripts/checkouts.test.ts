import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
// @ts-expect-error: the scripts have no types.
import { checkouts, leftOut, nxMissing } from "../../scripts/nx/checkouts.mjs";

let folder: string;

const project = (...path: string[]) => {
  const at = join(folder, ...path);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "mix.exs"), "");
  return at;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "davit-checkouts-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("says why there is no Nx", () => {
  expect(nxMissing({})).toMatch("NX_PATH names no checkout");
  expect(nxMissing({ NX_PATH: folder })).toMatch("which has no mix.exs");
  expect(nxMissing({ NX_PATH: project("nx", "nx") })).toBeUndefined();
});

it("finds libraries beside the checkout of Nx, and where variables say", () => {
  const nx = project("nx", "nx");
  const axon = project("axon");
  const kino = project("elsewhere", "kino");
  project("kino");
  expect(checkouts({ NX_PATH: nx, KINO_PATH: kino })).toEqual({ AXON_PATH: axon, KINO_PATH: kino });
});

it("says what is not tested", () => {
  const there = checkouts({ NX_PATH: project("nx", "nx"), AXON_PATH: project("axon") });
  const lines = leftOut(there);
  expect(lines).toHaveLength(2);
  expect(lines[0]).toBe("skipped: Davit.Kino; KINO_PATH names no checkout");
});
