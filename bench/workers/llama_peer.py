"""What llama.cpp needs for the figures of node/generate.ts, with the same model and as many threads as there are cores."""

import os
import subprocess
import sys
import time

# Where the set-up builds it.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(sys.argv[2])), "..", "..", "python-llama")
if os.path.isdir(FOLDER):
    sys.path.append(FOLDER)

READY = """
import sys
sys.path.append(sys.argv[2])
from llama_cpp import Llama
Llama(sys.argv[1], n_ctx=2048, n_threads=int(sys.argv[3]), verbose=False)
"""

opened = []


def model(threads):
    if not opened:
        from llama_cpp import Llama

        opened.append(
            Llama(sys.argv[2], n_ctx=2048, n_batch=512, n_threads=threads, n_threads_batch=threads, verbose=False)
        )
    return opened[0]


def microseconds(start):
    return (time.perf_counter() - start) * 1e6


def decode(threads, count):
    llama = model(threads)
    llama.reset()
    llama.eval([1000 + n for n in range(16)])
    token = llama.sample(temp=0)
    start = time.perf_counter()
    for _ in range(count):
        llama.eval([token])
        token = llama.sample(temp=0)
    return [microseconds(start) / count]


def prefill(threads, length):
    llama = model(threads)
    llama.reset()
    start = time.perf_counter()
    llama.eval([1000 + 7 * n for n in range(length)])
    llama.sample(temp=0)
    return [microseconds(start)]


def ready(threads):
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", READY, sys.argv[2], FOLDER, str(threads)], check=True)
    return [microseconds(start)]


def measure(name, threads, *numbers):
    """Microseconds, or nothing where this Python has no llama.cpp."""
    try:
        import llama_cpp  # noqa: F401
    except Exception:  # without its libraries it raises whatever it likes
        return []
    return {"decode": decode, "prefill": prefill, "ready": ready}[name](threads, *numbers)
