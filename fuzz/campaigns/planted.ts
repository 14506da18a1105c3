import type { Campaign } from "../campaign.js";
import { Random } from "../random.js";

/** What the numbers of a planted case do. */
export const PLANTED = { dies: 13, hangs: 17, leaks: 19, uncoded: 23, differs: 29 } as const;

/** Cases that fail on purpose, by a number that they hold: for the tests of what finds them. */
export function plantedCampaign(): Campaign<readonly number[]> {
  let kept = 0;
  return {
    draw: (seed) => {
      const random = new Random(seed);
      const number = Object.values(PLANTED).find((one) => seed === one);
      const others = random.times(2, () => random.below(10));
      return number === undefined ? others : [...others, number];
    },
    run: async (numbers) => {
      const has = (name: keyof typeof PLANTED) => numbers.includes(PLANTED[name]);
      if (has("dies")) process.kill(process.pid, "SIGSEGV");
      if (has("hangs")) await new Promise(() => {});
      if (has("leaks")) kept++;
      if (has("uncoded")) {
        return { kind: "found", what: "error without a code", detail: "planted" };
      }
      const poison = has("differs") ? process.env.DAVIT_POISON : "";
      const type = { dtype: "uint8", shape: [1] } as const;
      const values = [{ type, bytes: Uint8Array.of(Number(poison)) }];
      return { kind: "ok", digest: `${poison}`, values };
    },
    settle: async () => (kept > 0 ? `${kept} bytes` : undefined),
    close: async () => {},
  };
}
