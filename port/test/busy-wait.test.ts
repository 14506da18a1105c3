import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BusyWait } from "../src/busy-wait.js";

let now = 0;
let immediates: (() => void)[] = [];

beforeEach(() => {
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.stubGlobal("setImmediate", (callback: () => void) => immediates.push(callback));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  immediates = [];
});

/** The event loop turns after so many microseconds. */
function turn(microseconds: number): void {
  now += microseconds / 1000;
  for (const callback of immediates.splice(0)) callback();
}

/** A frame goes out, and after so many microseconds one comes. */
function exchange(wait: BusyWait, microseconds: number): void {
  wait.wrote();
  turn(microseconds);
  wait.received();
}

const isAwake = () => immediates.length > 0;

it("stays awake for a peer that was prompt, and no longer than it says", () => {
  const wait = new BusyWait(2000, 2);
  exchange(wait, 1000);
  wait.wrote();
  for (const microseconds of [0, 1000, 900]) {
    turn(microseconds);
    expect(isAwake()).toBe(true);
  }
  turn(200);
  expect(isAwake()).toBe(false);
});

it("sleeps until a peer has been prompt, and when it no longer is", () => {
  const wait = new BusyWait(2000, 2);
  wait.wrote();
  expect(isAwake()).toBe(false);
  now += 1;
  wait.received();
  exchange(wait, 5000);
  wait.wrote();
  expect(isAwake()).toBe(false);
});

it("sleeps after what is no answer", () => {
  const wait = new BusyWait(2000, 2);
  exchange(wait, 1000);
  now += 5;
  wait.wrote();
  expect(isAwake()).toBe(false);
});

it("sleeps again once a frame has come", () => {
  const wait = new BusyWait(2000, 2);
  exchange(wait, 1000);
  exchange(wait, 1000);
  turn(1);
  expect(isAwake()).toBe(false);
});

it("sleeps when nothing more is to come", () => {
  const wait = new BusyWait(2000, 2);
  exchange(wait, 1000);
  wait.wrote();
  wait.stop();
  turn(1);
  expect(isAwake()).toBe(false);
});

it.each([
  ["where it was not asked for", 0, 8],
  ["on a single core", 2000, 1],
])("never stays awake %s", (_, microseconds, cores) => {
  const wait = new BusyWait(microseconds, cores);
  exchange(wait, 1);
  wait.wrote();
  expect(isAwake()).toBe(false);
});
