/** `npm run test:nx`: set-up, then the tests that need Nx. `npm run test:nx -- SUITE...` runs some of Nx's suites alone. */
import { testNx } from "./nx/tests.mjs";
import { fail } from "./setup/report.mjs";
import { setUp } from "./setup/steps.mjs";

await setUp("test").catch(fail);
testNx(process.argv.slice(2));
