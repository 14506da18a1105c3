"""A perceptron 784-512-512-10 on batches of 64 in numpy, as elixir/perceptron.exs has it in Nx."""

import numpy as np

RATE = np.float32(0.1)


def numbers(shape, seed):
    """From -1 to 1."""
    count = shape[0] * shape[1]
    return ((np.arange(count) * 37 + 11 * seed) % 101 / np.float32(50) - 1).astype(np.float32).reshape(shape)


def batch(n):
    digits = (np.arange(64).reshape(64, 1) + n) % 10
    return numbers((64, 784), n), (digits == np.arange(10)).astype(np.float32)


shapes = (784, 512), (512, 512), (512, 10)
weights = [numbers(shape, 0) * np.float32(np.sqrt(2 / shape[0])) for shape in shapes]
batches = [batch(n) for n in range(1, 9)]


def forward(x, a, b, c):
    """The values of all layers."""
    first = np.maximum(x @ a, 0)
    second = np.maximum(first @ b, 0)
    return first, second, second @ c


def step(weights, x, y):
    """The weights after a step of gradient descent, and the loss before it."""
    a, b, c = weights
    first, second, logits = forward(x, a, b, c)
    shifted = logits - logits.max(1, keepdims=True)
    powers = np.exp(shifted)
    sums = powers.sum(1, keepdims=True)
    loss = -(y * (shifted - np.log(sums))).sum(1).mean()
    d_logits = (powers / sums - y) / np.float32(len(x))
    d_second = d_logits @ c.T * (second > 0)
    d_first = d_second @ b.T * (first > 0)
    gradients = x.T @ d_first, first.T @ d_second, second.T @ d_logits
    return [w - RATE * d for w, d in zip(weights, gradients)], loss


def predict():
    return forward(batches[0][0], *weights)[-1].tobytes()


def epoch(steps):
    """The last loss."""
    current = weights
    for n in range(steps):
        current, loss = step(current, *batches[n % len(batches)])
    return float(loss)
