import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { generatedFiles } from "../../scripts/generate/files.js";

it.each(Object.entries(generatedFiles()))(
  "%s is fresh; if not, run npm run generate",
  (path, text) => {
    const stored = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
    // The JSON is laid out by the formatter.
    if (path.endsWith(".json")) expect(JSON.parse(stored)).toEqual(JSON.parse(text()));
    else expect(stored).toBe(text());
  },
);
