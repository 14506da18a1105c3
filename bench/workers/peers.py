"""What numpy, XLA (jax), torch, onnxruntime and llama.cpp need for the ops of node/ops.ts. See ../worker.ts for the requests.

    peers.py MODEL_FOLDER LANGUAGE_MODEL

A request's name is that of a peer and that of an op: `jax.op.exp`. The answer is empty where this Python lacks the
peer, or the peer the op. All use as many threads as this process has cores.
"""

import importlib
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from worker import serve, timed, values

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def wanted(name):
    try:
        return importlib.import_module(name)
    except Exception:  # a torch without its libraries raises whatever it likes
        return None


LINE, LONG = (1 << 20,), (1 << 22,)
SQUARE, TALL = (1024, 1024), (4096, 1024)
LAYERS = [(784, 512), (512, 512), (512, 10)]
PERCEPTRON = [(64, 784), *[shape for a, b in LAYERS for shape in ((a, b), (b,))]]
HEADS = (1, 8, 512, 64)

# The shapes of an op's operands, and their element type.
OPERANDS = {
    **{f"op.{name}": [LINE] for name in ("exp", "erf", "tanh", "sigmoid", "log", "sin", "sqrt", "floor", "power")},
    "op.cast.f16": [LINE],
    "op.add.f16": [LINE, LINE],
    **{
        f"op.{name}": [SQUARE]
        for name in ("softmax", "logsumexp", "sum.0", "sum.1", "sum.all", "max.1", "argmax.1", "transpose", "sort", "argsort")
    },
    "op.layer_norm": [SQUARE, (1024,), (1024,)],
    "op.concatenate": [SQUARE, SQUARE],
    "op.attention": [HEADS, HEADS, HEADS],
    "op.matmul.f16": [(512, 512), (512, 512)],
    "op.matmul.bf16": [(512, 512), (512, 512)],
    "op.matmul.rows": [(4, 1024), (1024, 1024)],
    "op.exp.4m": [LONG],
    "op.gelu.4m": [LONG],
    "op.chain.4m": [LONG, LONG],
    "op.softmax.4096": [TALL],
    "op.layer_norm.4096": [TALL, (1024,), (1024,)],
    "op.mlp": PERCEPTRON,
    "op.train": PERCEPTRON,
}


def chain(m):
    def body(x, y):
        a = x * 1.5 + y
        b = (a - 0.25) * x
        return m(b * b, y) + a * 0.5

    return body


def forward(maximum):
    def body(x, *w):
        for layer in range(len(LAYERS)):
            x = x @ w[2 * layer] + w[2 * layer + 1]
            if layer < len(LAYERS) - 1:
                x = maximum(x)
        return x

    return body


def numpy_ops():
    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def norm(x, w, b):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(1e-5)) * w + b

    return {
        "op.exp": np.exp,
        "op.tanh": np.tanh,
        "op.sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "op.log": np.log1p,
        "op.sin": np.sin,
        "op.sqrt": np.sqrt,
        "op.floor": np.floor,
        "op.power": lambda x: x * x * x,
        "op.add.f16": np.add,
        "op.cast.f16": lambda x: x.astype(np.float16),
        "op.softmax": softmax,
        "op.logsumexp": lambda x: np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1)) + x.max(-1),
        "op.layer_norm": norm,
        "op.sum.0": lambda x: x.sum(0),
        "op.sum.1": lambda x: x.sum(1),
        "op.sum.all": lambda x: x.sum(),
        "op.max.1": lambda x: x.max(1),
        "op.argmax.1": lambda x: x.argmax(1),
        "op.transpose": lambda x: np.ascontiguousarray(x.T),
        "op.concatenate": lambda x, y: np.concatenate([x, y], 1),
        "op.sort": lambda x: np.sort(x, -1),
        "op.argsort": lambda x: np.argsort(x, -1),
        "op.attention": lambda q, k, v: softmax(q @ k.transpose(0, 1, 3, 2) * np.float32(0.125)) @ v,
        "op.matmul.f16": lambda a, b: (a.astype(np.float32) @ b.astype(np.float32)).astype(np.float16),
        "op.matmul.rows": lambda a, b: a @ b.T,
        "op.exp.4m": np.exp,
        "op.chain.4m": chain(np.maximum),
        "op.softmax.4096": softmax,
        "op.layer_norm.4096": norm,
        "op.mlp": forward(lambda x: np.maximum(x, 0)),
    }


def jax_ops(jax):
    jnp, nn = jax.numpy, jax.nn

    def norm(x, w, b):
        centred = x - x.mean(-1, keepdims=True)
        return centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * w + b

    def attention(q, k, v):
        return nn.softmax(q @ k.transpose(0, 1, 3, 2) * 0.125, axis=-1) @ v

    mlp = forward(lambda x: jnp.maximum(x, 0))

    def train(x, *w):
        gradients = jax.grad(lambda w: (mlp(x, *w) ** 2).mean())(w)
        return [a - g * 1e-9 for a, g in zip(w, gradients)]

    def gelu(x):
        return x * 0.5 * (1 + jax.lax.erf(x * math.sqrt(0.5)))

    bodies = {
        "op.exp": jnp.exp,
        "op.erf": jax.lax.erf,
        "op.tanh": jnp.tanh,
        "op.sigmoid": nn.sigmoid,
        "op.log": lambda x: jnp.log(x + 1),
        "op.sin": jnp.sin,
        "op.sqrt": jnp.sqrt,
        "op.floor": jnp.floor,
        "op.power": lambda x: x**3,
        "op.add.f16": jnp.add,
        "op.cast.f16": lambda x: x.astype(jnp.float16),
        "op.softmax": lambda x: nn.softmax(x, axis=-1),
        "op.logsumexp": lambda x: nn.logsumexp(x, axis=-1),
        "op.layer_norm": norm,
        "op.sum.0": lambda x: x.sum(0),
        "op.sum.1": lambda x: x.sum(1),
        "op.sum.all": lambda x: x.sum(),
        "op.max.1": lambda x: x.max(1),
        "op.argmax.1": lambda x: x.argmax(1),
        "op.transpose": lambda x: x.T,
        "op.concatenate": lambda x, y: jnp.concatenate([x, y], 1),
        "op.sort": lambda x: jnp.sort(x, -1),
        "op.argsort": lambda x: jnp.argsort(x, -1),
        "op.attention": attention,
        "op.matmul.f16": jnp.matmul,
        "op.matmul.bf16": jnp.matmul,
        "op.matmul.rows": lambda a, b: a @ b.T,
        "op.exp.4m": jnp.exp,
        "op.gelu.4m": gelu,
        "op.chain.4m": chain(jnp.maximum),
        "op.softmax.4096": lambda x: nn.softmax(x, axis=-1),
        "op.layer_norm.4096": norm,
        "op.mlp": mlp,
        "op.train": train,
    }
    return {name: (lambda f: lambda *x: jax.block_until_ready(f(*x)))(jax.jit(body)) for name, body in bodies.items()}


def torch_ops(torch):
    f = torch.nn.functional
    norm = lambda x, w, b: f.layer_norm(x, (1024,), w, b, 1e-5)
    mlp = forward(lambda x: torch.relu(x))
    bodies = {
        "op.exp": torch.exp,
        "op.erf": torch.erf,
        "op.tanh": torch.tanh,
        "op.sigmoid": torch.sigmoid,
        "op.log": torch.log1p,
        "op.sin": torch.sin,
        "op.sqrt": torch.sqrt,
        "op.floor": torch.floor,
        "op.power": lambda x: x**3,
        "op.add.f16": torch.add,
        "op.cast.f16": lambda x: x.half(),
        "op.softmax": lambda x: torch.softmax(x, -1),
        "op.logsumexp": lambda x: torch.logsumexp(x, -1),
        "op.layer_norm": norm,
        "op.sum.0": lambda x: x.sum(0),
        "op.sum.1": lambda x: x.sum(1),
        "op.sum.all": lambda x: x.sum(),
        "op.max.1": lambda x: x.amax(1),
        "op.argmax.1": lambda x: x.argmax(1),
        "op.transpose": lambda x: x.T.contiguous(),
        "op.concatenate": lambda x, y: torch.cat([x, y], 1),
        "op.sort": lambda x: torch.sort(x, -1).values,
        "op.argsort": lambda x: torch.argsort(x, -1),
        "op.attention": lambda q, k, v: f.scaled_dot_product_attention(q, k, v, scale=0.125),
        "op.matmul.f16": torch.matmul,
        "op.matmul.bf16": torch.matmul,
        "op.matmul.rows": lambda a, b: a @ b.T,
        "op.exp.4m": torch.exp,
        "op.gelu.4m": f.gelu,
        "op.chain.4m": chain(torch.maximum),
        "op.softmax.4096": lambda x: torch.softmax(x, -1),
        "op.layer_norm.4096": norm,
        "op.mlp": mlp,
    }

    def without_gradients(body):
        def call(*x):
            with torch.no_grad():
                return body(*x)

        return call

    return {name: without_gradients(body) for name, body in bodies.items()}


def operands(peer, name):
    arrays = [values(*shape) for shape in OPERANDS[name]]
    if name.endswith(".f16") and name != "op.cast.f16":
        arrays = [array.astype(np.float16) for array in arrays]
    if peer == "jax":
        jnp = modules["jax"].numpy
        arrays = [jnp.asarray(array) for array in arrays]
        return [array.astype(jnp.bfloat16) for array in arrays] if name.endswith(".bf16") else arrays
    if peer == "torch":
        torch = modules["torch"]
        arrays = [torch.from_numpy(array) for array in arrays]
        return [array.bfloat16() for array in arrays] if name.endswith(".bf16") else arrays
    return arrays


modules = {"numpy": np, "jax": wanted("jax"), "torch": wanted("torch"), "onnxruntime": wanted("onnxruntime")}
if modules["torch"]:
    modules["torch"].set_num_threads(CORES)
ops = {"numpy": numpy_ops()}
if modules["jax"]:
    ops["jax"] = jax_ops(modules["jax"])
if modules["torch"]:
    ops["torch"] = torch_ops(modules["torch"])

prepared = {}


def measure(request, *numbers):
    peer, name = request.split(".", 1)
    if peer == "llama":
        from llama_peer import measure as measure_llama

        return measure_llama(name, CORES, *numbers)
    return measure_op(request, peer, name, *numbers)


def measure_op(request, peer, name, count, *numbers):
    if name == "here":
        return [1] if modules[peer] else []
    if name == "bandwidth":
        return bandwidth(count)
    if name == "minilm":
        return minilm(peer, count, *numbers)
    body = ops.get(peer, {}).get(name)
    if body is None:
        return []
    if request not in prepared:
        prepared[request] = operands(peer, name)
    return timed(count, lambda: body(*prepared[request]))


def bandwidth(count):
    """Microseconds that all threads together need to read 256 MiB."""
    if "bandwidth" not in prepared:
        memory = np.ones(1 << 25, np.int64)
        prepared["bandwidth"] = np.array_split(memory, 8 * CORES), ThreadPoolExecutor(CORES)
    parts, threads = prepared["bandwidth"]
    return timed(count, lambda: list(threads.map(np.add.reduce, parts)))


def minilm(peer, count, rows, *ids):
    if peer != "onnxruntime" or not modules[peer]:
        return []
    key = (peer, "minilm")
    if key not in prepared:
        from minilm_onnx import session

        prepared[key] = session(sys.argv[1], CORES)
    batch = np.array(ids, dtype=np.int64).reshape(rows, -1)
    return timed(count, lambda: prepared[key].run(None, {"ids": batch}))


serve(measure)
