"""Answers calls of the op table with Python MLX: one JSON object a line in, one out.

Most ops are the function of the same name, with the operands in order and the attributes as keyword
arguments. What differs from that is in the tables below.
"""

import base64
import json
import math
import os
import queue
import sys
import threading
import warnings

import mlx.core as mx
import numpy as np

import reference_special

mx.set_default_device(mx.cpu)

DTYPES = {"bool": "bool_"}
# Attributes that Python calls otherwise.
RENAMED = {"axes": "axis"}
# Ops whose attributes are passed in order, because Python takes them by position alone.
POSITIONAL = {
    "astype": ["dtype"],
    "bartlett": ["M"],
    "blackman": ["M"],
    "hamming": ["M"],
    "hanning": ["M"],
    "roll": ["shift", "axes"],
    "tile": ["reps"],
    "view": ["dtype"],
}
# Ops that take their operands as one list.
LISTED = {"concatenate", "stack"}


def threefry(key, count):
    """The bits of mx.random.bits, which Python does not offer, as uint32."""
    rotations = ((13, 15, 26, 6), (17, 29, 16, 24))
    with np.errstate(over="ignore"):
        schedule = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA))
        half = (count + 1) // 2
        x = np.arange(half, dtype=np.uint32)
        y = np.arange(half, 2 * half, dtype=np.uint32)
        if count % 2:
            y[-1] = 0
        x, y = x + schedule[0], y + schedule[1]
        for i in range(5):
            for r in rotations[i % 2]:
                x = x + y
                y = (y << np.uint32(r)) | (y >> np.uint32(32 - r))
                y = y ^ x
            x = x + schedule[(i + 1) % 3]
            y = y + schedule[(i + 2) % 3] + np.uint32(i + 1)
    return np.concatenate([x, y])[:count]


def random_bits(key, shape, width=4):
    dtype = {1: np.uint8, 2: np.uint16, 4: np.uint32}[width]
    size = int(np.prod(shape)) * width
    words = threefry(np.array(key), (size + 3) // 4)
    return mx.array(words.view(np.uint8)[:size].view(dtype).reshape(shape))


def pad(a, value=None, pad_width=(), mode="constant"):
    pairs = list(zip(pad_width[::2], pad_width[1::2]))
    return mx.pad(a, pairs, mode, 0 if value is None else value)


def split(a, sections=None, indices=None, axis=0):
    return mx.split(a, sections if indices is None else indices, axis)


def roll(a, shift, axes=None):
    return mx.roll(a, tuple(shift), None if axes is None else tuple(axes))


def keyed(name):
    """The key is the first operand here and a keyword there; absent operands take the defaults."""
    function = getattr(mx.random, name)

    def call(key, *operands, **attributes):
        names = {
            "uniform": ("low", "high"),
            "normal": ("loc", "scale"),
            "bernoulli": ("p",),
        }.get(name)
        if names is None:
            return function(*operands, key=key, **attributes)
        given = {n: value for n, value in zip(names, operands) if value is not None}
        return function(**given, key=key, **attributes)

    return call


def nan_to_num(a, **attributes):
    """Of float64 MLX has none; ours goes by NumPy."""
    if a.dtype != mx.float64:
        return mx.nan_to_num(a, **attributes)
    return mx.array(np.nan_to_num(np.array(a), **attributes), dtype=mx.float64)


def arg_reduction(function):
    """Python cannot keep the dimensions of a scalar."""

    def call(a, axis=None, keepdims=False):
        return function(a, axis, keepdims and a.ndim > 0)

    return call


def reduction(name):
    """MLX may never come back from reducing nothing; NumPy does."""
    function = getattr(mx, name)

    def call(a, axes=None, keepdims=False, **attributes):
        result = function(a, axis=axes, keepdims=keepdims, **attributes)
        if a.size > 0 or isinstance(result, tuple):
            return result
        axis = None if axes is None else tuple(axes)
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            value = getattr(np, name)(np.ones(a.shape), axis=axis, keepdims=keepdims)
        return mx.array(value).astype(result.dtype)

    return call


def number_of_elements(a, axes=None, inverted=False, dtype=mx.int32):
    count = math.prod(a.shape[axis] for axis in (range(a.ndim) if axes is None else axes))
    return mx.array((1 / count if count else math.inf) if inverted else count, dtype)


REDUCTIONS = ("all", "any", "count_nonzero", "sum", "prod", "mean", "max", "min", "var", "std")

SPECIAL = {
    **{name: reduction(name) for name in REDUCTIONS},
    "argmax": arg_reduction(mx.argmax),
    "argmin": arg_reduction(mx.argmin),
    "nan_to_num": nan_to_num,
    "number_of_elements": number_of_elements,
    "pad": pad,
    "split": split,
    "roll": roll,
    "unique": lambda a, fill_value=None, **kw: mx.unique(a, fill_value=fill_value, **kw),
    "arange": lambda start, stop, step=1, dtype=None: mx.arange(
        start, stop, step, dtype=dtype
    ),
    # mx.full ignores the dtype where the value is an array.
    "full": lambda vals, shape, dtype=None: mx.full(
        shape, vals if dtype is None else vals.astype(dtype)
    ),
    "transpose": mx.transpose,
    "matrix_transpose": lambda a: mx.swapaxes(a, -1, -2),
    "random.key": lambda seed: mx.random.key(seed),
    "random.split": lambda key, num=2: mx.random.split(key, num),
    "random.bits": random_bits,
    "random.permutation": lambda key, x, axis=0: mx.random.permutation(x, axis, key),
}


def find(op):
    if op in SPECIAL:
        return SPECIAL[op]
    if op in reference_special.SPECIAL:
        return reference_special.SPECIAL[op]
    scope, _, name = op.rpartition(".")
    if scope == "random":
        return keyed(name)
    target = mx
    for part in op.split("."):
        target = getattr(target, part)
    return target


def from_wire(value):
    if value is None:
        return None
    raw = base64.b64decode(value["data"])
    dtype = value["dtype"]
    stored = {"bfloat16": "uint16"}.get(dtype, dtype)
    data = np.frombuffer(raw, dtype=np.dtype(stored)).reshape(value["shape"])
    if dtype == "float64":
        return mx.array(data, dtype=mx.float64)
    array = mx.array(data)
    return mx.view(array, mx.bfloat16) if dtype == "bfloat16" else array


def to_wire(array):
    dtype = str(array.dtype).rpartition(".")[2]
    plain = mx.contiguous(array)
    data = np.array(mx.view(plain, mx.uint16) if dtype == "bfloat16" else plain)
    raw = base64.b64encode(data.tobytes()).decode()
    return {"dtype": dtype, "shape": list(array.shape), "data": raw}


def from_json(value):
    if set(value) == {"integer"}:
        return int(value["integer"])
    if set(value) == {"float"}:
        return float(value["float"])
    return value


def run(request):
    op = request["op"]
    operands = [from_wire(value) for value in request["inputs"]]
    attributes = {
        name: getattr(mx, DTYPES.get(value, value)) if name == "dtype" else value
        for name, value in request["attributes"].items()
    }
    function = find(op)
    if op in LISTED:
        operands = [operands]
    if op in POSITIONAL:
        names = [name for name in POSITIONAL[op] if name in attributes]
        result = function(*operands, *(attributes[name] for name in names))
    else:
        if op not in SPECIAL and op not in reference_special.SPECIAL:
            attributes = {RENAMED.get(n, n): value for n, value in attributes.items()}
        result = function(*operands, **attributes)
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    mx.eval(outputs)
    return [to_wire(output) for output in outputs]


def main():
    requests = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            requests.put(line)
        os._exit(0)  # also where MLX does not come back from a call

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            answer = {"outputs": run(json.loads(requests.get(), object_hook=from_json))}
        except Exception as error:  # whatever MLX refuses is an answer too
            answer = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


main()
