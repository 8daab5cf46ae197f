"""client/examples/clip_by_law: advice comes, is used, and is what it says."""
import os
import re
import subprocess

import pytest

import trajd as rig
import wire

PROGRAM = rig.BUILD / "examples/clip_by_law"
TRUE_L0, TRUE_L1 = 2.0, 0.7


def train(folder, *words, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True, timeout=120, check=True,
                          env={**clean, "TRAJ_DIR": str(folder), "TRAJ_RUN_ID": "r", **environment})


def number(name, text):
    return float(re.search(rf"\b{name}=(\S+)", text)[1])


@pytest.fixture
def trained(trajd, tmp_path):
    """The run and what was printed. It ends when the law was used 1000 times."""
    return trajd, train(tmp_path / "runs", "60000", TRAJ_URL=trajd.ingest).stdout


def test_the_law_comes_and_steps_are_by_its_formula(trained):
    trajd, printed = trained
    assert ", 1000 of them by the law" in printed
    L0, L1 = number("L0", printed), number("L1", printed)
    G, step = number("grad_norm", printed), number("step", printed)
    # Four roundings on either side.
    assert step == pytest.approx(min(1 / (2 * L0), 1 / (3 * L1 * G)), rel=2 ** -50)
    assert number("threshold", printed) == pytest.approx(2 * L0 / (3 * L1), rel=2 ** -50)

    # The law that the API reports has the pairs of the last second too. Both
    # are of a function that has it exactly; the noise in ||g||, of norm 0.04,
    # moves L0 by up to 0.7 * 0.04, 1.4 percent.
    fits = trajd.json("/api/v1/runs/r/fits")["data"]
    law = next(fit for fit in fits["fits"] if fit["method"] == "nnls_relative")
    assert fits["warnings"] == []
    for found in (L0, law["L0"]):
        assert found == pytest.approx(TRUE_L0, rel=0.02)
    for found in (L1, law["L1"]):
        assert found == pytest.approx(TRUE_L1, rel=0.02)


def test_records_say_which_steps_were_by_the_law(trained):
    trajd, _ = trained
    steps = [row[3] for row in rig.export_rows(trajd, "r", wire.STEP)]
    by_law = [s for s in steps if "clip_threshold" in s]
    assert len(by_law) == 1000
    assert all(s["lr"] == wire.f64(0.002) for s in steps if "clip_threshold" not in s)
    assert all(s["lr"] != wire.f64(0.002) for s in by_law)
    assert any(s["flags"] & 1 for s in by_law)  # clipped, at the start of a task


def test_without_a_daemon_it_trains_on(tmp_path):
    done = train(tmp_path, "50", TRAJ_URL="tcp://127.0.0.1:9")
    assert "50 steps, 0 of them by the law" in done.stdout
    assert "traj sync" in done.stdout


def test_offline_it_trains_on(tmp_path):
    done = train(tmp_path, "50", TRAJ_MODE="offline")
    assert "no law came" in done.stdout
    assert done.stderr == ""
