import { SessionArrivals } from "./arrivals.js";
import { SessionEmbeddings } from "./embeddings.js";
import { SessionExports } from "./exports.js";
import { SessionGenerations } from "./generations.js";
import { SessionHooks } from "./hooks.js";
import type { Host } from "./host.js";
import { SessionModels } from "./models.js";
import { SessionPrograms } from "./programs.js";
import { SessionReads } from "./reads.js";
import { SessionRecordings } from "./recordings.js";
import { SessionReplays } from "./replays.js";
import { SessionRuns } from "./runs.js";
import { type Connection, Sender } from "./sender.js";
import { SessionSnapshots } from "./snapshots.js";
import { SessionTensors } from "./tensors.js";
import { Transfers } from "./transfers.js";

/** Values wait while more than this is unread. */
const HIGH_WATER = 8 * 1024 * 1024;

/** The parts of a session, each of which takes the messages that are about it. */
export class SessionParts {
  readonly transfers = new Transfers();
  readonly sender: Sender;
  readonly tensors: SessionTensors;
  readonly arrivals: SessionArrivals;
  readonly reads: SessionReads;
  readonly programs: SessionPrograms;
  readonly hooks: SessionHooks;
  readonly runs: SessionRuns;
  readonly recordings: SessionRecordings;
  readonly replays: SessionReplays;
  readonly models: SessionModels;
  readonly embeddings: SessionEmbeddings;
  readonly snapshots: SessionSnapshots;
  readonly generations: SessionGenerations;
  readonly exports: SessionExports;

  constructor({ engine, limits }: Host, connection: Connection) {
    const { native } = engine;
    const release = (buffer: ArrayBufferLike) => native.release(buffer);
    const sender = new Sender(connection, HIGH_WATER, limits.maxFrameBytes, release);
    const tensors = new SessionTensors(native, sender, limits);
    this.sender = sender;
    this.tensors = tensors;
    this.arrivals = new SessionArrivals(native, sender, tensors, this.transfers);
    this.reads = new SessionReads(native, sender, tensors, this.transfers, limits);
    this.programs = new SessionPrograms(engine, sender, tensors, limits);
    this.hooks = new SessionHooks(
      {
        router: engine.hooks,
        sender,
        limits,
        programNumber: (program) => this.programs.numberOf(program),
        runNumber: (run) => this.runs.numberOf(run),
      },
      limits.hookCredit,
    );
    this.replays = new SessionReplays(engine, sender, limits);
    const { programs, hooks, replays } = this;
    this.runs = new SessionRuns({ engine, sender, tensors, programs, hooks, replays, limits });
    this.exports = new SessionExports(engine, sender, tensors, programs);
    this.recordings = new SessionRecordings(engine, sender, limits);
    this.models = new SessionModels(engine, sender, limits);
    const { models } = this;
    this.embeddings = new SessionEmbeddings(engine, sender, tensors, models);
    this.snapshots = new SessionSnapshots(sender, models, limits);
    const { snapshots } = this;
    this.generations = new SessionGenerations({ sender, models, snapshots, limits });
  }

  /** The number of requests without an answer, and of transfers that are not over. */
  get open(): number {
    const { runs, reads, arrivals, transfers } = this;
    const ofModels = [this.embeddings, this.snapshots, this.generations];
    const waiting = [reads, arrivals, this.exports, ...ofModels].reduce(
      (sum, part) => sum + part.waiting,
      0,
    );
    return runs.size + waiting + transfers.open;
  }

  /** Ends whatever has this request number and is not over. */
  cancel(request: number, reason: string): void {
    this.programs.cancel(request, reason);
    this.runs.cancel(request, reason);
    this.reads.cancel(request, reason);
    this.arrivals.cancel(request, reason);
    this.embeddings.cancel(request, reason);
    this.snapshots.cancel(request, reason);
    this.generations.cancel(request, reason);
    this.exports.cancel(request, reason);
  }

  /** The session ends. */
  close(): void {
    this.runs.close();
    this.hooks.close();
    this.recordings.close();
    this.replays.close();
    this.embeddings.closeAll();
    this.generations.closeAll();
    this.snapshots.closeAll();
    this.exports.closeAll();
    this.models.closeAll();
    this.tensors.close();
    this.transfers.close();
    this.programs.close();
  }
}
