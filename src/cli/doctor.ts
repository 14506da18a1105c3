import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { resolveOptions } from "../engine/options.js";
import { addonPath, type NativeVersions, native } from "../native.js";
import { isError } from "../realm.js";
import type { Arguments, Command, ExitCode } from "./command.js";

/** Something that is missing, and how to get it. */
export interface Complaint {
  readonly what: string;
  readonly remedy: string;
}

/** The parts of an installation of Davit; a missing part is undefined and has a complaint. */
export interface DoctorReport {
  readonly davit: string;
  readonly node: string;
  readonly platform: string;
  readonly addonPath: string;
  readonly mlx: string | undefined;
  /** The file of the MLX library in this process. */
  readonly mlxPath: string | undefined;
  readonly devices: readonly string[];
  /** The BLAS that computes matrix products on the CPU, as it describes itself. */
  readonly blas: string | undefined;
  /** The instruction set of the kernels that compute on the CPU; `mlx` for MLX's own. */
  readonly kernels: string | undefined;
  /** Bytes: what an engine may use, and what it keeps for reuse, where its options do not say. */
  readonly memory: { readonly limit: number; readonly cacheLimit: number } | undefined;
  /** Whether views of tensors are over the engine's memory, or copies. */
  readonly views: "shared" | "copied" | undefined;
  readonly erlang: string | undefined;
  readonly elixir: string | undefined;
  readonly complaints: readonly Complaint[];
}

/** `davit doctor`: says what this installation consists of and what it lacks. */
export const doctorCommand: Command = {
  summary: "versions, devices, BLAS and kernels in use, and what is missing",
  help: `Usage: davit doctor [--json]

Says which versions of Davit, Node, MLX, Erlang and Elixir are in use, which devices, which BLAS and
which kernels compute, where MLX lies, how much memory an engine uses by default, and what is missing and how to get it.

  --json     print one JSON object
  --help     this text

Exit code 1 when the engine cannot run.`,
  options: { json: { type: "boolean" } },
  positionals: [],
  run: runDoctor,
};

async function runDoctor(args: Arguments): Promise<ExitCode> {
  const report = await doctor();
  console.log(args.flags.has("json") ? JSON.stringify(report, null, 2) : formatReport(report));
  return report.mlx === undefined ? 1 : 0;
}

/** Looks at this installation; starts no engine. */
export async function doctor(): Promise<DoctorReport> {
  const [davit, languages] = await Promise.all([ownVersion(), erlangAndElixir()]);
  const complaints: Complaint[] = [];
  const versions = addonVersions(complaints);
  if (languages.elixir === undefined) {
    complaints.push({
      what: "no Elixir in the PATH; the Elixir client needs Elixir >= 1.14 with Erlang/OTP",
      remedy: "as root run `npm run setup`, or install it as its output says",
    });
  }
  return {
    davit,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    addonPath,
    mlx: versions?.mlx,
    mlxPath: versions && loadedLibrary(/\/libmlx\.(so|dylib)/),
    devices: versions?.devices ?? [],
    blas: versions?.blas,
    kernels: versions?.kernels,
    memory: versions && defaultMemory(),
    views: versions && (native().externalBuffers() ? "shared" : "copied"),
    ...languages,
    complaints,
  };
}

/** A report as lines of text. */
export function formatReport(report: DoctorReport): string {
  const rows: [string, string | undefined][] = [
    ["Davit", report.davit],
    ["Node", `${report.node} (${report.platform})`],
    ["addon", report.addonPath],
    ["MLX", report.mlx],
    ["MLX library", report.mlxPath],
    ["devices", report.devices.join(", ") || undefined],
    ["BLAS", report.blas],
    ["kernels", report.kernels],
    ["memory", report.memory && memoryText(report.memory)],
    ["views", report.views && VIEWS[report.views]],
    ["Erlang/OTP", report.erlang],
    ["Elixir", report.elixir],
  ];
  const table = rows.map(([name, value]) => `${name.padEnd(13)}${value ?? "-"}`);
  const complaints = report.complaints.map(({ what, remedy }) => `\n${what}\n  -> ${remedy}`);
  return [...table, ...complaints].join("\n");
}

const VIEWS = {
  shared: "over the engine's memory",
  copied: "copies: this runtime allows no buffers over foreign memory",
};

function defaultMemory() {
  const { memoryLimit: limit, cacheLimit } = resolveOptions({});
  return { limit, cacheLimit };
}

function memoryText({ limit, cacheLimit }: { limit: number; cacheLimit: number }): string {
  const gibibytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return `an engine uses at most ${gibibytes(limit)}, and keeps ${gibibytes(cacheLimit)} for reuse`;
}

async function ownVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function addonVersions(complaints: Complaint[]): NativeVersions | undefined {
  try {
    return native().versions();
  } catch (error) {
    const { message, cause } = error as Error;
    const reason = isError(cause) ? ` (${cause.message})` : "";
    complaints.push({ what: message + reason, remedy: "run `npm run setup`" });
    return undefined;
  }
}

/** The file of a shared library that this process has loaded. */
function loadedLibrary(name: RegExp): string | undefined {
  const { report } = process;
  // Else the report looks up the names of all open connections.
  (report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const { sharedObjects } = report.getReport() as unknown as { sharedObjects: string[] };
  return sharedObjects.find((path) => name.test(path));
}

/** Elixir says both versions; without it Erlang says its own. */
async function erlangAndElixir() {
  const text = await output("elixir", ["--version"]);
  const erlang =
    text?.match(/^Erlang\/OTP (\S+)/m)?.[1] ??
    (await output("erl", [
      "-noshell",
      "-eval",
      "io:put_chars(erlang:system_info(otp_release)), halt().",
    ]));
  return { erlang, elixir: text?.match(/^Elixir (\S+)/m)?.[1] };
}

async function output(command: string, args: string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)(command, args, { timeout: 20_000 })).stdout;
  } catch {
    return undefined;
  }
}
