import type { FileArray } from "../files/array.js";
import { sameType, type TensorType } from "../tensor/dtype.js";
import { elementReader } from "../tensor/values.js";
import { align, type Pair, type Placed, runsOf, type Where } from "./align.js";
import { type Comparison, checkTolerance, compareValues, type Tolerance } from "./compare.js";
import { RecordingFile } from "./reader.js";

/** The first event, in program order, that two recordings have with different values. */
export type FirstDifference = { readonly where: Where } & (
  | {
      readonly kind: "value";
      /** The number of the value among those of the node. */
      readonly value: number;
      readonly type: TensorType;
      /** The index of the first element that differs. */
      readonly index: readonly number[];
      /** Elements around it, row by row; `around.at` is the place of the differing one among them. */
      readonly around: { readonly at: number; readonly a: string[]; readonly b: string[] };
    }
  | { readonly kind: "type"; readonly a: readonly TensorType[]; readonly b: readonly TensorType[] }
);

/** The differences of the values of one title, over all its events that both recordings have. */
export interface TitleDiff extends Omit<Comparison, "first"> {
  readonly title: string;
  readonly events: number;
  /** Events with an element out of tolerance, or of different types. */
  readonly differing: number;
}

/** Events that only one recording has. */
export interface Alone {
  readonly title: string;
  readonly events: number;
  readonly first: Where;
}

/** One of the recordings that were compared. */
export interface Side {
  readonly path: string;
  /** True where it was closed; if not, it was compared up to its last whole record. */
  readonly complete: boolean;
  readonly runs: number;
  readonly events: number;
  /** The first event with a NaN or an infinity. */
  readonly notFinite?: Where;
  /** The events that the other one lacks, by title. */
  readonly alone: readonly Alone[];
}

/** The result of {@link diffRecordings}. */
export interface RecordingDiff {
  /** True where they have the same events with the same values. */
  readonly same: boolean;
  /** The first event with different values or types. */
  readonly first?: FirstDifference;
  /** The first recording. */
  readonly a: Side;
  /** The second recording. */
  readonly b: Side;
  /** In the order in which they first fired. */
  readonly titles: readonly TitleDiff[];
}

/**
 * Compares two recordings: the first run of one with the first run of the other, and so on; in a run, events
 * of the same label or name and loop path.
 * @throws FileError where one of them cannot be read; DavitError `tolerance_invalid`
 */
export async function diffRecordings(
  a: string,
  b: string,
  tolerance: Tolerance = {},
): Promise<RecordingDiff> {
  checkTolerance(tolerance);
  const files = await openBoth(a, b);
  try {
    const [ours, theirs] = files.map((file) => runsOf(file.events)) as [never[][], never[][]];
    const diff = new Diff(files, tolerance);
    for (let run = 0; run < Math.max(ours.length, theirs.length); run++) {
      for (const pair of align(run, ours[run] ?? [], theirs[run] ?? [])) await diff.take(pair);
    }
    return diff.result([ours.length, theirs.length]);
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

type Files = readonly [RecordingFile, RecordingFile];

async function openBoth(a: string, b: string): Promise<Files> {
  const first = await RecordingFile.open(a);
  try {
    return [first, await RecordingFile.open(b)];
  } catch (error) {
    await first.close();
    throw error;
  }
}

type Row = { -readonly [K in keyof TitleDiff]: TitleDiff[K] } & {
  nan: [number, number];
  inf: [number, number];
};

/** Gathers differences, event by event. */
class Diff {
  #first: FirstDifference | undefined;
  readonly #rows = new Map<string, Row>();
  readonly #alone = [new Map<string, Alone>(), new Map<string, Alone>()] as const;
  readonly #notFinite: [Where?, Where?] = [];

  constructor(
    private readonly files: Files,
    private readonly tolerance: Tolerance,
  ) {}

  async take({ a, b }: Pair): Promise<void> {
    if (a === undefined || b === undefined) {
      await this.#only(a ?? b, a === undefined ? 1 : 0);
      return;
    }
    const [ours, theirs] = this.files;
    this.#compare(
      a.where,
      ours.peek(a.event) ?? (await ours.values(a.event)),
      theirs.peek(b.event) ?? (await theirs.values(b.event)),
    );
  }

  result(runs: readonly [number, number]): RecordingDiff {
    const side = (index: 0 | 1): Side => {
      const { path, complete, events } = this.files[index];
      const notFinite = this.#notFinite[index];
      const alone = [...this.#alone[index].values()];
      return {
        path,
        complete,
        runs: runs[index],
        events: events.length,
        ...(notFinite === undefined ? {} : { notFinite }),
        alone,
      };
    };
    return {
      same: this.#first === undefined && this.#alone.every(({ size }) => size === 0),
      ...(this.#first === undefined ? {} : { first: this.#first }),
      a: side(0),
      b: side(1),
      titles: [...this.#rows.values()],
    };
  }

  async #only({ where, event }: Placed, index: 0 | 1): Promise<void> {
    const alone = this.#alone[index];
    const known = alone.get(where.title);
    alone.set(where.title, {
      title: where.title,
      events: (known?.events ?? 0) + 1,
      first: known?.first ?? where,
    });
    if (this.#notFinite[index] !== undefined) return;
    const values = await this.files[index].values(event);
    const counts = values.map(({ bytes, type }) => compareValues(bytes, bytes, type.dtype));
    if (counts.some(({ nan, inf }) => nan[0] + inf[0] > 0)) this.#notFinite[index] = where;
  }

  #compare(where: Where, a: readonly FileArray[], b: readonly FileArray[]): void {
    const row = this.#row(where.title);
    row.events++;
    const types = [a, b].map((values) => values.map(({ type }) => type));
    const [ours, theirs] = types as [TensorType[], TensorType[]];
    const alike =
      ours.length === theirs.length &&
      ours.every((type, index) => sameType(type, theirs[index] as TensorType));
    if (!alike) {
      row.differing++;
      this.#first ??= { kind: "type", where, a: ours, b: theirs };
      return;
    }
    let differs = false;
    a.forEach((value, index) => {
      const other = b[index] as FileArray;
      const found = compareValues(value.bytes, other.bytes, value.type.dtype, this.tolerance);
      add(row, found);
      for (const side of [0, 1] as const) {
        if (found.nan[side] + found.inf[side] > 0) this.#notFinite[side] ??= where;
      }
      if (found.out === 0) return;
      differs = true;
      this.#first ??= valueDifference(where, index, value, other, found.first);
    });
    if (differs) row.differing++;
  }

  #row(title: string): Row {
    let row = this.#rows.get(title);
    if (row === undefined) {
      const none = { elements: 0, out: 0, maxAbs: 0, maxRel: 0 };
      row = { title, events: 0, differing: 0, ...none, nan: [0, 0], inf: [0, 0] };
      this.#rows.set(title, row);
    }
    return row;
  }
}

function add(row: Row, found: Comparison): void {
  row.elements += found.elements;
  row.out += found.out;
  row.maxAbs = Math.max(row.maxAbs, found.maxAbs);
  row.maxRel = Math.max(row.maxRel, found.maxRel);
  for (const side of [0, 1] as const) {
    row.nan[side] += found.nan[side];
    row.inf[side] += found.inf[side];
  }
}

/** Elements shown on either side of the one that differs. */
const AROUND = 2;

function valueDifference(
  where: Where,
  value: number,
  a: FileArray,
  b: FileArray,
  element: number,
): FirstDifference {
  const { type } = a;
  const count = type.shape.reduce((product, size) => product * size, 1);
  const from = Math.max(0, element - AROUND);
  const to = Math.min(count, element + AROUND + 1);
  const texts = ({ bytes }: FileArray) => {
    const read = elementReader(bytes, type.dtype);
    return Array.from({ length: to - from }, (_, index) => text(read(from + index)));
  };
  const index: number[] = [];
  let rest = element;
  for (const size of type.shape.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  const around = { at: element - from, a: texts(a), b: texts(b) };
  return { kind: "value", where, value, type, index, around };
}

function text(element: ReturnType<ReturnType<typeof elementReader>>): string {
  if (Array.isArray(element))
    return `${text(element[0])}${element[1] < 0 ? "" : "+"}${text(element[1])}j`;
  return typeof element === "number" && Number.isFinite(element)
    ? String(Number(element.toPrecision(7)))
    : String(element);
}
