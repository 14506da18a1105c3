import fc from "fast-check";
import { expect, it } from "vitest";
import { Credit } from "../src/index.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

it("grants up to the limit, then waits for what is given back", async () => {
  const credit = new Credit(10);
  await credit.take(6);
  await credit.take(4);
  const log: string[] = [];
  const third = credit.take(5).then(() => log.push("third"));
  await settle();
  expect(log).toEqual([]);
  expect([credit.inUse, credit.waiting]).toEqual([10, 1]);
  credit.give(4);
  await settle();
  expect(log).toEqual([]);
  credit.give(1);
  await third;
  expect([credit.inUse, credit.waiting]).toEqual([10, 0]);
});

it("serves strictly in order: a small taker does not overtake", async () => {
  const credit = new Credit(10);
  await credit.take(8);
  const log: number[] = [];
  for (const amount of [5, 1]) void credit.take(amount).then(() => log.push(amount));
  expect(credit.tryTake(1)).toBe(false);
  await settle();
  expect(log).toEqual([]);
  credit.give(8);
  await settle();
  expect(log).toEqual([5, 1]);
});

it("lets an amount above the limit go alone", async () => {
  const credit = new Credit(10);
  expect(credit.tryTake(25)).toBe(true);
  expect(credit.inUse).toBe(25);
  expect(credit.tryTake(0)).toBe(false);
  const log: string[] = [];
  void credit.take(1).then(() => log.push("small"));
  void credit.take(30).then(() => log.push("huge"));
  await settle();
  expect(log).toEqual([]);
  credit.give(25);
  await settle();
  expect(log).toEqual(["small"]);
  credit.give(1);
  await settle();
  expect(log).toEqual(["small", "huge"]);
});

it("an abort leaves the queue and serves the next", async () => {
  const credit = new Credit(10);
  await credit.take(8);
  const abort = new AbortController();
  const first = credit.take(9, abort.signal);
  const second = credit.take(2);
  abort.abort(new Error("not needed"));
  await expect(first).rejects.toThrow("not needed");
  await second;
  expect([credit.inUse, credit.waiting]).toEqual([10, 0]);
  await expect(credit.take(1, abort.signal)).rejects.toThrow("not needed");
});

it("refuses nonsense, naming it", () => {
  expect(() => new Credit(0)).toThrow("limit is 0; expected a number > 0");
  expect(() => new Credit(Number.NaN)).toThrow("limit is NaN; expected a finite number >= 0");
  const credit = new Credit(10);
  expect(() => credit.tryTake(-1)).toThrow("amount is -1; expected a finite number >= 0");
  expect(() => credit.give(1)).toThrow("1 was given back, but only 0 is in use");
});

it("never exceeds its limit but for one alone, and serves all in order", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.integer({ min: 0, max: 80 }), { maxLength: 40 }),
      async (limit, amounts) => {
        const credit = new Credit(limit);
        const order: number[] = [];
        const held: number[] = [];
        const all = amounts.map((amount, i) =>
          credit.take(amount).then(() => {
            order.push(i);
            held.push(amount);
          }),
        );
        while (order.length < amounts.length) {
          await settle();
          const sum = credit.inUse;
          const alone = held.filter((amount) => amount > 0).length === 1;
          expect(sum <= limit || alone).toBe(true);
          const given = held.shift();
          if (given !== undefined) credit.give(given);
        }
        await Promise.all(all);
        expect(order).toEqual(amounts.map((_, i) => i));
      },
    ),
  );
});
