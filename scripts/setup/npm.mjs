/** npm packages, exactly as locked. */
import { which } from "./find.mjs";
import { inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { digest, fileDigest, isFresh, stamp } from "./stamp.mjs";

export async function ensurePackages() {
  const stampFile = inRoot("node_modules", ".davit-stamp");
  const value = digest(fileDigest(inRoot("package-lock.json")), process.platform, process.arch);
  if (isFresh(stampFile, value)) return;
  // npm_execpath is the npm that runs this script, where there is one.
  const script = process.env.npm_execpath;
  const [command, first] = script ? [process.execPath, [script]] : [which("npm") ?? "npm", []];
  await run(
    "installing npm packages",
    command,
    [...first, "ci", "--ignore-scripts", "--include=dev"],
    {
      remedy:
        "check that npm reaches its registry (`npm ping`; `npm config get registry`), then try again",
    },
  );
  stamp(stampFile, value);
}
