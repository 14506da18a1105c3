import { readdirSync, readFileSync } from "node:fs";

/**
 * Whether any thread of a process computes, or would if it had a core: false where all of them wait for something;
 * undefined where the system does not tell.
 */
export function isComputing(pid: number): boolean | undefined {
  const tasks = `/proc/${pid}/task`;
  try {
    return readdirSync(tasks).some((task) => {
      const stat = readFileSync(`${tasks}/${task}/stat`, "latin1");
      // What stands before it is the command in parentheses, which may hold anything.
      return /[RD]/.test(stat.charAt(stat.lastIndexOf(")") + 2));
    });
  } catch {
    return undefined;
  }
}
