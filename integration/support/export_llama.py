"""Exports a small Llama with Python MLX, a trace to read a prompt and one for each token after it, over one set of
weights: llama.mlxfn, and llama.safetensors with the prompt and the tokens that it goes on with. Usage: export_llama.py FOLDER

The keys and values so far are in two tensors of a fixed length, which a call takes, and returns with its own written in at `offset`.
"""

import sys
from pathlib import Path

import mlx.core as mx

mx.set_default_device(mx.cpu)
mx.random.seed(11)

folder = Path(sys.argv[1])
LAYERS, HEADS, KV_HEADS, HEAD, WIDTH, VOCABULARY, LENGTH = 3, 4, 2, 16, 64, 96, 32


def weights(*shape):
    return mx.random.normal(shape) / shape[0] ** 0.5


layers = [
    {
        "q": weights(WIDTH, HEADS * HEAD),
        "k": weights(WIDTH, KV_HEADS * HEAD),
        "v": weights(WIDTH, KV_HEADS * HEAD),
        "o": weights(HEADS * HEAD, WIDTH),
        "gate": weights(WIDTH, 128),
        "up": weights(WIDTH, 128),
        "down": weights(128, WIDTH),
        "norms": 1 + weights(2, WIDTH),
    }
    for _ in range(LAYERS)
]
embedding = weights(VOCABULARY, WIDTH)
mx.eval(layers, embedding)


def attend(x, layer, keys, values, offset):
    def heads(name, count):
        return (x @ layer[name]).reshape(1, -1, count, HEAD).transpose(0, 2, 1, 3)

    def rotated(a):
        return mx.fast.rope(a, HEAD, traditional=False, base=1e4, scale=1.0, offset=offset)

    start = offset.reshape(1)
    keys = mx.slice_update(keys, rotated(heads("k", KV_HEADS)), start, (2,))
    values = mx.slice_update(values, heads("v", KV_HEADS), start, (2,))
    seen = mx.arange(LENGTH) <= (offset + mx.arange(x.shape[1]))[:, None]
    mixed = mx.fast.scaled_dot_product_attention(rotated(heads("q", HEADS)), keys, values, scale=HEAD**-0.5, mask=seen)
    return mixed.transpose(0, 2, 1, 3).reshape(1, -1, HEADS * HEAD) @ layer["o"], keys, values


def step(tokens, keys, values, *, offset):
    """The logits of the last token, and the keys and values with those of these tokens."""
    x = embedding[tokens]
    new_keys, new_values = [], []
    for index, layer in enumerate(layers):
        mixed, k, v = attend(mx.fast.rms_norm(x, layer["norms"][0], 1e-5), layer, keys[index], values[index], offset)
        new_keys.append(k)
        new_values.append(v)
        x = x + mixed
        y = mx.fast.rms_norm(x, layer["norms"][1], 1e-5)
        gate = y @ layer["gate"]
        x = x + (gate * mx.sigmoid(gate) * (y @ layer["up"])) @ layer["down"]
    return (x @ embedding.T)[:, -1], mx.stack(new_keys), mx.stack(new_values)


prompt = mx.array([[5, 17, 60, 3, 42]])
empty = mx.zeros((LAYERS, 1, KV_HEADS, LENGTH, HEAD))
with mx.exporter(str(folder / "llama.mlxfn"), step) as exporter:
    for tokens in (prompt, prompt[:, :1]):
        exporter(tokens, empty, empty, offset=mx.array(0))

generated, tokens, keys, values, offset = [], prompt, empty, empty, 0
for _ in range(20):
    logits, keys, values = step(tokens, keys, values, offset=mx.array(offset))
    offset += tokens.shape[1]
    tokens = mx.argmax(logits, axis=-1).reshape(1, 1).astype(mx.int32)
    generated.append(tokens.item())
mx.save_safetensors(str(folder / "llama.safetensors"), {"prompt": prompt, "tokens": mx.array(generated)})
