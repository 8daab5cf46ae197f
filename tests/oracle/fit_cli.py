"""Runs `traj fit --json` on pairs of numbers: all that the oracles know of us."""
import json
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRAJ = ROOT / os.environ.get("TRAJ_BUILD", "build") / "traj"


def run(text, *arguments):
    """The finished process of `traj fit` with this CSV on standard input."""
    return subprocess.run([TRAJ, "fit", "-", *arguments], input=text, capture_output=True,
                          encoding="utf-8", timeout=60)


def fit(x, y, *arguments):
    """The answer for these pairs; repr() gives doubles that read back exactly."""
    rows = [f"{float(a)!r},{float(b)!r}" for a, b in zip(x, y)]
    done = run("\n".join(["x,y", *rows]) + "\n", "--x", "x", "--y", "y", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def line(answer, method, tau=None):
    """(L0, L1) of one method, or None if it is absent."""
    found = [f for f in answer["fits"] if f["method"] == method and f["tau"] == tau]
    assert len(found) <= 1
    return (found[0]["L0"], found[0]["L1"]) if found else None
