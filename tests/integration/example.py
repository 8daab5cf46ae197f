"""The examples from outside: run one, and read what it recorded."""
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TRAJ_BUILD", "build")


def environment(folder, **more):
    """A port nobody listens on, so that no daemon of the machine is met."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ_")}
    return dict(kept, TRAJ_DIR=str(folder / "spool"), TRAJ_URL="tcp://127.0.0.1:9", **more)


def run(name, *options, env, status=0):
    done = subprocess.run([BUILD / "examples" / name, *map(str, options)], env=env, timeout=120,
                          capture_output=True, text=True)
    assert done.returncode == status, (done.returncode, done.stderr)
    return done


def printed(done):
    """The losses that it printed, every bit of them."""
    return [float.fromhex(text) for text in re.findall(r"loss \S+ (\S+)", done.stdout)]


def _column(rows, name):
    """Counts beyond 2^32 come as texts, and become doubles too."""
    values = [row.get(name) for row in rows]
    try:
        return np.array([np.nan if value is None else float(value) for value in values])
    except (TypeError, ValueError):
        return values


def recorded(trajd, run_id, kind="probe"):
    """{field: its values in order}: an array of doubles, or a list of texts or points."""
    lines = trajd.export(run_id, kind, "ndjson").decode().splitlines()[:-1]
    rows = [json.loads(line) for line in lines]
    names = {name for row in rows for name in row}
    return {name: _column(rows, name) for name in names}


def of_rows(columns, which):
    """The columns of numbers, at the rows where which is true."""
    return {name: values[which] for name, values in columns.items() if isinstance(values, np.ndarray)}


def traced(trajd, name, *options):
    """The run it recorded: (run id, its steps, its probes)."""
    where = environment(trajd.folder, TRAJ_RUN_ID="traced")
    where["TRAJ_URL"] = trajd.ingest
    run(name, *options, env=where)
    return recorded(trajd, "traced", "step"), recorded(trajd, "traced")


def line_of(x, y, rounds=4):
    """(L0, L1) by least squares of the relative error, reweighted."""
    weight = np.ones_like(y)
    for _ in range(rounds):
        a = np.stack([np.ones_like(x), x], axis=1) * np.sqrt(weight)[:, None]
        L0, L1 = np.linalg.lstsq(a, y * np.sqrt(weight), rcond=None)[0]
        weight = 1 / (L0 + L1 * x) ** 2
    return L0, L1
