/** Child processes of set-up: quiet when they work, their last lines when they do not. */
import { spawn, spawnSync } from "node:child_process";
import { root } from "./paths.mjs";
import { SetupError, say } from "./report.mjs";

const heartbeat = 10_000;
const keptStart = 2_000;
const keptEnd = 4_000;

/** Text whose middle is left out when it is long: causes stand first in some tools, last in others. */
function abridge(text) {
  if (text.length <= keptStart + keptEnd) return text;
  return `${text.slice(0, keptStart)}\n[...]\n${text.slice(-keptEnd)}`;
}

/**
 * Runs a command that may take long: says what it does, every ten seconds how far it is, and how
 * long it took. Its output is shown only when it fails.
 */
export async function run(what, command, args, { cwd = root, env = {}, remedy } = {}) {
  const started = Date.now();
  const seconds = () => `${((Date.now() - started) / 1000).toFixed(0)} s`;
  say(`${what} ...`);
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const keep = (chunk) => {
    output += chunk;
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const timer = setInterval(() => {
    const lines = output.split(/[\r\n]/).map((line) => line.trim());
    const last = lines.findLast((line) => line !== "" && !line.startsWith("npm warn"));
    say(`  ${seconds()}: ${last?.slice(0, 100) ?? "still working"}`);
  }, heartbeat);
  const ending = await new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) =>
      resolve(code === 0 ? undefined : signal ? `signal ${signal}` : `exit status ${code}`),
    );
  });
  clearInterval(timer);
  if (ending !== undefined) {
    const shown = abridge(output.trimEnd()).replace(/^/gm, "  | ");
    throw new SetupError(
      `${what}: \`${[command, ...args].join(" ")}\` ended with ${ending}\n${shown}`,
      remedy,
    );
  }
  const took = Date.now() - started;
  if (took > 1000) say(`  done in ${seconds()}`);
}

/** Standard output of a short command, or undefined when it fails or is not there. */
export function output(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 30_000, ...options });
  return result.status === 0 ? result.stdout : undefined;
}

/** Runs a command with this terminal as its own; ends this process as it ended, unless well. */
export function foreground(command, args, { cwd = root, env = {} } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  if (result.error) {
    process.stderr.write(`cannot run ${command}: ${result.error.message}\n`);
    process.exit(127);
  }
  if (result.status !== 0) process.exit(result.status ?? 1);
}
