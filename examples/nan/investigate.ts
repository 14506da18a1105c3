import { join } from "node:path";
import {
  diffRecordings,
  type Engine,
  formatDiff,
  type RecordingDiff,
  record,
  type Summary,
} from "davit-engine";
import { byTheBook, firstWeights, type LogSoftmax, points, stable, training } from "./network.js";

const STEPS = 100;
const RATE = 0.3;
/** Two ways to compute one thing differ in the last bits; that is not what is looked for. */
const TOLERANCE = { rtol: 1e-2, atol: 1e-5 };

/** An event with something in it that is no number. */
export interface Finding {
  readonly label: string;
  readonly step: number;
  readonly nan: number;
  readonly inf: number;
}

/** Finds out why a training gives NaN: first where, then why. Writes two recordings to `folder`. */
export async function investigate(
  engine: Engine,
  folder: string,
  say: (text: string) => void,
): Promise<{ losses: number[]; findings: Finding[]; diff: RecordingDiff }> {
  const { x, y } = points();
  const train = (logSoftmax: LogSoftmax) => engine.jit(training(STEPS, RATE, logSoftmax));
  const bad = train(byTheBook);

  say("The training. Every 8th loss:\n");
  const losses: number[] = [];
  const listening = bad.on("loss", ({ value }) =>
    losses.push((value as Float32Array)[0] as number),
  );
  await bad(firstWeights(), x, y);
  listening.close();
  say(
    `  ${losses
      .filter((_, step) => step % 8 === 0)
      .map(short)
      .join("  ")}\n`,
  );

  say("Where does it begin? A probe on every label, as summaries, of the same program:\n");
  const findings: Finding[] = [];
  const probe = bad.probe(
    "*",
    ({ label, path, value }) => {
      const { nan, inf } = value as Summary;
      if (nan + inf > 0)
        findings.push({ label: label as string, step: path[0] as number, nan, inf });
    },
    { view: { summary: { bins: 0 } } },
  );
  await bad(firstWeights(), x, y);
  probe.close();
  for (const { label, step, nan, inf } of findings.slice(0, 5)) {
    say(`  step ${step}  ${label.padEnd(12)}  ${nan} NaN  ${inf} infinite`);
  }

  say("\nWhat should have been there? The same training with another log_softmax, compared:\n");
  const files = { good: join(folder, "good.rec"), bad: join(folder, "bad.rec") };
  for (const [path, f] of [
    [files.bad, bad],
    [files.good, train(stable)],
  ] as const) {
    const recording = record(engine, { path, match: { probe: "*" } });
    await f(firstWeights(), x, y);
    recording.close();
  }
  const diff = await diffRecordings(files.good, files.bad, TOLERANCE);
  say(formatDiff(diff));

  if (diff.first?.kind === "value") {
    const [row] = diff.first.index as [number];
    const text = (n: number) => `  point ${n}: ${(x[n] as number[]).map(short).join(", ")}`;
    say(`The row tells the point:\n\n${[row - 1, row, row + 1].map(text).join("\n")}\n`);
  }
  return { losses, findings, diff };
}

function short(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : String(value);
}
