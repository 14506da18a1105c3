"""A language model of Llama's kind written in Python MLX, from a GGUF file or a folder as Hugging Face has it.

Reads a list of lists of tokens, JSON, from the standard input; prints the likeliest next token after each of their tokens.
"""

import json
import sys

import mlx.core as mx

path = sys.argv[1]

HUGGING_FACE = {
    "model.embed_tokens": "token_embd",
    "model.layers": "blk",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "model.norm": "output_norm",
    "lm_head": "output",
}


def renamed(name):
    for old, new in HUGGING_FACE.items():
        name = name.replace(old, new)
    return name


if path.endswith(".gguf"):
    weights, metadata = mx.load(path, return_metadata=True)
    names = ["block_count", "embedding_length", "attention.head_count", "attention.head_count_kv"]
    names += ["rope.freq_base", "attention.layer_norm_rms_epsilon"]
    sizes = [metadata["llama." + name].item() for name in names]
else:
    with open(path + "/config.json") as file:
        config = json.load(file)
    weights = {renamed(name): w for name, w in mx.load(path + "/model.safetensors").items()}
    names = ["num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads"]
    sizes = [config[name] for name in [*names, "rope_theta", "rms_norm_eps"]]

layers, hidden, heads, key_heads, base, eps = sizes
size = hidden // heads
# GGUF files have the rows of queries and keys in an order that turns neighbours together.
traditional = path.endswith(".gguf")


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
        return mx.fast.rope(x, size, traditional=traditional, base=base, scale=1.0, offset=0)

    q, k, v = turned(split("attn_q", heads)), turned(split("attn_k", key_heads)), split("attn_v", key_heads)
    result = mx.fast.scaled_dot_product_attention(q, k, v, scale=size**-0.5, mask="causal")
    return product(result.transpose(0, 2, 1, 3).reshape(1, length, heads * size), f"{name}.attn_output")


def forward(ids):
    rows = mx.array(ids)
    if "token_embd.scales" in weights:
        x = mx.dequantize(*parts("token_embd", rows), **packing("token_embd", hidden))
    else:
        x = weights["token_embd.weight"][rows]
    x = x.astype(mx.float32)[None]
    for n in range(layers):
        name = f"blk.{n}"
        x = x + attention(norm(x, f"{name}.attn_norm"), name)
        inner = norm(x, f"{name}.ffn_norm")
        gate = product(inner, f"{name}.ffn_gate")
        x = x + product(gate * mx.sigmoid(gate) * product(inner, f"{name}.ffn_up"), f"{name}.ffn_down")
    output = "output" if "output.weight" in weights else "token_embd"
    return product(norm(x, "output_norm"), output)[0]


print(json.dumps([mx.argmax(forward(ids), axis=-1).tolist() for ids in json.load(sys.stdin)]))
