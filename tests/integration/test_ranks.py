"""Runs of several ranks: the global norm, who is missing, what is wrong."""
import itertools
import re
import subprocess

import numpy as np
import pytest

import trajd as rig
import wire
from fleet import Fleet, Rank
from trajd import Trajd

RUN = "/api/v1/runs/r"
NONE, SHARD, REPLICA = 0, 1, 2
UNSCALED, SCALED, ACCUMULATED, REDUCED, LOCAL = 1, 2, 4, 8, 32


@pytest.fixture
def fleet(trajd):
    all_ranks = Fleet(trajd.ingest)
    yield all_ranks
    all_ranks.close()


def series(trajd, metric, run="r", **query):
    """{step: value} of a metric, one bucket a step."""
    words = "".join(f"&{name.rstrip('_')}={value}" for name, value in query.items())
    data = trajd.json(f"/api/v1/runs/{run}/series?metric={metric}&buckets=20000{words}")["data"]
    assert data["bucket_steps"] == 1
    buckets = data["metrics"][metric]
    assert all(count == 1 for count in buckets["count"])
    return dict(zip(buckets["step_first"], buckets["last"]))


def ranks_of(trajd, query="", run="r"):
    return trajd.json(f"/api/v1/runs/{run}/ranks{query}")["data"]


def counts(data):
    return tuple(data["steps"][name] for name in ("complete", "incomplete", "open"))


def norms(vectors):
    """{step: float64 norm} of {step: vector}."""
    return {step: float(np.linalg.norm(v)) for step, v in vectors.items()}


def record_shards(ranks, step, vector, loss=0.5):
    """Each rank its part of the vector."""
    for rank, part in zip(ranks, np.array_split(vector, len(ranks)), strict=True):
        rank.step(step, loss=loss, lr=0.1, grad_sq=float(np.dot(part, part)), combine=SHARD)


# ---- 256 ranks

def test_256_shards_make_the_norm_of_the_whole_though_ranks_come_late_or_again(trajd, fleet):
    """Rank 77 is restarted alone at step 20, rank 200 lags by ten steps, rank
    100 comes last of all."""
    rng = np.random.default_rng(8)
    vectors = {step: rng.standard_normal(256 * 12 + 5) * 10 ** rng.uniform(-3, 3)
               for step in range(40)}
    first = [Rank("r", rank, 256) for rank in range(256)]
    again = Rank("r", 77, 256, attempt=2)
    for step, vector in vectors.items():
        ranks = list(first)
        if step >= 20:
            ranks[77] = again
        record_shards(ranks, step, vector)
    late = first[200]
    late.records, rest = late.records[:30], late.records[30:]
    fleet.deliver([rank for rank in first if rank is not first[100]] + [again])

    data = ranks_of(trajd)
    assert data["world"] == 256 and len(data["ranks"]) == 256
    assert counts(data) == (0, 40, 0)
    assert data["steps"]["rule"] == "shard" and data["steps"]["last_complete"] is None
    assert [r["rank"] for r in data["ranks"] if r["state"] == "missing"] == [100]
    assert [(r["rank"], r["behind"]) for r in data["ranks"] if r["behind"]] == [(200, 10)]
    assert [(r["rank"], r["attempt"], r["attempts"]) for r in data["ranks"]
            if r["attempts"] > 1] == [(77, 2, 2)]
    assert data["ranks"][77] == {
        "rank": 77, "state": "live", "attempts": 2, "attempt": 2, "host": "node-9", "pid": 1077,
        "last_step": 39, "behind": 0, "records": 20, "lost_records": 0, "dropped_records": 0,
        "heard_wall_ns": data["ranks"][77]["heard_wall_ns"]}
    assert series(trajd, "grad_norm") == {}
    assert series(trajd, "loss") == {step: 0.5 for step in vectors}

    fleet.deliver([first[100]])
    data = ranks_of(trajd)
    assert counts(data) == (30, 0, 10)
    assert data["steps"]["last_complete"] == 29
    assert list(series(trajd, "grad_norm")) == list(range(30))

    late.records += rest
    fleet.deliver([late])
    data = ranks_of(trajd)
    assert counts(data) == (40, 0, 0)
    assert data["findings"] == []
    assert series(trajd, "grad_norm") == pytest.approx(norms(vectors), rel=1e-12, abs=0)


# ---- the norm, whatever was recorded of it

@pytest.fixture(scope="module")
def one_trajd(tmp_path_factory):
    daemon = Trajd(tmp_path_factory.mktemp("matrix")).start()
    yield daemon
    daemon.end()


MATRIX = list(itertools.product([1.0, 1024.0], [1, 4], ["shards 1", "shards 2", "shards 4",
                                                        "replicas 2", "summed 2"], [False, True]))


@pytest.mark.parametrize("loss_scale, micro, split, clip", MATRIX)
def test_the_norm_is_that_of_the_unscaled_mean_gradient(one_trajd, loss_scale, micro, split, clip):
    """What a trainer has in its hands: the sum over micro losses times the loss
    scale, over ranks too if it says so; cut up, or copied. The norm that comes
    out is numpy's of the gradient itself."""
    kind, world = split.split()[0], int(split.split()[1])
    run = f"m{MATRIX.index((loss_scale, micro, split, clip))}"
    rng = np.random.default_rng(3)
    stage = (SCALED if loss_scale > 1 else 0) | (ACCUMULATED if micro > 1 else 0) | (
        REDUCED if kind == "summed" else 0)
    ranks = [Rank(run, rank, world) for rank in range(world)]
    gradients, clipped = {}, {}
    for step in range(5):
        g = rng.standard_normal(1003)
        scale = min(1.0, 10.0 / float(np.linalg.norm(g))) if clip else 1.0
        gradients[step], clipped[step] = g, g * scale
        held = g * loss_scale * micro * (world if kind == "summed" else 1)
        parts = np.array_split(held, world) if kind == "shards" else [held] * world
        for rank, part in zip(ranks, parts, strict=True):
            rank.step(step, loss=1.0, grad_sq=float(np.dot(part, part)), clip_scale=scale,
                      grad_clipped_sq=float(np.dot(part * scale, part * scale)),
                      loss_scale=loss_scale, micro_batches=micro, stage=stage,
                      combine=SHARD if kind == "shards" else REPLICA)
    fleet = Fleet(one_trajd.ingest)
    fleet.deliver(ranks)
    fleet.close()
    for query in {}, {"rank": "global"}:
        shown = series(one_trajd, "grad_norm", run, **query)
        assert shown == pytest.approx(norms(gradients), rel=1e-12, abs=0)
        shown = series(one_trajd, "grad_clipped_norm", run, **query)
        assert shown == pytest.approx(norms(clipped), rel=1e-12, abs=0)
    assert counts(ranks_of(one_trajd, run=run)) == (5, 0, 0)


# ---- which rank a series is of

def test_the_series_of_a_rank_is_its_own(trajd, fleet):
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    record_shards(ranks, 1, np.array([3.0, 4.0]))
    fleet.deliver(ranks)
    for query, rank, value in (("", "global", 5.0), ("&rank=global", "global", 5.0),
                               ("&rank=0", "0", 3.0), ("&rank=1", "1", 4.0)):
        data = trajd.json(f"{RUN}/series?metric=grad_norm{query}")["data"]
        assert (data["rank"], data["metrics"]["grad_norm"]["last"]) == (rank, [value])
    assert trajd.json(f"{RUN}/series?metric=grad_norm&rank=all")["data"]["rank"] == "all"


def test_a_shard_is_no_gauge_of_the_run(trajd, fleet):
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    record_shards(ranks, 1, np.array([3.0, 4.0]))
    lone = [Rank("lone", 0, 1)]
    record_shards(lone, 1, np.array([3.0, 4.0]))
    fleet.deliver(ranks + lone)
    text = trajd.get("/metrics")[2].decode()
    assert re.findall(r'trajd_run_grad_norm\{run="(\w+)".*\} (\S+)', text) == [
        ("lone", "5"), ("r", "NaN")]
    assert 'trajd_run_loss{run="r"' in text


def test_replicas_and_lone_speakers_show_rank_0(trajd, fleet):
    for run, rule in ("replicas", REPLICA), ("lone", NONE):
        ranks = [Rank(run, rank, 2) for rank in range(2)]
        for rank in ranks:
            rank.step(1, grad_sq=4.0, combine=rule)
        fleet.deliver(ranks)
        data = trajd.json(f"/api/v1/runs/{run}/series?metric=grad_norm")["data"]
        assert (data["rank"], data["metrics"]["grad_norm"]["last"]) == ("0", [2.0])


@pytest.mark.parametrize("path", ["steps", "probes", "groups"])
def test_records_are_of_ranks_and_not_global(trajd, fleet, path):
    ranks = [Rank("r", 0, 1)]
    record_shards(ranks, 1, np.ones(1))
    fleet.deliver(ranks)
    status, _, body = trajd.get(f"{RUN}/{path}?rank=global")
    assert status == 400 and b"rank" in body


def test_local_gradients_have_no_norm_but_a_mean_square(trajd, fleet):
    ranks = [Rank("r", rank, 4) for rank in range(4)]
    for rank, square in zip(ranks, (1.0, 2.0, 3.0, 6.0), strict=True):
        rank.step(1, loss=0.5, grad_sq=square, stage=LOCAL, combine=REPLICA, batch_samples=8)
    fleet.deliver(ranks)
    shown = {metric: series(trajd, metric, rank="global")
             for metric in ("grad_norm", "micro_grad_sq", "micro_batches", "batch_samples", "loss")}
    assert shown == {"grad_norm": {}, "micro_grad_sq": {1: 3.0}, "micro_batches": {1: 4},
                     "batch_samples": {1: 32}, "loss": {1: 0.5}}


# ---- restarts

def test_a_restart_of_all_is_never_mixed_with_what_was_before(trajd, fleet):
    """Steps 10.. are done again, by one rank after the other; rank 3 has been
    restarted alone before, so its attempts are one ahead."""
    rng = np.random.default_rng(1)
    old = {step: rng.standard_normal(40) for step in range(20)}
    new = {step: rng.standard_normal(40) for step in range(10, 25)}
    before = [Rank("r", rank, 4) for rank in range(4)]
    alone = Rank("r", 3, 4, attempt=2)
    for step, vector in old.items():
        record_shards(before[:3] + [before[3] if step < 5 else alone], step, vector)
    fleet.deliver([*before, alone])
    assert series(trajd, "grad_norm") == pytest.approx(norms(old), rel=1e-12, abs=0)
    after = [Rank("r", rank, 4, attempt=3 if rank == 3 else 2) for rank in range(4)]
    for step, vector in new.items():
        record_shards(after, step, vector)
    kept = {step: v for step, v in old.items() if step < 10}
    for rank in (2, 3, 0):
        fleet.deliver([after[rank]])
        assert series(trajd, "grad_norm") == pytest.approx(norms(kept), rel=1e-12, abs=0)
    fleet.deliver([after[1]])
    shown = series(trajd, "grad_norm")
    assert shown == pytest.approx(norms({**kept, **new}), rel=1e-12, abs=0)


def test_each_attempt_can_be_had_for_itself(trajd, fleet):
    rng = np.random.default_rng(2)
    attempts = {}
    for attempt, steps in ((1, range(20)), (2, range(10, 25))):
        attempts[attempt] = {step: rng.standard_normal(8) for step in steps}
        ranks = [Rank("r", rank, 2, attempt=attempt) for rank in range(2)]
        for step, vector in attempts[attempt].items():
            record_shards(ranks, step, vector)
        fleet.deliver(ranks)
    for attempt, vectors in attempts.items():
        shown = series(trajd, "grad_norm", attempt=attempt)
        assert shown == pytest.approx(norms(vectors), rel=1e-12, abs=0)
    data = trajd.json(f"{RUN}/series?metric=grad_norm&attempt=all&buckets=100")["data"]
    assert data["metrics"]["grad_norm"]["count"] == [1] * 10 + [2] * 10 + [1] * 5


def test_a_restart_with_fewer_ranks_is_of_those(trajd, fleet):
    rng = np.random.default_rng(4)
    wide = {step: rng.standard_normal(16) for step in range(20)}
    narrow = {step: rng.standard_normal(16) for step in range(15, 30)}
    for attempt, world, vectors in ((1, 4, wide), (2, 2, narrow)):
        ranks = [Rank("r", rank, world, attempt=attempt) for rank in range(world)]
        for step, vector in vectors.items():
            record_shards(ranks, step, vector)
        fleet.deliver(ranks)
    assert series(trajd, "grad_norm") == pytest.approx(norms({**wide, **narrow}), rel=1e-12, abs=0)
    assert len(ranks_of(trajd)["ranks"]) == 2


def test_steps_done_again_within_an_attempt_go_pass_by_pass(trajd, fleet):
    rng = np.random.default_rng(5)
    ranks = [Rank("r", rank, 3) for rank in range(3)]
    order = [*range(10), *range(6, 15)]
    vectors = [rng.standard_normal(9) for _ in order]
    for step, vector in zip(order, vectors, strict=True):
        record_shards(ranks, step, vector)
    fleet.deliver(ranks)
    data = trajd.json(f"{RUN}/series?metric=grad_norm&buckets=100")["data"]["metrics"]["grad_norm"]
    assert data["count"] == [1] * 6 + [2] * 4 + [1] * 5
    assert data["last"] == pytest.approx(
        [np.linalg.norm(v) for v in vectors[:6] + vectors[10:]], rel=1e-12)


# ---- long runs

def test_slices_of_a_long_run_join_without_a_seam(trajd, fleet):
    """More steps than a slice and than a chunk, far apart; each rank lacks some,
    and has some that the others do not."""
    rng = np.random.default_rng(6)
    ranks = [Rank("r", rank, 3) for rank in range(3)]
    expected = {}
    for k in range(6000):
        step = 150 * k
        squares = rng.uniform(0, 1, 3)
        absent = k % 97 if k % 97 < 3 else None
        for rank in range(3):
            if rank != absent:
                ranks[rank].step(step, loss=float(k), grad_sq=float(squares[rank]), combine=SHARD)
        if absent is None:
            expected[step] = float(np.sqrt(squares.sum()))
        if k % 50 == 0:
            ranks[k % 3].step(step + 1, loss=float(k), grad_sq=1.0, combine=SHARD)
    fleet.deliver(ranks)
    assert series(trajd, "grad_norm") == pytest.approx(expected, rel=1e-12, abs=0)
    assert len(series(trajd, "loss")) == 6000 + 120
    data = ranks_of(trajd, "?from=0")
    assert data["steps"]["complete"] == len(expected)
    assert data["steps"]["incomplete"] + data["steps"]["open"] == 6120 - len(expected)
    assert (data["steps"]["from"], data["steps"]["to"]) == (0, 899850)


# ---- what is wrong

def test_a_shard_that_passes_for_the_run_is_named_in_the_api_and_in_show(trajd, fleet):
    ranks = [Rank("r", rank, 4) for rank in range(4)]
    for step in range(20):
        for k, rank in enumerate(ranks):
            rank.step(step, loss=1.0, grad_sq=1.0 + 0.1 * k, param_sq=10.0 + k, combine=REPLICA)
    fleet.deliver(ranks)
    (finding,) = ranks_of(trajd)["findings"]
    assert finding["code"] == "one_shard" and finding["field"] == "grad_sq"
    assert finding["factor"] == pytest.approx(2.0, rel=1e-12)
    assert (finding["first_step"], finding["steps"], finding["ranks"]) == (0, 20, [])
    shown = show(trajd)
    assert re.search(r"^ranks      4 of 4 here, combined as replica; 4 live; "
                     r"last whole step 19$", shown, re.M), shown
    assert "  warning: ||g|| of each rank looks like one shard's norm" in shown


def show(trajd):
    done = subprocess.run([rig.BUILD / "traj", "show", "r", "--url", f"http://{trajd.http}"],
                          capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_show_tells_who_is_missing_and_behind(trajd, fleet):
    ranks = [Rank("r", rank, 5) for rank in range(4)]
    for step in range(10):
        record_shards(ranks[:3] + ranks[3:] * (step < 7), step, np.ones(4))
    fleet.deliver(ranks)
    assert re.search(r"^ranks      4 of 5 here, combined as shard; 4 live, 1 missing; no whole "
                     r"step, 10 incomplete; 3 steps behind: rank 3$", show(trajd), re.M), show(trajd)


def test_a_run_of_one_process_has_no_line_of_ranks(trajd, fleet):
    ranks = [Rank("r", 0, 1)]
    record_shards(ranks, 1, np.ones(4))
    fleet.deliver(ranks)
    assert "\nranks  " not in show(trajd)
    data = ranks_of(trajd)
    assert data["world"] == 1 and counts(data) == (1, 0, 0)


def test_replicas_that_drift_and_sgd_that_is_off_are_named(trajd, fleet):
    """Plain SGD whose ||g|| is the sum over 8 microbatches and does not say so;
    rank 2's parameters drift from step 10 on."""
    ranks = [Rank("r", rank, 3, optimizer="sgd") for rank in range(3)]
    for step in range(20):
        g = 2.0 + step
        for k, rank in enumerate(ranks):
            drift = 1e-4 if k == 2 and step >= 10 else 0.0
            rank.step(step, loss=1.0, lr=0.1, grad_sq=(8 * g) ** 2, delta_sq=(0.1 * g) ** 2,
                      param_sq=100.0 * (1 + drift), micro_batches=8, combine=REPLICA)
    fleet.deliver(ranks)
    factor, drift = ranks_of(trajd)["findings"]
    assert (factor["code"], factor["factor"]) == ("wrong_factor", 0.125)
    assert "sum over the microbatches" in factor["text"]
    assert (drift["code"], drift["field"], drift["ranks"]) == ("replicas_disagree", "param_sq", [2])
    assert (drift["first_step"], drift["steps"]) == (10, 10)
    assert ranks_of(trajd, "?to=9")["findings"] == [dict(factor, steps=10)]


def test_a_rank_that_ended_is_not_waited_for(trajd, fleet):
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    for step in range(4):
        record_shards(ranks, step, np.ones(2))
    del ranks[1].records[2:]
    ranks[1].records.append(wire.Record(wire.EVENT, 3, {
        "step": 1, "event": 1, "severity": 0, "text": "", "exit_code": wire.i64(-9)}))
    fleet.deliver(ranks)
    data = ranks_of(trajd)
    assert counts(data) == (2, 2, 0)
    assert [r["state"] for r in data["ranks"]] == ["live", "failed"]


def test_a_window_of_more_than_a_million_steps_is_refused(trajd, fleet):
    lone = Rank("r", 0, 1)
    for step in 0, 999_999, 1_000_000:
        lone.step(step, grad_sq=1.0)
    fleet.deliver([lone])
    for query, complete in (("?from=1", 2), ("?from=0&to=999999", 2), ("?from=1&to=9999999", 2)):
        assert counts(ranks_of(trajd, query)) == (complete, 0, 0)
    for query in "?from=0", "?from=0&to=1000000", "?from=0&to=9999999":
        status, _, body = trajd.get(f"{RUN}/ranks{query}")
        assert status == 400 and b"from: more than 999999 steps before" in body


@pytest.mark.parametrize("query, named", [("?from=2&to=1", "from"), ("?from=x", "from"),
                                          ("?rank=0", "rank"), ("?attempt=1", "attempt")])
def test_what_is_asked_wrongly_is_named(trajd, fleet, query, named):
    ranks = [Rank("r", 0, 1)]
    record_shards(ranks, 1, np.ones(1))
    fleet.deliver(ranks)
    status, _, body = trajd.get(f"{RUN}/ranks{query}")
    assert status == 400 and named in body.decode()
