"""Exports functions with Python MLX, a file for each primitive and some models: NAME.mlxfn, and NAME.safetensors with
its arguments (`0`, `1`, ... and names) and its results (`result.0`, ...). Usage: export_functions.py FOLDER
"""

import sys
from pathlib import Path

import mlx.core as mx

mx.set_default_device(mx.cpu)
mx.random.seed(7)

folder = Path(sys.argv[1])


def export(name, function, *args, shapeless=False, metadata="", **kwargs):
    """Exports a function, or prints its name and why MLX does not."""
    path = folder / f"{name}.mlxfn"
    try:
        mx.export_function(str(path), function, *args, shapeless=shapeless, metadata=metadata, **kwargs)
    except ValueError as error:
        path.unlink()
        print(f"{name}: {error}")
        return
    save(name, function, args, kwargs)


def save(name, function, args, kwargs):
    results = function(*args, **kwargs)
    results = list(results) if isinstance(results, (list, tuple)) else [results]
    tensors = {str(index): value for index, value in enumerate(args)} | kwargs
    tensors |= {f"result.{index}": value for index, value in enumerate(results)}
    plain = {key: mx.contiguous(value) for key, value in tensors.items()}
    mx.save_safetensors(str(folder / f"{name}.safetensors"), plain)


def floats(*shape, dtype=mx.float32):
    return mx.random.uniform(-0.9, 0.9, shape).astype(dtype)


def integers(*shape, low=0, high=9, dtype=mx.int32):
    return mx.random.randint(low, high, shape).astype(dtype)


x, y = floats(3, 4), floats(3, 4)
positive = mx.abs(x) + 1.5
square = x @ x.T + 4 * mx.eye(3)
i, j = integers(3, 4), integers(3, 4, low=1)
flags, other = i > 3, j > 4
key = mx.random.key(3)
signal = floats(2, 8, 3)
image, filters = floats(2, 7, 6, 4), floats(8, 3, 3, 2)
packed, scales, biases = mx.quantize(floats(32, 64), group_size=32, bits=4)
queries, keys = floats(1, 4, 5, 16), floats(1, 2, 5, 16)

for name in (
    "abs arcsin arccos arcsinh arctan arctanh ceil cos cosh erf erfinv exp expm1 floor log1p negative round sigmoid sign "
    "sin sinh square tan tanh stop_gradient"
).split():
    export(name, getattr(mx, name), x)
for name in "arccosh log log2 log10 sqrt rsqrt".split():
    export(name, getattr(mx, name), positive)
for name in (
    "add subtract multiply divide floor_divide remainder maximum minimum arctan2 logaddexp equal not_equal less "
    "less_equal greater greater_equal"
).split():
    export(name, getattr(mx, name), x, y)
    if name not in ("arctan2", "logaddexp"):
        export(f"{name}_of_integers", getattr(mx, name), i, j)
for name in "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split():
    export(name, getattr(mx, name), i, j)
for name in "logical_and logical_or".split():
    export(name, getattr(mx, name), flags, other)
export("logical_not", mx.logical_not, flags)
export("power", lambda a, b: mx.power(mx.abs(a) + 1, b), x, y)
export("divmod", mx.divmod, i, j)
export("select", mx.where, flags, x, y)
export("cast", lambda a: (a.astype(mx.float16), a.astype(mx.bfloat16), a.astype(mx.int8)), x)
export("view", lambda a: mx.view(a, mx.uint32), x)
export("complex", lambda a, b: (lambda c: (mx.real(c), mx.imag(c), mx.conjugate(c)))(a + 1j * b), x, y)
export("float64", lambda a: mx.exp(a.astype(mx.float64) * 3).astype(mx.float32), x)
export("nan_equal", lambda a: mx.array_equal(a, a, equal_nan=True), mx.array([1.0, float("nan")]))

for name in "sum prod max min mean var".split():
    export(name, lambda a, f=getattr(mx, name): (f(a), f(a, axis=0), f(a, axis=1, keepdims=True)), x)
export("sum_of_integers", lambda a: (mx.sum(a, axis=0), mx.prod(a, axis=1)), i)
for name in "all any".split():
    export(name, lambda a, f=getattr(mx, name): f(a, axis=1), flags)
for name in "argmax argmin".split():
    export(name, lambda a, f=getattr(mx, name): (f(a, axis=1), f(a, axis=0, keepdims=True)), x)
for name in "cumsum cumprod cummax cummin logcumsumexp".split():
    scan = getattr(mx, name)
    export(name, lambda a, f=scan: (f(a, axis=1), f(a, axis=0, reverse=True, inclusive=False)), x)
for name in "sort argsort".split():
    export(name, lambda a, f=getattr(mx, name): f(a, axis=0), x)
export("partition", lambda a: mx.partition(a, 2, axis=1)[:, 2], x)
export("argpartition", lambda a: mx.take_along_axis(a, mx.argpartition(a, 2, axis=1), axis=1)[:, 2], x)
export("searchsorted", lambda a: mx.searchsorted(mx.array([0.0, 0.5]), a), x)
export("softmax", lambda a: (mx.softmax(a, axis=-1), mx.softmax(a, axis=0, precise=True)), x)
export("logsumexp", lambda a: (mx.logsumexp(a, axis=-1), mx.logsumexp(a)), x)

export("arange", lambda a: a + mx.arange(4), x)
export("as_strided", lambda a: mx.as_strided(a, (2, 3), (1, 2), 1), x)
export("broadcast", lambda a: mx.broadcast_to(a[0], (5, 4)), x)
export("concatenate", lambda a, b: mx.concatenate([a, b], axis=1), x, y)
export("dynamic_slice", lambda a, s: mx.slice(a, s, (0, 1), (2, 2)), x, mx.array([1, 2]))
export("dynamic_slice_update", lambda a, b, s: mx.slice_update(a, b, s, (0, 1)), x, y[:2, :2], mx.array([1, 2]))
export("expand_dims", lambda a: mx.expand_dims(a, (0, 2)), x)
export("full", lambda a: a + mx.full((3, 4), 2.5), x)
export("flatten", lambda a: mx.flatten(a, 0, 1), floats(2, 3, 4))
export("gather", lambda a, at: mx.take(a, at, axis=0), x, mx.array([2, 0, 1, 1]))
export("gather_several", lambda a, r, c: a[r, c], x, mx.array([2, 0]), mx.array([3, 1]))
export("gather_axis", lambda a, at: mx.take_along_axis(a, at, axis=1), x, integers(3, 2, high=4))


def masked(a, m, b):
    copy = mx.array(a)
    copy[m] = b.flatten()[: m.size]
    return copy


export("masked_scatter", masked, x, flags, y)
export("pad", lambda a: (mx.pad(a, ((1, 0), (0, 2))), mx.pad(a, 1, constant_values=3.0)), x)
export("reshape", lambda a: mx.reshape(a, (2, 6)), x)
export("unflatten", lambda a: mx.unflatten(a, 1, (2, 2)), x)
export("squeeze", lambda a: mx.squeeze(a, 0), floats(1, 3))
export("transpose", lambda a: mx.transpose(a, (2, 0, 1)), floats(2, 3, 4))
export("split", lambda a: mx.split(a, [1, 3], axis=1), x)
export("slice", lambda a: (a[1:, ::2], a[::-1, 3:0:-1], a[2::-2]), x)
export("depends", lambda a, b: mx.depends([a], [b])[0] if hasattr(mx, "depends") else a, x, y)


def writes(a, b):
    copy, more = mx.array(a), mx.array(a)
    copy[1:3, ::2] = b[1:3, ::2]
    more[1:3] = more[1:3] + b[1:3]
    return copy, more


export("slice_update", writes, x, y)
at = mx.array([2, 0])
export("scatter_add", lambda a, b: a.at[at].add(b[:2]), x, y)
export("scatter_prod", lambda a, b: a.at[at].multiply(b[:2]), x, y)
export("scatter_max", lambda a, b: a.at[at].maximum(b[:2]), x, y)
export("scatter_min", lambda a, b: a.at[at].minimum(b[:2]), x, y)
along = integers(3, 2, high=4)
export("scatter_axis", lambda a, b: mx.put_along_axis(a, mx.array([[0, 2]] * 3), b[:, :2], axis=1), x, y)


def assigned(a, b):
    copy = mx.array(a)
    copy[at] = b[:2]
    return copy


export("scatter_none", assigned, x, y)

export("matmul", lambda a, b: a @ b.T, x, y)
export("addmm", lambda a, b, c: mx.addmm(c, a, b.T, alpha=0.5, beta=2.0), x, y, floats(3, 3))
export("gather_mm", lambda a, b, r: mx.gather_mm(a, b, rhs_indices=r), floats(2, 3, 4), floats(5, 4, 2), mx.array([4, 1]))
export("block_masked_mm", lambda a, b, m: mx.block_masked_mm(a, b, 32, m), floats(64, 64), floats(64, 64), mx.array([[True, False], [True, True]]))
export("hadamard", lambda a: mx.hadamard_transform(a, 0.5), floats(2, 8))
export("conv1d", lambda a, w: mx.conv1d(a, w, stride=2, padding=1), signal, floats(5, 3, 3))
export("conv2d", lambda a, w: mx.conv2d(a, w, stride=(2, 1), padding=(1, 2), dilation=(1, 2), groups=2), image, filters)
export("conv_transpose", lambda a, w: mx.conv_transpose1d(a, w, stride=2, padding=1), signal, floats(5, 3, 3))
export("quantized_matmul", lambda a, w, s, b: mx.quantized_matmul(a, w, s, b, True, 32, 4), floats(3, 64), packed, scales, biases)
stacked = mx.quantize(floats(3, 32, 64), group_size=32, bits=4)
export(
    "gather_qmm",
    lambda a, w, s, b, r: mx.gather_qmm(a, w, s, b, rhs_indices=r, transpose=True, group_size=32, bits=4),
    floats(2, 3, 64), *stacked, mx.array([2, 0]),
)
export("quantize", lambda a: mx.quantize(a, group_size=32, bits=8), floats(4, 64))
export("dequantize", lambda w, s, b: mx.dequantize(w, s, b, 32, 4), packed, scales, biases)
export("rms_norm", lambda a, w: (mx.fast.rms_norm(a, w, 1e-5), mx.fast.rms_norm(a, None, 1e-5)), x, y[0])
export("layer_norm", lambda a, w, b: (mx.fast.layer_norm(a, w, b, 1e-5), mx.fast.layer_norm(a, None, None, 1e-5)), x, y[0], x[0])
export("rope", lambda a: (mx.fast.rope(a, 8, traditional=False, base=10000.0, scale=1.0, offset=3), mx.fast.rope(a, 16, traditional=True, base=500.0, scale=0.5, offset=0)), queries)
export("attention", lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25), queries, keys, floats(1, 2, 5, 16))
export("causal_attention", lambda q, k, v: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask="causal"), queries, keys, floats(1, 2, 5, 16))
export("masked_attention", lambda q, k, v, m: mx.fast.scaled_dot_product_attention(q, k, v, scale=0.25, mask=m), queries, keys, floats(1, 2, 5, 16), floats(5, 5))

export("fft", lambda a: (lambda c: (mx.real(c), mx.imag(c), mx.fft.irfft(c, n=8, axis=1)))(mx.fft.rfft(a, axis=1)), signal)
export("fft2", lambda a: (lambda c: (mx.real(c), mx.real(mx.fft.ifft2(c, axes=(0, 1)))))(mx.fft.fft2(a, axes=(0, 1))), signal)
export("random_bits", lambda k: mx.random.uniform(shape=(3, 5), key=k), key)
export("random_normal", lambda k: mx.random.normal((3, 5), key=k), key)
export("inverse", lambda a: mx.linalg.inv(a, stream=mx.cpu), square)
export("cholesky", lambda a: mx.linalg.cholesky(a, stream=mx.cpu), square)
export("qr", lambda a: mx.linalg.qr(a, stream=mx.cpu), square)
export("svd", lambda a: mx.linalg.svd(a, stream=mx.cpu)[1], square)
export("eig", lambda a: mx.abs(mx.linalg.eig(a, stream=mx.cpu)[0]), square)
export("eigh", lambda a: mx.linalg.eigh(a, stream=mx.cpu)[0], square)

# Models.
w1, b1, w2 = floats(4, 300), floats(300), floats(300, 2)
half = w1.astype(mx.bfloat16)
mx.eval(w1, b1, w2, half)


def perceptron(a, *, temperature):
    hidden = mx.maximum(a @ w1 + b1, 0)
    return mx.softmax((hidden @ w2) / temperature, axis=-1)


export("perceptron", perceptron, x, temperature=mx.array(0.7), metadata='{"by": "a test"}')
export("bfloat16", lambda a: mx.tanh(a @ half), x.astype(mx.bfloat16))

with mx.exporter(str(folder / "traces.mlxfn"), lambda a: mx.tanh(a @ w1)) as exporter:
    for rows in (1, 2, 3, 4, 5):
        exporter(floats(rows, 4))
save("traces", lambda a: mx.tanh(a @ w1), (x,), {})


def layer(a, weights):
    norm = mx.fast.rms_norm(a, weights["norm"], 1e-5)
    q, k, v = (norm @ weights[name] for name in "qkv")
    heads = lambda t: t.reshape(1, -1, 4, 16).transpose(0, 2, 1, 3)
    q, k = (mx.fast.rope(heads(t), 16, traditional=False, base=1e4, scale=1.0, offset=0) for t in (q, k))
    mixed = mx.fast.scaled_dot_product_attention(q, k, heads(v), scale=0.25, mask="causal")
    a = a + mixed.transpose(0, 2, 1, 3).reshape(1, -1, 64) @ weights["o"]
    gate = a @ weights["gate"]
    return a + (gate * mx.sigmoid(gate)) @ weights["down"]


model = [
    {name: floats(64, 64) / 8 for name in ("q", "k", "v", "o", "gate", "down")} | {"norm": positive.flatten()[:1] * mx.ones(64)}
    for _ in range(24)
]
mx.eval(model)


def transformer(a):
    for weights in model:
        a = layer(a, weights)
    return a


export("transformer", transformer, floats(1, 7, 64))


def free(a, b, w):
    """Of any sizes: sums, means, broadcasts, products of several matrices, shapes that follow from others."""
    centred = a - mx.mean(a, axis=-1, keepdims=True)
    scores = mx.softmax((centred @ w) * b, axis=-1)
    batches = mx.expand_dims(scores, 0) @ mx.expand_dims(scores.swapaxes(-1, -2), 0)
    return scores + mx.full((1,), 0.5), mx.flatten(batches), mx.sum(batches, axis=1), mx.var(a, axis=0)


# The sizes of the examples are not those of the traces.
with mx.exporter(str(folder / "shapeless.mlxfn"), free, shapeless=True) as exporter:
    exporter(x, floats(1, 5), floats(4, 5))
save("shapeless", free, (floats(6, 3), floats(1, 7), floats(3, 7)), {})
# MLX 0.32.4 writes outside of its memory where it runs this one with other sizes, whoever exported it.
with mx.exporter(str(folder / "shapeless_sum.mlxfn"), lambda a: mx.sum(mx.expand_dims(a, 0), axis=0), shapeless=True) as exporter:
    exporter(x)
save("shapeless_sum", lambda a: mx.sum(mx.expand_dims(a, 0), axis=0), (floats(6, 3),), {})
