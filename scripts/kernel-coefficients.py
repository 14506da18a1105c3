"""Prints the coefficients of native/kernels/isa/coefficients.h: polynomials with the least greatest relative error.

Needs mpmath. Each polynomial is found by Remez' exchange on a fine grid; its coefficients are rounded to float32
from the lowest on, and those above are fitted anew after each rounding, so that they make up for it.

    python3 scripts/kernel-coefficients.py > native/kernels/isa/coefficients.h
"""

import struct

from mpmath import cos, erf, erfc, exp, expm1, log, log1p, matrix, lu_solve, mp, mpf, pi, sin, sqrt, tanh

mp.dps = 50
GRID = 1500


def float32(value):
    return mpf(struct.unpack("<f", struct.pack("<f", float(value)))[0])


def chebyshev(low, high, count):
    return [(low + high) / 2 + (high - low) / 2 * cos(pi * (2 * i + 1) / (2 * count)) for i in range(count)]


def remez(rest, weight, powers, low, high):
    """Coefficients c with the least greatest weight(x) * |rest(x) - sum(c[i] * x**powers[i])|."""
    count = len(powers)
    grid = sorted(chebyshev(low, high, GRID))
    target = [rest(x) for x in grid]
    weights = [weight(x) for x in grid]
    terms = [[x**p for p in powers] for x in grid]
    points = [round(i * (GRID - 1) / count) for i in range(count + 1)]
    for _ in range(40):
        system = matrix(count + 1)
        values = matrix(count + 1, 1)
        for row, at in enumerate(points):
            for column in range(count):
                system[row, column] = terms[at][column]
            system[row, count] = (-1) ** row / weights[at]
            values[row] = target[at]
        solution = lu_solve(system, values)
        error = [
            weights[i] * (target[i] - sum(terms[i][c] * solution[c] for c in range(count))) for i in range(GRID)
        ]
        # The greatest error of each run of one sign.
        runs, start = [], 0
        for i in range(1, GRID + 1):
            if i == GRID or (error[i] > 0) != (error[start] > 0):
                runs.append(max(range(start, i), key=lambda at: abs(error[at])))
                start = i
        while len(runs) > count + 1:
            runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
        if len(runs) < count + 1 or runs == points:
            break
        points = runs
    return [solution[c] for c in range(count)]


def fit(function, weight, count, low, high):
    """The coefficients of a polynomial with `count` of them, as float32, and its greatest weighted error."""
    low, high = mpf(low), mpf(high)
    found = []

    def rest(x):
        return function(x) - sum(c * x**p for p, c in enumerate(found))

    while len(found) < count:
        powers = list(range(len(found), count))
        found.append(float32(remez(rest, weight, powers, low, high)[0]))
    worst = max(abs(weight(x) * rest(x)) for x in chebyshev(low, high, GRID))
    return found, worst


def printed(name, comment, found):
    coefficients, worst = found
    print(f"// {comment} Greatest error of the polynomial: {float(worst):.2g}.")
    print(f"constexpr float {name}[] = {{")
    for value in coefficients:
        print(f"    {float(value).hex()}f,")
    print("};\n")


half_ln2 = log(mpf(2)) / 2
print('// Written by "python3 scripts/kernel-coefficients.py". Do not edit.')
print("#pragma once\n")
print("namespace davit::kernels::coefficients {\n")

printed(
    "kExp",
    "exp(r) = 1 + r + r^2 Q(r) for |r| <= log(2)/2; the error is that of expm1, as a part of it.",
    fit(
        lambda r: (expm1(r) - r) / r**2,
        lambda r: r**2 / abs(expm1(r)),
        5,
        -half_ln2 - mpf("0.001"),
        half_ln2 + mpf("0.001"),
    ),
)
printed(
    "kLog",
    "log1p(f) = f - f^2/2 + f^3 L(f) for sqrt(1/2) <= 1 + f < sqrt(2).",
    fit(
        lambda f: (log1p(f) - f + f * f / 2) / f**3,
        lambda f: abs(f**3 / log1p(f)),
        8,
        sqrt(mpf(2)) / 2 - 1,
        sqrt(mpf(2)) - 1,
    ),
)
printed(
    "kErf",
    "erf(x) = x + x E(x^2) for |x| <= 1.",
    fit(
        lambda u: erf(sqrt(u)) / sqrt(u) - 1,
        lambda u: sqrt(u) / erf(sqrt(u)),
        7,
        "1e-9",
        "1",
    ),
)
printed(
    "kErfc",
    "-log(erfc(x)) = G(x - 2) for 0.93 <= x <= 4.",
    fit(
        lambda u: -log(erfc(u + 2)),
        # An error of -log(erfc) is one of erfc as a part of it.
        lambda u: erfc(u + 2) / erf(u + 2) + mpf("0.002"),
        10,
        "-1.07",
        "2",
    ),
)
printed(
    "kTanh",
    "tanh(x) = x + x^3 T(x^2) for |x| <= 0.625.",
    fit(
        lambda u: (tanh(sqrt(u)) / sqrt(u) - 1) / u,
        lambda u: u * sqrt(u) / tanh(sqrt(u)),
        5,
        "1e-9",
        "0.390625",
    ),
)
quarter = (pi / 4 + mpf("0.0001")) ** 2
printed(
    "kSin",
    "sin(x) = x + x^3 S(x^2) for |x| <= pi/4.",
    fit(
        lambda u: (sin(sqrt(u)) / sqrt(u) - 1) / u,
        lambda u: u * sqrt(u) / sin(sqrt(u)),
        3,
        "1e-9",
        quarter,
    ),
)
printed(
    "kCos",
    "cos(x) = 1 - x^2/2 + x^4 C(x^2) for |x| <= pi/4.",
    fit(
        lambda u: (cos(sqrt(u)) - 1 + u / 2) / u**2,
        lambda u: u**2 / cos(sqrt(u)),
        3,
        "1e-3",
        quarter,
    ),
)
print("}  // namespace davit::kernels::coefficients")
