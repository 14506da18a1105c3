"""A language model of Llama's kind written in Python MLX, from a GGUF file.

Reads a list of lists of tokens, JSON, from the standard input; prints the likeliest next token after each of their tokens.
"""

import json
import sys

import mlx.core as mx

weights, metadata = mx.load(sys.argv[1], return_metadata=True)


def number(name):
    return metadata["llama." + name].item()


layers, hidden = number("block_count"), number("embedding_length")
heads, key_heads = number("attention.head_count"), number("attention.head_count_kv")
size, base = hidden // heads, number("rope.freq_base")
eps = number("attention.layer_norm_rms_epsilon")


def packing(name, columns):
    groups = weights[name + ".scales"].shape[-1]
    group_size = columns // groups
    return {"group_size": group_size, "bits": weights[name + ".weight"].shape[-1] * 32 // columns}


def parts(name, rows=slice(None)):
    return [weights[f"{name}.{part}"][rows] for part in ("weight", "scales", "biases")]


def product(x, name):
    if name + ".scales" not in weights:
        return x @ weights[name + ".weight"].T
    return mx.quantized_matmul(x, *parts(name), transpose=True, **packing(name, x.shape[-1]))


def norm(x, name):
    return mx.fast.rms_norm(x, weights[name + ".weight"], eps)


def attention(x, name):
    length = x.shape[1]

    def split(part, count):
        return product(x, f"{name}.{part}").reshape(1, length, count, size).transpose(0, 2, 1, 3)

    def turned(x):
        return mx.fast.rope(x, size, traditional=True, base=base, scale=1.0, offset=0)

    q, k, v = turned(split("attn_q", heads)), turned(split("attn_k", key_heads)), split("attn_v", key_heads)
    result = mx.fast.scaled_dot_product_attention(q, k, v, scale=size**-0.5, mask="causal")
    return product(result.transpose(0, 2, 1, 3).reshape(1, length, heads * size), f"{name}.attn_output")


def forward(ids):
    rows = mx.array(ids)
    x = mx.dequantize(*parts("token_embd", rows), **packing("token_embd", hidden)).astype(mx.float32)[None]
    for n in range(layers):
        name = f"blk.{n}"
        x = x + attention(norm(x, f"{name}.attn_norm"), name)
        inner = norm(x, f"{name}.ffn_norm")
        gate = product(inner, f"{name}.ffn_gate")
        x = x + product(gate * mx.sigmoid(gate) * product(inner, f"{name}.ffn_up"), f"{name}.ffn_down")
    return product(norm(x, "output_norm"), "token_embd")[0]


print(json.dumps([mx.argmax(forward(ids), axis=-1).tolist() for ids in json.load(sys.stdin)]))
