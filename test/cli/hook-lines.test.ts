import { afterEach, expect, it, vi } from "vitest";
import { printEvent } from "../../src/cli/hook-lines.js";
import type { RawEvent } from "../../src/hooks/event.js";
import type { Site } from "../../src/hooks/site.js";

const event = { seq: 0, path: [], dropped: 0, values: [] } as unknown as RawEvent;
const site = { name: "h", types: [] } as unknown as Site;

afterEach(() => vi.restoreAllMocks());

it("waits with one listener for an output that is full", async () => {
  const before = process.stdout.listenerCount("drain");
  vi.spyOn(process.stdout, "write").mockReturnValue(false);
  for (const _round of [1, 2]) {
    const printed = Array.from({ length: 20 }, () => printEvent(event, site));
    expect(process.stdout.listenerCount("drain")).toBe(before + 1);
    process.stdout.emit("drain");
    await Promise.all(printed);
    expect(process.stdout.listenerCount("drain")).toBe(before);
  }
});
