/** `npm run format`: formats all three languages and applies the linter's safe fixes. */

import { formatters } from "./setup/formatters.mjs";
import { ensurePackages } from "./setup/npm.mjs";
import { fail } from "./setup/report.mjs";
import { foreground } from "./setup/run.mjs";
import { ensureClangFormat } from "./setup/tools.mjs";

await ensurePackages().then(ensureClangFormat).catch(fail);
for (const { fix } of formatters()) {
  if (fix) foreground(fix.command, fix.args, fix);
}
