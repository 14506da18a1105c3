import { it } from "vitest";

/** A test of what there is only where CPU streams run inline: on Linux, unless they are told to have threads. */
export const itInline: ReturnType<typeof it.runIf> = it.runIf(
  process.platform === "linux" && process.env.DAVIT_STREAM_THREADS === undefined,
);
