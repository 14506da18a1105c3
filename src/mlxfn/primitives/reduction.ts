import { type Call, type Lowerings, to, toOneOf } from "./call.js";

const REDUCTIONS = ["all", "any", "sum", "prod", "min", "max"];
const SEARCHES = ["argmin", "argmax"];
const SCANS = ["cummax", "cummin", "cumsum", "cumprod", "logcumsumexp"];

const lastAxis = ({ inputTypes: [type] }: Call) => [(type?.shape.length ?? 1) - 1];
const axis = ({ state }: Call) => ({ axis: state.axis as number });
const kth = ({ state }: Call) => ({ kth: state.kth as number, axis: state.axis as number });

/** Primitives that make one number of many, or put numbers in order. */
export const REDUCTION: Lowerings = {
  ArgPartition: to("argpartition", kth),
  ArgReduce: toOneOf(SEARCHES, "kind", (call) => ({ ...axis(call), keepdims: true })),
  ArgSort: to("argsort", axis),
  LogSumExp: to("logsumexp", (call) => ({ axes: lastAxis(call), keepdims: true })),
  Partition: to("partition", kth),
  Reduce: toOneOf(REDUCTIONS, "kind", ({ state }) => ({
    axes: state.axes as number[],
    keepdims: true,
  })),
  Scan: toOneOf(SCANS, "kind", ({ state }) => ({
    axis: state.axis as number,
    reverse: state.reverse as boolean,
    inclusive: state.inclusive as boolean,
  })),
  SearchSorted: to("searchsorted", ({ state }) => ({
    side: state.right === true ? "right" : "left",
  })),
  Softmax: to("softmax", (call) => ({
    axes: lastAxis(call),
    precise: call.state.precise as boolean,
  })),
  Sort: to("sort", axis),
};
