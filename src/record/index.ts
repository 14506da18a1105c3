export type { Tolerance } from "./compare.js";
export {
  diffRecordings,
  type FirstDifference,
  type RecordingDiff,
} from "./diff.js";
export { type RecordedEvent, RecordingFile } from "./reader.js";
export { type Recording, type RecordOptions, record } from "./record.js";
export { type Replay, replay } from "./replay.js";
export { formatDiff } from "./report.js";
