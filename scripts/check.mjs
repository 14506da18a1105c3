/** `npm run check`: formatting, lint and types of all three languages. */
import { spawnSync } from "node:child_process";
import { formatters } from "./setup/formatters.mjs";
import { ensurePackages } from "./setup/npm.mjs";
import { fail } from "./setup/report.mjs";
import { ensureClangFormat } from "./setup/tools.mjs";

await ensurePackages().then(ensureClangFormat).catch(fail);

const shownLines = 60;

function shorten(text) {
  const lines = text.split("\n");
  const rest = lines.length - shownLines;
  if (rest <= 0) return text;
  return [...lines.slice(0, shownLines), `... and ${rest} more lines`].join("\n");
}

const failed = formatters()
  .filter(({ name, check }) => {
    const { command, args, cwd, env } = check;
    const result = spawnSync(command, args, {
      cwd,
      env: { ...process.env, ...env },
      encoding: "utf8",
      maxBuffer: 2 ** 28,
    });
    const good = result.status === 0;
    process.stdout.write(`check ${name}: ${good ? "ok" : "FAILED"}\n`);
    if (!good) {
      const said = result.error?.message ?? `${result.stdout}${result.stderr}`;
      process.stdout.write(`${shorten(said)}\n`);
    }
    return !good;
  })
  .map(({ name }) => name);

if (failed.length > 0) {
  process.stdout.write(
    `\ncheck failed: ${failed.join(", ")}. \`npm run format\` mends formatting.\n`,
  );
  process.exit(1);
}
