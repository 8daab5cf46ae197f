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


def losses(trajd, run_id, query=""):
    data = trajd.json(f"/api/v1/runs/{run_id}/series?metric=loss&buckets=10000{query}")["data"]
    assert data["bucket_steps"] == "1" or data["bucket_steps"] == 1
    loss = data["metrics"]["loss"]
    return dict(zip(map(int, loss["step_first"]), loss["last"]))


def test_the_series_of_a_fork_begins_with_its_parents_steps(trajd):
    steps(trajd.ingest, "first", 0, 200, 1)
    steps(trajd.ingest, "second", 100, 150, 10, fork_of="first", fork_step="100")
    steps(trajd.ingest, "third", 50, 20, 100, fork_of="second", fork_step="120")
    second = {s: 1.0 * s for s in range(100)} | {s: 10.0 * s for s in range(100, 250)}
    assert losses(trajd, "second") == second
    assert losses(trajd, "second", "&history=own") == {s: 10.0 * s for s in range(100, 250)}
    assert losses(trajd, "second", "&attempt=1") == {s: 10.0 * s for s in range(100, 250)}
    assert losses(trajd, "second", "&from=90&to=104") == {s: second[s] for s in range(90, 105)}
    # Of what lies before its fork, a fork's own records count too: they are newer.
    third = losses(trajd, "third")
    assert sorted(third) == list(range(120))
    assert [third[s] for s in (49, 99, 119)] == [49.0, 99.0, 1190.0]
    assert losses(trajd, "first") == {s: 1.0 * s for s in range(200)}


def test_a_circle_of_forks_and_a_parent_that_is_gone_end_the_line(trajd):
    steps(trajd.ingest, "a", 0, 10, 1, fork_of="b", fork_step="5")
    steps(trajd.ingest, "b", 0, 10, 10, fork_of="a", fork_step="3")
    assert len(losses(trajd, "a")) == len(losses(trajd, "b")) == 10
    steps(trajd.ingest, "orphan", 7, 3, 1, fork_of="nobody", fork_step="7")
    assert losses(trajd, "orphan") == {7: 7.0, 8: 8.0, 9: 9.0}
