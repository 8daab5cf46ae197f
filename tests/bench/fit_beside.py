"""Quantile regression of 1e6 pairs beside statsmodels' QuantReg on the same
numbers (bench_fit N FILE writes them): seconds of CPU and the pinball sums, one
row per tau. QuantReg iterates reweighted least squares to a tolerance and knows
no bounds; ours is an optimum of the linear program with L0, L1 >= 0.

    python3 tests/bench/fit_beside.py [PAIRS]"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import statsmodels.api as sm

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/oracle"))
import fit_lib as lib  # noqa: E402


def pinball(x, y, tau, L0, L1):
    r = y - L0 - L1 * x
    return np.sum(r * np.where(r < 0, tau - 1, tau))


def cpu(function):
    start = time.process_time()
    return function(), time.process_time() - start


def main():
    pairs = sys.argv[1] if len(sys.argv) > 1 else "1000000"
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/pairs.csv"
        subprocess.run([ROOT / "build/bench/bench_fit", pairs, file], check=True)
        x, y = np.loadtxt(file, delimiter=",", skiprows=1, unpack=True)
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(y)
    design = np.c_[np.ones(len(x)), x]
    print(f"{'tau':>5} {'ours s':>9} {'QuantReg s':>11} {'ratio':>7}  pinball sum, theirs / ours - 1")
    for tau in (0.5, 0.9, 0.95, 0.99):
        mine, mine_s = cpu(lambda: lib.line(lib.QUANTILE, x, y, tau=tau))
        theirs, theirs_s = cpu(lambda: sm.QuantReg(y, design).fit(q=tau).params)
        excess = pinball(x, y, tau, *theirs) / pinball(x, y, tau, *mine) - 1
        print(f"{tau:5} {mine_s:9.3f} {theirs_s:11.3f} {theirs_s / mine_s:7.1f}  {excess:.1e}")


if __name__ == "__main__":
    main()
