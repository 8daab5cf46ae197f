"""A run that continues another's history from a step on."""
import os
import subprocess

import wire
from peer import Peer
from trajd import BUILD


def steps(endpoint, run_id, first, n, scale, **hello):
    peer = Peer(endpoint, run_id, **hello)
    for step in range(first, first + n):
        peer.record(wire.STEP, step=step, wall_ns=step + 1, loss=wire.f64(scale * step))
    peer.deliver()
    return peer


def test_a_trainer_says_that_it_is_a_fork(trajd, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    environment.update(TRAJ_URL=trajd.ingest, TRAJ_DIR=str(tmp_path / "runs"), TRAJ_RUN_ID="child",
                       TRAJ_FORK="parent@120")
    subprocess.run([BUILD / "examples/minimal"], env=environment, check=True, capture_output=True)
    assert trajd.run("child")["fork"] == {"run": "parent", "step": 120}
    shown = subprocess.run([BUILD / "traj", "show", "child"], check=True, capture_output=True,
                           text=True, env=dict(environment, TRAJD_URL=f"http://{trajd.http}")).stdout
    assert "fork of    parent at step 120\n" in shown


def test_a_run_that_is_no_fork_says_so(trajd):
    steps(trajd.ingest, "plain", 0, 10, 1)
    assert trajd.run("plain")["fork"] is None
