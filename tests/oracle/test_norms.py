"""The norms of matrices against the singular values of numpy (LAPACK gesdd)."""
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("TRAJ_BUILD", "build")
SPECTRAL = 3
DTYPES = {np.dtype(np.float32): 1, np.dtype(np.float64): 2, np.dtype(np.float16): 4}
SHAPES = [(1, 1), (1, 9), (9, 1), (2, 3), (15, 16), (17, 40), (64, 64), (100, 33), (257, 300)]


@pytest.fixture(scope="module")
def norms():
    program = ROOT / BUILD / "integration/norms"

    def measure(a):
        a = np.ascontiguousarray(a)
        done = subprocess.run([program, *map(str, (SPECTRAL, DTYPES[a.dtype], *a.shape))],
                              input=a.tobytes(), capture_output=True, check=True, timeout=120)
        return [float.fromhex(word) for word in done.stdout.decode().split()]
    return measure


def orthogonal(rng, n):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def with_values(rng, rows, cols, values):
    m = min(rows, cols)
    return orthogonal(rng, rows)[:, :m] * values @ orthogonal(rng, cols)[:m]


def matrix(kind, rows, cols):
    rng = np.random.default_rng([rows, cols])
    m = min(rows, cols)
    return {
        "gauss": lambda: rng.normal(size=(rows, cols)),
        "rank one": lambda: np.outer(rng.normal(size=rows), rng.normal(size=cols)),
        "rank three": lambda: rng.normal(size=(rows, 3)) @ rng.normal(size=(3, cols)),
        "decaying": lambda: with_values(rng, rows, cols, np.logspace(0, -14, m)),
        "clustered": lambda: with_values(rng, rows, cols, 1 - 1e-6 * np.arange(m) / m),
        "hilbert": lambda: 1 / (1.0 + np.arange(rows)[:, None] + np.arange(cols)),
        "sparse": lambda: rng.normal(size=(rows, cols)) * (rng.random((rows, cols)) < 0.05),
        "huge": lambda: 1e300 * rng.normal(size=(rows, cols)),
        "tiny": lambda: 1e-300 * rng.normal(size=(rows, cols)),
    }[kind]()


def assert_norms(norms, a):
    rows, cols = a.shape
    exact = a.astype(np.float64)
    scale = np.abs(exact).max() or 1
    values = np.linalg.svd(exact / scale, compute_uv=False)
    value, dual = norms(a)
    bound = 1e-7 * np.sqrt(min(rows, cols))  # as traj.h promises
    largest = np.sqrt(cols / rows) * values[0]
    total = np.sqrt(rows / cols) * values.sum()
    assert abs(value / scale - largest) <= bound * largest
    assert abs(dual / scale - total) <= bound * total


@pytest.mark.parametrize("rows,cols", SHAPES)
@pytest.mark.parametrize("kind", ["gauss", "rank one", "rank three", "decaying", "clustered",
                                  "hilbert", "sparse", "huge", "tiny"])
def test_norms_are_those_of_the_singular_values(norms, kind, rows, cols):
    assert_norms(norms, matrix(kind, rows, cols))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrower_types_are_widened_exactly(norms, dtype):
    assert_norms(norms, matrix("gauss", 40, 60).astype(dtype))


def test_a_layer_of_a_transformer_is_measured(norms):
    assert_norms(norms, matrix("gauss", 768, 1024).astype(np.float32))


def test_hundreds_of_values_that_are_rounding_only_are_found(norms):
    rng = np.random.default_rng(0)
    assert_norms(norms, orthogonal(rng, 512) * np.logspace(0, -12, 512))
