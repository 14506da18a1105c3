/** The Elixir client. */
import { which } from "./find.mjs";
import { inRoot } from "./paths.mjs";
import { run } from "./run.mjs";
import { digest, fingerprint, isFresh, stamp } from "./stamp.mjs";

/** Elixir wants UTF-8, also where the machine has no locale. */
export const elixirEnv = { ELIXIR_ERL_OPTIONS: "+fnu", MIX_QUIET: "1" };

export async function ensureElixirClient() {
  if (!which("mix")) return;
  const stampFile = inRoot("elixir_client", "_build", ".davit-stamp");
  const value = digest(which("mix"), fingerprint("elixir_client/lib", "elixir_client/mix.exs"));
  if (isFresh(stampFile, value)) return;
  await run("compiling the Elixir client", "mix", ["compile"], {
    cwd: inRoot("elixir_client"),
    env: elixirEnv,
    remedy: "the compiler's message is above",
  });
  stamp(stampFile, value);
}
