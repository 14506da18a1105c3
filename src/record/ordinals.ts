import type { HookRouter } from "../hooks/router.js";
import type { Site } from "../hooks/site.js";
import type { ProgramId } from "../native.js";
import { ordinals } from "./format.js";

/** Tells sites of one title in a program apart: their ordinals. They are forgotten with the program. */
export class SiteOrdinals {
  readonly #hooks: Pick<HookRouter, "sites">;
  readonly #known = new WeakMap<Site, number>();

  constructor(hooks: Pick<HookRouter, "sites">) {
    this.#hooks = hooks;
  }

  /** Returns the number of sites of this title before this one in the program. */
  of(program: ProgramId, site: Site): number {
    const known = this.#known.get(site);
    if (known !== undefined) return known;
    const sites = [...this.#hooks.sites(program)];
    const found = ordinals(sites);
    for (const each of sites) this.#known.set(each, found.get(each.number) ?? 0);
    return found.get(site.number) ?? 0;
  }
}
