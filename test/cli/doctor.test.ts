import { existsSync } from "node:fs";
import { afterEach, beforeEach, expect, it, vi } from "vitest";

// The addon's path is read when the module is loaded.
const load = () => import("../../src/cli/doctor.js");

beforeEach(() => vi.resetModules());
afterEach(() => vi.unstubAllEnvs());

it("reports what this installation consists of", async () => {
  const { doctor, formatReport } = await load();
  const report = await doctor();
  expect(report.complaints).toEqual([]);
  expect(report.node).toBe(process.versions.node);
  expect(report.mlx).toMatch(/^\d+\.\d+\.\d+/);
  expect(existsSync(report.mlxPath ?? "")).toBe(true);
  expect(report.devices).toContain("cpu");
  expect(report.erlang).toMatch(/^\d+/);
  expect(report.elixir).toMatch(/^\d+\.\d+/);
  const text = formatReport(report);
  expect(text).toContain(`MLX          ${report.mlx}`);
  expect(text).not.toContain("->");
  expect(report.memory?.limit).toBeGreaterThan(report.memory?.cacheLimit ?? 0);
  expect(text).toMatch(/memory +an engine uses at most [\d.]+ GiB, and keeps [\d.]+ GiB for reuse/);
  expect(report.views).toBe("shared");
  expect(text).toContain("views        over the engine's memory");
});

it.runIf(process.platform === "linux")("names OpenBLAS as the BLAS on Linux", async () => {
  const { doctor } = await load();
  expect((await doctor()).blas).toMatch(/^OpenBLAS \d/);
});

it("says that Elixir is missing and how to get it", async () => {
  vi.stubEnv("PATH", "/nowhere");
  const { doctor, formatReport } = await load();
  const report = await doctor();
  expect(report.erlang).toBeUndefined();
  expect(report.elixir).toBeUndefined();
  expect(report.mlx).toBeDefined();
  expect(formatReport(report)).toMatch(/no Elixir in the PATH.*\n {2}-> .*npm run setup/);
});

it("says that the addon is missing, and ends with 1", async () => {
  vi.stubEnv("DAVIT_ADDON", "/nowhere/davit.node");
  const { doctor, doctorCommand } = await load();
  const report = await doctor();
  expect(report.mlx).toBeUndefined();
  expect(report.complaints[0]?.what).toContain("/nowhere/davit.node");
  const print = vi.spyOn(console, "log").mockReturnValue(undefined);
  const code = await doctorCommand.run({
    flags: new Set(["json"]),
    values: new Map(),
    positionals: [],
  });
  expect(code).toBe(1);
  expect(JSON.parse(print.mock.calls[0]?.[0] as string)).toMatchObject({ devices: [] });
});
