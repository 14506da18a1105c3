import { expect, it } from "vitest";
import { externalId, namedId, slotId } from "../../src/hooks/ids.js";

const hex = (id: Uint8Array) => Buffer.from(id).toString("hex");

it("are the md5 of what they name, as any client computes them", () => {
  // printf %s name:encoder.0 | md5sum
  expect(hex(namedId("encoder.0"))).toBe("22f69701e20b156f83f67e32db59f6a7");
  expect(hex(externalId("Elixir.Mod.fun/1"))).toBe("e1f8a6ddcb5ec7c013dc270c2b2ee58a");
  expect(hex(slotId(3))).toBe("726655ca92a03ccfd01786a473fa580b");
  expect(hex(namedId("größe"))).toBe("53ddc4c551e3da4b4aa6d37ad64cdead");
});
