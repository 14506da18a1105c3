import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextStream } from "../../../src/models/generator/text-stream.js";

/** A token is a byte here. */
const decode = (ids: readonly number[]) => new TextDecoder().decode(Uint8Array.from(ids));
const tokensOf = (text: string) => [...new TextEncoder().encode(text)];

/** The texts that come with each token, and what is left at the end. */
function stream(text: string, stop: readonly string[] = []) {
  const stream = new TextStream(decode, stop);
  const texts: string[] = [];
  for (const token of tokensOf(text)) {
    texts.push(stream.push(token));
    if (stream.stopped) break;
  }
  texts.push(stream.end());
  return { texts, text: stream.text, stopped: stream.stopped };
}

describe("a text of tokens", () => {
  it("comes as soon as its characters are whole", () => {
    expect(stream("aé🎉b").texts).toEqual(["a", "", "é", "", "", "", "🎉", "b", ""]);
    const cut = new TextStream(decode, []);
    for (const token of tokensOf("é").slice(0, 1)) expect(cut.push(token)).toBe("");
    expect(cut.end()).toBe("\ufffd");
  });

  it("ends before a stop text, of which nothing is told before", () => {
    expect(stream("one\ntwo", ["\n"])).toMatchObject({ text: "one", stopped: true });
    const { texts, text } = stream("a##b###c", ["###"]);
    expect(text).toBe("a##b");
    expect(texts).toEqual(["a", "", "", "##b", "", "", "", ""]);
    expect(stream("ends with ##", ["###"])).toMatchObject({
      text: "ends with ##",
      stopped: false,
    });
    expect(stream("xyz", ["z", "y"]).text).toBe("x");
  });

  it("is the whole text in the end, whatever it is and wherever it stops", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme", maxLength: 40 }),
        fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 3 }),
        (whole, stop) => {
          const { texts, text } = stream(whole, stop);
          const ends = stop.map((one) => whole.indexOf(one)).filter((at) => at >= 0);
          const first = Math.min(whole.length, ...ends);
          expect(texts.join("")).toBe(text);
          // A stop text that ends first may stand behind another one that begins first.
          if (ends.length < 2) expect(text).toBe(whole.slice(0, first));
          else expect(whole.startsWith(text)).toBe(true);
        },
      ),
    );
  });
});
