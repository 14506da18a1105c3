export type { Where } from "./align.js";
export type { Tolerance } from "./compare.js";
export {
  type Alone,
  diffRecordings,
  type FirstDifference,
  type RecordingDiff,
  type Side,
  type TitleDiff,
} from "./diff.js";
export type { Place } from "./format.js";
export { type RecordedEvent, RecordingFile } from "./reader.js";
export { type Recording, type RecordOptions, record } from "./record.js";
export { type Replay, replay } from "./replay.js";
export { formatDiff } from "./report.js";
