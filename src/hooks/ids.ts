import { createHash } from "node:crypto";

/**
 * Ids of hooks, prints and callbacks: 16 bytes that are the same after a restart and in any process, so that
 * a program that carries them can be kept on disk. A function has no such identity of its own: it gets a slot
 * of its program and is bound again at every run.
 */
const md5 = (text: string): Uint8Array =>
  new Uint8Array(createHash("md5").update(text, "utf8").digest());

/** The id of a named hook or handler. */
export function namedId(name: string): Uint8Array {
  return md5(`name:${name}`);
}

/** The id of a function that a module exports, by its qualified name: `Elixir.Mod.fun/1`, `my-module#fun`. */
export function externalId(qualifiedName: string): Uint8Array {
  return md5(`mfa:${qualifiedName}`);
}

/** The id of a program's slot. Slots are counted from 0, in the order in which functions are given to hooks and callbacks. */
export function slotId(slot: number): Uint8Array {
  return md5(`slot:${slot}`);
}
