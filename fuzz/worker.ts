/**
 * Runs cases of one campaign: `node worker.js CAMPAIGN`. Requests are lines of standard input, answers lines of
 * descriptor 3, both JSON. A line is written for every case once it is over, so whoever reads them knows at which
 * case this process died.
 */
import { writeSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Campaign } from "./campaign.js";
import { openCampaign } from "./campaigns/index.js";
import { errorOutcome, type Outcome } from "./outcome.js";
import { pack, unpack } from "./pack.js";
import { Uncoded } from "./uncoded.js";
import type { Answer, Request } from "./worker-messages.js";

// Ctrl-C is for the process that reads the answers.
process.on("SIGINT", () => {});
// Prints of programs go nowhere.
console.log = () => {};

function tell(answer: Answer): void {
  const line = Buffer.from(`${JSON.stringify(answer)}\n`);
  for (let done = 0; done < line.length; ) done += writeSync(3, line, done);
}

async function outcomeOf(campaign: Campaign<unknown>, seed: number): Promise<Outcome> {
  try {
    const item = campaign.draw(seed);
    return item === undefined ? { kind: "nothing" } : await campaign.run(item);
  } catch (error) {
    if (error instanceof Uncoded) return errorOutcome(error.cause);
    throw error;
  }
}

async function answer(campaign: Campaign<unknown>, request: Request): Promise<Answer> {
  if ("first" in request) {
    const end = request.first + request.count;
    for (let seed = request.first; seed < end; seed++) {
      tell({ seed, outcome: await outcomeOf(campaign, seed) });
    }
    const leak = await campaign.settle();
    return { done: true, ...(leak === undefined ? {} : { leak }) };
  }
  if ("draw" in request) {
    const item = campaign.draw(request.draw, (step) => tell({ step: pack(step) }));
    return item === undefined ? { done: true } : { drawn: pack(item) };
  }
  const outcome = await campaign.run(unpack(request.item), true);
  const leak = outcome.kind === "found" ? undefined : await campaign.settle();
  if (leak === undefined) return { trial: pack(outcome) };
  return { trial: pack({ kind: "found", what: "memory is not given back", detail: leak }) };
}

const campaign = await openCampaign(process.argv[2] ?? "");
tell({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  tell(await answer(campaign, JSON.parse(line) as Request));
}
await campaign.close();
process.exit(0);
