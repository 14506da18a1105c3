import type { GivenGraph } from "../../fuzz/campaigns/given.js";

/** A case that the fuzzer found, as it prints them. */
export type Found = { readonly title: string } & (
  | GivenGraph
  | { readonly file: string; readonly bytes: Uint8Array }
  | { readonly stream: Uint8Array; readonly bulk?: Uint8Array }
);

/** Cases that killed, hung, leaked or differed once. integration/fuzz.test.ts runs them. */
export const FOUND: readonly Found[] = [];
