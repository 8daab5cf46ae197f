"""Seeded pairs of the kinds that break fits: heavy tails, ties, scales far from
1, lines through the origin, flat ones, decreasing ones, duplicates."""
import numpy as np

KINDS = ("plain", "heavy", "ties", "narrow", "flat", "origin", "falling", "two", "duplicates",
         "zeros", "tiny", "huge", "mixed")


def pairs(kind, seed):
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    n = int(rng.integers(5, 80))
    x = np.exp(rng.normal(0, 1, n))
    law = rng.uniform(0.1, 3) + rng.uniform(0.1, 3) * x
    y = law * np.exp(rng.normal(0, 0.4, n))
    if kind == "heavy":
        x = np.exp(rng.normal(0, 3, n))
        y = (1 + 2 * x) * np.exp(rng.standard_t(2, n))
    elif kind == "ties":
        x = rng.integers(1, 5, n).astype(float)
        x[:2] = 1, 4
        y = rng.integers(1, 5, n).astype(float)
    elif kind == "narrow":
        x = 1e4 + rng.random(n)
        y = 5 + 0.3 * (x - 1e4) + rng.normal(0, 0.01, n)
    elif kind == "flat":
        y = 3 + rng.random(n)
    elif kind == "origin":
        y = 2 * x * np.exp(rng.normal(0, 0.05, n))
    elif kind == "falling":
        y = 1 / x * np.exp(rng.normal(0, 0.1, n))
    elif kind == "two":
        x, y = x[:2], y[:2]
    elif kind == "duplicates":
        x, y = np.repeat(x, 3), np.repeat(y, 3)
    elif kind == "zeros":
        x[: n // 3] = 0
        y[0] = 0
    elif kind == "tiny":
        x, y = x * 1e-12, y * 1e-11
    elif kind == "huge":
        x, y = x * 1e12, y * 1e10
    elif kind == "mixed":
        x, y = x * 1e-12, y * 1e12
    return x, y
