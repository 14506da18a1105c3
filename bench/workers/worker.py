"""What the workers in Python share. See ../worker.ts for the requests."""

import math
import os
import struct
import time
import traceback

import numpy as np


def values(*shape):
    """The values of float32 in node/engine.ts."""
    count = math.prod(shape)
    return (np.arange(count) * 37 % 101 / np.float32(101)).astype(np.float32).reshape(shape)


def timed(count, call):
    """Microseconds of each call."""
    samples = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        samples.append((time.perf_counter() - start) * 1e6)
    return samples


def serve(measure):
    """Answers each request with the numbers that `measure` returns for its name and numbers."""
    requests, answers = os.fdopen(3, "rb"), os.fdopen(4, "wb")
    while header := requests.read(4):
        name, *numbers = requests.read(*struct.unpack(">I", header)).decode().split()
        try:
            answer = " ".join(["ok", *map(repr, measure(name, *map(int, numbers)))])
        except Exception:
            answer = "error " + traceback.format_exc()
        encoded = answer.encode()
        answers.write(struct.pack(">I", len(encoded)) + encoded)
        answers.flush()
