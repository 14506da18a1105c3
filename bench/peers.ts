import { interleave, overRounds, type Rounds } from "./rounds.js";
import { median } from "./stats.js";
import type { Tools } from "./tools.js";

/** What an op is measured beside, where this machine has it. */
export const PEERS = ["numpy", "jax", "torch"] as const;
export type Peer = (typeof PEERS)[number];

/** An op beside its peers, in microseconds. */
export interface BesidePeers {
  readonly time: number;
  readonly peers: Partial<Record<Peer, number>>;
  /** Beside the best of the peers in each round; absent where there is none. */
  readonly ratio?: number;
  readonly best?: Peer;
}

/** Threads of the peers stay awake after their last work, on cores that others want. */
const UNTIL_ASLEEP = 50;

/** Measures an op of workers/node/ops.ts in turn with the peers that have it. */
export async function besidePeers(
  tools: Tools,
  op: string,
  { rounds = 6, calls = 5 } = {},
): Promise<BesidePeers> {
  const node = tools.worker("node");
  const python = tools.worker("peers");
  const here: Peer[] = [];
  for (const peer of PEERS) {
    if ((await python.measure(`${peer}.${op}`, 1)).length > 0) here.push(peer);
  }
  const parts = {
    engine: () => node.measure(op, calls),
    ...Object.fromEntries(here.map((peer) => [peer, () => python.measure(`${peer}.${op}`, calls)])),
  } as Record<"engine" | Peer, () => Promise<number[]>>;
  const taken: Rounds<"engine" | Peer> = await interleave(rounds, parts, UNTIL_ASLEEP);
  const time = median(taken.engine);
  if (here.length === 0) return { time, peers: {} };
  const times = Object.fromEntries(here.map((peer) => [peer, median(taken[peer])])) as Record<
    Peer,
    number
  >;
  const best = here.reduce((least, peer) => (times[peer] < times[least] ? peer : least));
  const ratio = overRounds(
    taken,
    (round) => round.engine / Math.min(...here.map((peer) => round[peer])),
  );
  return { time, peers: times, ratio, best };
}
