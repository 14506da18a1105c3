"""What Python MLX calls otherwise than the op table, or does not have: indexing, transforms, and more.

Indices that are operands are clamped as the table says; MLX itself reads what lies beyond.
"""

import mlx.core as mx
import numpy as np


def clamp(indices, size, extent=1, wraps=True):
    """Indices in range, so that `extent` elements fit; negative ones may count from the end."""
    values = np.array(indices)
    if values.dtype == np.uint64:
        values = np.minimum(values, np.uint64(2**62))
    values = values.astype(np.int64)
    if wraps:
        values = np.where(values < 0, values + size, values)
    return np.clip(values, 0, max(size - extent, 0))


def slices(start, stop, strides=None):
    strides = strides or [1] * len(start)
    return tuple(slice(*bounds) for bounds in zip(start, stop, strides))


UPDATES = {
    "": lambda place, update: update,
    "_add": lambda place, update: place.add(update),
    "_prod": lambda place, update: place.multiply(update),
    "_max": lambda place, update: place.maximum(update),
    "_min": lambda place, update: place.minimum(update),
}


def write(suffix, a, place, update):
    """A copy of `a` with a place replaced, or combined with an update."""
    if suffix == "":
        out = mx.array(a)
        out[place] = update.astype(a.dtype)
        return out
    return UPDATES[suffix](a.at[place], update.astype(a.dtype))


def slice_update(suffix):
    return lambda src, update, **bounds: write(suffix, src, slices(**bounds), update)


def dynamic_slice(a, start, axes, slice_size):
    starts = [0] * a.ndim
    for axis, at in zip(axes, np.array(start).reshape(-1)):
        starts[axis] = int(clamp(at, a.shape[axis], slice_size[axis], wraps=False))
    return a[slices(starts, [at + size for at, size in zip(starts, slice_size)])]


def dynamic_slice_update(src, update, start, axes):
    missing = src.ndim - update.ndim
    extent = [*src.shape[:missing], *update.shape]
    for axis in axes:
        if axis % src.ndim < missing:
            extent[axis] = 1
    starts = [0] * src.ndim
    for axis, at in zip(axes, np.array(start).reshape(-1)):
        starts[axis] = int(clamp(at, src.shape[axis], extent[axis], wraps=False))
    if 0 in extent:
        return src
    place = slices(starts, [at + size for at, size in zip(starts, extent)])
    return write("", src, place, mx.broadcast_to(update, extent))


def take(a, indices, axis=None):
    size = a.size if axis is None else a.shape[axis]
    return mx.take(a, mx.array(clamp(indices, size)), axis)


def along_axis(indices, a, axis):
    return mx.array(clamp(indices, a.shape[axis]))


def scatter_add_axis(a, indices, values, axis):
    axis %= a.ndim
    at = clamp(indices, a.shape[axis])
    shape = list(np.broadcast_shapes(at.shape, values.shape))
    others = list(np.broadcast_shapes([*a.shape[:axis], 1, *a.shape[axis + 1 :]], shape))
    size = others[axis]
    others[axis] = a.shape[axis]
    base = mx.broadcast_to(a, others)
    others[axis] = size
    grid = list(np.indices(others))
    grid[axis] = np.broadcast_to(at, others)
    flat = np.ravel_multi_index(grid, base.shape).reshape(-1) if size else np.zeros(0, np.int64)
    update = mx.broadcast_to(values.astype(a.dtype), others).reshape(-1)
    return mx.flatten(base).at[mx.array(flat)].add(update).reshape(base.shape)


def places(a, indices, axes, extent):
    """The flat index of every element of the slices that indices begin."""
    indices = np.broadcast_arrays(*[np.array(index) for index in indices])
    shape = indices[0].shape
    grid = [
        np.arange(size).reshape([-1 if axis == i else 1 for i in range(a.ndim)])
        for axis, size in enumerate(extent)
    ]
    grid = [np.broadcast_to(part, (*shape, *extent)) for part in grid]
    for index, axis in zip(indices, axes):
        begin = clamp(index, a.shape[axis], extent[axis])
        grid[axis] = grid[axis] + begin.reshape(*shape, *[1] * a.ndim)
    if 0 in grid[0].shape:
        return np.zeros(grid[0].shape, np.int64)
    return np.ravel_multi_index(grid, a.shape)


def gather(a, *indices, axes, slice_sizes):
    flat = places(a, indices, axes, slice_sizes)
    return mx.flatten(a)[mx.array(flat)] if a.size else mx.zeros(flat.shape, a.dtype)


def scatter(suffix):
    def call(a, updates, *indices, axes):
        flat = places(a, indices, axes, updates.shape[-a.ndim :] if a.ndim else [])
        if flat.size == 0:
            return a
        out = write(suffix, mx.flatten(a), mx.array(flat.reshape(-1)), mx.flatten(updates))
        return out.reshape(a.shape)

    return call


def masked_scatter(a, mask, src):
    out = mx.array(a)
    out[mask] = src
    return out


def transform(name):
    function = getattr(mx.fft, name)
    return lambda *operands, **attributes: function(*operands, **attributes)


def windowed(name):
    function = getattr(mx.fft, name)
    return lambda x, window=None, **attributes: function(x, window=window, **attributes)


def norm(a, ord=None, ord_name=None, axes=None, keepdims=False):
    return mx.linalg.norm(a, ord_name or ord, axes, keepdims)


def solve(a, b):
    """With batches broadcast, and a vector as one right-hand side, as in NumPy."""
    if b.ndim == 1:
        return mx.squeeze(solve(a, b[:, None]), -1)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    spread = [mx.broadcast_to(x, [*batch, *x.shape[-2:]]) for x in (a, b)]
    return mx.linalg.solve(*spread)


def rope(a, offset=None, freqs=None, base=None, **attributes):
    offset = 0 if offset is None else offset
    return mx.fast.rope(a, base=base, offset=offset, freqs=freqs, **attributes)


def attention(q, k, v, mask=None, sinks=None, scale=1.0, mask_mode=None):
    return mx.fast.scaled_dot_product_attention(
        q, k, v, scale=scale, mask=mask_mode or mask, sinks=sinks
    )


def cross_entropy(logits, targets):
    at = clamp(targets, logits.shape[-1], wraps=False)
    return mx.fast.cross_entropy(logits, mx.array(at))


def unlisted(value):
    """A list of one number as the number, a longer one as a tuple."""
    if not isinstance(value, list):
        return value
    return value[0] if len(value) == 1 else tuple(value)


def convolution(name):
    function = getattr(mx, name)

    def call(x, weight, **attributes):
        return function(x, weight, **{n: unlisted(value) for n, value in attributes.items()})

    return call


def conv_general(x, weight, padding_lo=(0,), padding_hi=(0,), **attributes):
    n = x.ndim - 2
    both = tuple(list(p) * n if len(p) == 1 else list(p) for p in (padding_lo, padding_hi))
    return mx.conv_general(x, weight, padding=both, **attributes)


def tensordot(a, b, axes=2, axes_a=None, axes_b=None):
    return mx.tensordot(a, b, axes if axes_a is None else [axes_a, axes_b])


def block_masked_mm(a, b, *masks, block_size=64):
    return mx.block_masked_mm(a, b, block_size, *masks)


def matrices(indices, batch):
    """Indices of the matrices in a batch."""
    if indices is None:
        return None
    count = int(np.prod(batch.shape[:-2]))
    return mx.array(clamp(indices, count, wraps=False).astype(np.uint32))


def gather_mm(a, b, lhs=None, rhs=None, **attributes):
    return mx.gather_mm(a, b, matrices(lhs, a), matrices(rhs, b), **attributes)


def gather_qmm(x, w, scales, biases=None, lhs=None, rhs=None, **attributes):
    at = (matrices(lhs, x), matrices(rhs, w))
    return mx.gather_qmm(x, w, scales, biases, *at, **attributes)


def segmented_mm(a, b, segments):
    size = a.shape[-1]
    at = mx.array(clamp(segments, size, 0, wraps=False).astype(np.uint32))
    return mx.segmented_mm(a, b, at)


def quantize(w, global_scale=None, **attributes):
    return mx.quantize(w, global_scale=global_scale, **attributes)


def dequantize(w, scales, biases=None, global_scale=None, dtype=None, **attributes):
    """MLX writes what is not affine as float32, also into float64."""
    wide = biases is None and dtype is not None and dtype == mx.float64
    out = mx.dequantize(
        w,
        scales,
        biases,
        global_scale=global_scale,
        dtype=mx.float32 if wide else dtype,
        **attributes,
    )
    return out.astype(mx.float64) if wide else out


def unless_empty(function):
    """MLX's sums over nothing may never end: of those only the type is taken, the values are 0."""

    def call(*operands, **attributes):
        out = function(*operands, **attributes)
        empty = any(operand.size == 0 for operand in operands)
        return mx.zeros(out.shape, out.dtype) if empty else out

    return call


def to_fp8(x):
    """MLX converts float64 as if it were float32."""
    return mx.to_fp8(x.astype(mx.float32) if x.dtype == mx.float64 else x)


def from_fp8(x, dtype=mx.bfloat16):
    if dtype == mx.float64:
        return mx.from_fp8(x, mx.float32).astype(dtype)
    return mx.from_fp8(x, dtype)


SPECIAL = {
    "to_fp8": to_fp8,
    "from_fp8": from_fp8,
    "slice": lambda a, **bounds: a[slices(**bounds)],
    "dynamic_slice": dynamic_slice,
    "dynamic_slice_update": dynamic_slice_update,
    "take": take,
    "take_along_axis": lambda a, indices, axis: mx.take_along_axis(
        a, along_axis(indices, a, axis), axis
    ),
    "put_along_axis": lambda a, indices, values, axis: mx.put_along_axis(
        a, along_axis(indices, a, axis), values, axis
    ),
    "scatter_add_axis": scatter_add_axis,
    "gather": gather,
    "masked_scatter": masked_scatter,
    "tensordot": tensordot,
    "vecdot": unless_empty(mx.vecdot),
    "einsum": unless_empty(
        lambda *operands, subscripts: mx.einsum(subscripts, *operands)
    ),
    "block_masked_mm": block_masked_mm,
    "gather_mm": gather_mm,
    "segmented_mm": segmented_mm,
    "conv_general": conv_general,
    "fft.stft": windowed("stft"),
    "fft.istft": windowed("istft"),
    "linalg.norm": unless_empty(norm),
    "linalg.solve": solve,
    "fast.rope": rope,
    "fast.scaled_dot_product_attention": attention,
    "fast.cross_entropy": cross_entropy,
    "quantize": quantize,
    "dequantize": dequantize,
    "gather_qmm": gather_qmm,
}
SPECIAL |= {"slice_update" + suffix: slice_update(suffix) for suffix in UPDATES}
SPECIAL |= {"scatter" + suffix: scatter(suffix) for suffix in UPDATES}
SPECIAL |= {
    name: convolution(name)
    for n in "123"
    for name in (f"conv{n}d", f"conv_transpose{n}d")
}
SPECIAL |= {
    f"fft.{prefix}fft{suffix}": transform(f"{prefix}fft{suffix}")
    for prefix in ("", "i", "r", "ir")
    for suffix in ("", "2", "n")
}
SPECIAL |= {f"fft.{name}": transform(name) for name in ("fftshift", "ifftshift")}
