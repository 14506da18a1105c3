"""all-MiniLM-L6-v2 in plain numpy, one sentence at a time, without padding: what Davit's is checked against.

    python minilm_reference.py MODEL_FOLDER < request.json

The request is {"ids": [[101, ..., 102], ...]}, or {"sentences": [...]} where the `tokenizers` package is
installed. Prints {"ids": ..., "embeddings": ...}. `minilm_golden.json` was made by it.
"""

import json
import math
import struct
import sys

import numpy as np

erf = np.vectorize(math.erf, otypes=[np.float64])


def load(path):
    """Every float32 tensor of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
    return tensors


def embed(w, ids, heads=12, layers=6, eps=1e-12):
    """The unit vector of one sentence, given the ids of its tokens."""

    def dense(x, name):
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def norm(x, name):
        mean = x.mean(-1, keepdims=True)
        scaled = (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + eps)
        return scaled * w[name + ".weight"] + w[name + ".bias"]

    def split(x):
        return x.reshape(len(ids), heads, -1).transpose(1, 0, 2)

    x = w["embeddings.word_embeddings.weight"][ids]
    x = x + w["embeddings.position_embeddings.weight"][: len(ids)]
    x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for layer in range(layers):
        at = f"encoder.layer.{layer}."
        q, k, v = (split(dense(x, f"{at}attention.self.{n}")) for n in ("query", "key", "value"))
        scores = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(q.shape[-1]))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        attended = (scores @ v).transpose(1, 0, 2).reshape(len(ids), -1)
        attended = dense(attended, at + "attention.output.dense")
        x = norm(attended + x, at + "attention.output.LayerNorm")
        h = dense(x, at + "intermediate.dense")
        h = (h * 0.5 * (1 + erf(h / math.sqrt(2)))).astype(np.float32)
        x = norm(dense(h, at + "output.dense") + x, at + "output.LayerNorm")
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def tokenize(folder, sentences):
    """The ids of each sentence, as sentence-transformers makes them."""
    from tokenizers import Tokenizer

    with open(f"{folder}/sentence_bert_config.json") as file:
        longest = json.load(file)["max_seq_length"]
    tokenizer = Tokenizer.from_file(f"{folder}/tokenizer.json")
    tokenizer.no_padding()
    tokenizer.enable_truncation(longest)
    return [encoding.ids for encoding in tokenizer.encode_batch(sentences)]


def main():
    folder = sys.argv[1]
    request = json.load(sys.stdin)
    ids = request.get("ids") or tokenize(folder, request["sentences"])
    weights = load(f"{folder}/model.safetensors")
    embeddings = [embed(weights, np.array(row)) for row in ids]
    assert all(row.dtype == np.float32 for row in embeddings)
    json.dump({"ids": ids, "embeddings": [[float(f"{x:.7g}") for x in row] for row in embeddings]}, sys.stdout)


if __name__ == "__main__":
    main()
