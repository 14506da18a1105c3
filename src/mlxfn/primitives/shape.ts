import type { TensorType } from "../../tensor/dtype.js";
import { type Call, type Lowering, type Lowerings, to, toOneOf } from "./call.js";

const WRITES = [
  "slice_update_max",
  "slice_update_min",
  "slice_update_add",
  "slice_update_prod",
  "slice_update",
];
const SCATTERS = ["scatter_max", "scatter_min", "scatter_add", "scatter_prod", "scatter"];
const SCATTERS_ALONG = ["scatter_add_axis", "put_along_axis"];

const axes = ({ state }: Call) => ({ axes: state.axes as number[] });
const axis = ({ state }: Call) => ({ axis: state.axis as number });
const outputShape = ({ outputTypes }: Call) => ({ shape: (outputTypes[0] as TensorType).shape });

/** The first operand, with the shape of all together; or with a shape of its own. */
const broadcast: Lowering = (call) => {
  const { inputs, state, anySizes, add } = call;
  if (!anySizes) return add("broadcast_to", inputs.slice(0, 1), outputShape(call));
  if (inputs.length === 1) return add("broadcast_to", inputs, { shape: state.shape as number[] });
  return add("broadcast_arrays", inputs, {}, inputs.length).slice(0, 1);
};

/** As {@link broadcast}, but for some axes. Ops that need it do it themselves, whatever the sizes are. */
const broadcastAxes: Lowering = (call) =>
  call.anySizes ? call.inputs.slice(0, 1) : broadcast(call);

/** The borders of a slice. The state of a slice that goes backwards to the very beginning ends at -1, which an op counts from the end. */
function borders({ state, inputTypes: [type] }: Call) {
  const { start, stop, strides } = state as Record<string, number[]>;
  const ends = (stop as number[]).map((end, index) => {
    const backwards = (strides?.[index] ?? 1) < 0 && end < 0;
    return backwards ? end - (type?.shape[index] ?? 0) : end;
  });
  return { start: start as number[], stop: ends, strides: strides as number[] };
}

/** `axes`, `low` and `high` of some axes as the widths of all. */
function padWidth({ state, inputTypes: [type] }: Call): number[] {
  const { axes, low, high } = state as Record<string, number[]>;
  const widths = new Array<number>(2 * (type?.shape.length ?? 0)).fill(0);
  for (const [index, place] of (axes as number[]).entries()) {
    widths[2 * place] = low?.[index] ?? 0;
    widths[2 * place + 1] = high?.[index] ?? 0;
  }
  return widths;
}

/** A scatter's operands: the array, the indices, and the updates last, which an op takes second. */
function scattered([array, ...rest]: readonly number[]): number[] {
  return [array, rest.at(-1), ...rest.slice(0, -1)] as number[];
}

/** Its operands have an axis of batches first, of which MLX makes more than one only under vmap; the mask is that of all elements. */
const maskedScatter: Lowering = ({ inputs, inputTypes, add }) => {
  if (inputTypes[0]?.shape[0] !== 1) return undefined;
  const [array, mask, updates] = inputs.map((input) => add("squeeze", [input], { axes: [0] })[0]);
  const flat = add("flatten", [updates as number]);
  const scattered = add("masked_scatter", [array as number, mask as number, ...flat]);
  return add("expand_dims", scattered, { axes: [0] });
};

/** Primitives that move elements. */
export const SHAPE: Lowerings = {
  AsStrided: to("as_strided", ({ state }) => ({
    shape: state.shape as number[],
    strides: state.strides as number[],
    offset: state.offset as number,
  })),
  Broadcast: broadcast,
  BroadcastAxes: broadcastAxes,
  Concatenate: to("concatenate", axis),
  DynamicSlice: to("dynamic_slice", ({ state }) => ({
    axes: state.axes as number[],
    slice_size: state.sizes as number[],
  })),
  DynamicSliceUpdate: to("dynamic_slice_update", axes),
  ExpandDims: to("expand_dims", axes),
  Flatten: to("flatten", ({ state }) => ({
    start_axis: state.start as number,
    end_axis: state.end as number,
  })),
  // Its operand has its shape already.
  Full: (call) => (call.anySizes ? call.inputs : broadcast(call)),
  Gather: to("gather", ({ state }) => ({
    axes: state.axes as number[],
    slice_sizes: state.sizes as number[],
  })),
  GatherAxis: to("take_along_axis", axis),
  MaskedScatter: maskedScatter,
  NumberOfElements: to("number_of_elements", ({ state }) => ({
    axes: state.axes as number[],
    inverted: state.inverted as boolean,
    dtype: state.dtype as string,
  })),
  Pad: to("pad", (call) => ({ pad_width: padWidth(call) })),
  Reshape: to("reshape", (call) =>
    call.anySizes ? { shape: call.state.shape as number[] } : outputShape(call),
  ),
  Scatter: toOneOf(SCATTERS, "kind", axes, scattered),
  ScatterAxis: toOneOf(SCATTERS_ALONG, "kind", axis),
  Slice: to("slice", borders),
  SliceUpdate: toOneOf(WRITES, "kind", borders),
  Split: to("split", ({ state }) => ({
    indices: state.indices as number[],
    axis: state.axis as number,
  })),
  Squeeze: to("squeeze", axes),
  Transpose: to("transpose", axes),
  Unflatten: to("unflatten", ({ state }) => ({
    axis: state.axis as number,
    shape: state.shape as number[],
  })),
};
