"""What numpy needs for the same: a matrix product, all-MiniLM-L6-v2, a perceptron. See ../worker.ts for the requests.

    numpy_peer.py MODEL_FOLDER

numpy's OpenBLAS takes as many threads as this process has cores, as the engine does.
"""

import math
import os
import sys

import numpy as np
import perceptron
from worker import serve, timed, values

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "integration", "support"))
from minilm_reference import load

SIZE = 1024
factors = values(SIZE, SIZE), values(SIZE, SIZE)


def matmul(count):
    return timed(count, lambda: np.matmul(*factors))


def erf(x):
    """Abramowitz and Stegun, 7.1.26; exact to 1.5e-7. numpy has none."""
    t = 1 / (1 + np.float32(0.3275911) * np.abs(x))
    y = t * np.float32(1.061405429) + np.float32(-1.453152027)
    for c in (1.421413741, -0.284496736, 0.254829592):
        y = y * t + np.float32(c)
    return np.copysign(1 - y * t * np.exp(-x * x), x)


class Model:
    """The model for a batch of sentences of equal length, without padding."""

    heads, layers, eps = 12, 6, np.float32(1e-12)

    def __init__(self, folder):
        self.weights = load(f"{folder}/model.safetensors")

    def __call__(self, ids):
        w = self.weights
        rows, length = ids.shape
        x = w["embeddings.word_embeddings.weight"][ids]
        x = x + w["embeddings.position_embeddings.weight"][:length]
        x = x + w["embeddings.token_type_embeddings.weight"][0]
        x = self.norm(x, "embeddings.LayerNorm").reshape(rows * length, -1)
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            q, k, v = (
                self.dense(x, f"{at}attention.self.{name}")
                .reshape(rows, length, self.heads, -1)
                .transpose(0, 2, 1, 3)
                for name in ("query", "key", "value")
            )
            scores = q @ k.transpose(0, 1, 3, 2) / np.float32(math.sqrt(q.shape[-1]))
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            attended = (scores @ v).transpose(0, 2, 1, 3).reshape(rows * length, -1)
            x = self.norm(self.dense(attended, at + "attention.output.dense") + x, at + "attention.output.LayerNorm")
            h = self.dense(x, at + "intermediate.dense")
            h = h * np.float32(0.5) * (1 + erf(h * np.float32(math.sqrt(0.5))))
            x = self.norm(self.dense(h, at + "output.dense") + x, at + "output.LayerNorm")
        mean = x.reshape(rows, length, -1).mean(1)
        return mean / np.linalg.norm(mean, axis=-1, keepdims=True)

    def dense(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + self.eps)
        return scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"]


model = None


def embedding(rows, ids):
    global model
    model = model or Model(sys.argv[1])
    batch = np.array(ids, dtype=np.int32).reshape(rows, -1)
    return lambda: model(batch)


def minilm(count, rows, *ids):
    return timed(count, embedding(rows, ids))


def minilm_values(rows, *ids):
    return embedding(rows, ids)()[-1].tolist()


def milliseconds(count, call):
    return [sample / 1000 for sample in timed(count, call)]


measures = {
    "matmul": matmul,
    "minilm": minilm,
    "minilmValues": minilm_values,
    "mlp": lambda count: milliseconds(count, perceptron.predict),
    "train": lambda steps: milliseconds(1, lambda: perceptron.epoch(steps)),
    "trainLoss": lambda steps: [perceptron.epoch(steps)],
}

serve(lambda name, *numbers: measures[name](*numbers))
