"""Runs the functions that Davit wrote again, and prints how many have the first ones' results, and what
is the matter with the others.

Usage: run_functions.py EXAMPLES WRITTEN
"""

import json
import pathlib
import sys

import mlx.core as mx


def problem(examples, path):
    function = mx.import_function(str(path))
    tensors = mx.load(str(examples / f"{path.stem}.safetensors"))
    positions, keywords, expected = {}, {}, {}
    for name, value in tensors.items():
        if name.startswith("result."):
            expected[int(name.removeprefix("result."))] = value
        elif name.isdigit():
            positions[int(name)] = value
        else:
            keywords[name] = value
    results = function(*(positions[i] for i in sorted(positions)), **keywords)
    if len(results) != len(expected):
        return f"{len(results)} results, not {len(expected)}"
    for index, value in enumerate(results):
        other = expected[index]
        if value.shape != other.shape or value.dtype != other.dtype:
            return f"result {index} is {value.dtype} {value.shape}, not {other.dtype} {other.shape}"
        if mx.issubdtype(value.dtype, mx.inexact):
            with mx.stream(mx.cpu):
                close = mx.allclose(value, other, rtol=1e-4, atol=1e-4, equal_nan=True)
        else:
            close = mx.array_equal(value, other)
        if not close.item():
            return f"result {index} differs"
    return None


def main(examples, written):
    same, problems = 0, []
    for path in sorted(written.glob("*.mlxfn")):
        try:
            found = problem(examples, path)
        except Exception as error:
            found = repr(error)
        if found is None:
            same += 1
        else:
            problems.append(f"{path.stem}: {found}")
    print(json.dumps({"same": same, "problems": problems}))


main(*(pathlib.Path(argument) for argument in sys.argv[1:]))
