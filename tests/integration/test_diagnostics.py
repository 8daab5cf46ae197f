"""GET /diagnostics against numpy on the same records."""
import math
import re

import numpy as np
import pytest

import wire
from fleet import Fleet, Rank
from peer import Peer
from stream import Stream

RUN = "/api/v1/runs/r"
N = 1500
K, B, SCALE, WORLD = 4, 32, 1024.0, 2
SCALED, ACCUMULATED, REDUCED = 2, 4, 8
CLIPPED, SKIPPED, FOUND_INF = 1, 2, 4
FULL, DIFFERENT = 1, 5
C = 0.8  # the threshold that was used
WINDOWS = [100, 1000, 10000, None]


def diagnostics(trajd, query=""):
    return trajd.json(f"{RUN}/diagnostics{query}")["data"]


@pytest.fixture(scope="module")
def walk():
    """A walk whose every sum is known, as a dict of arrays over the steps."""
    rng = np.random.default_rng(11)
    w = {"loss": 3 + rng.normal(0, 0.05, N).cumsum() * 0.02 + rng.normal(0, 0.01, N),
         "G": np.exp(rng.normal(-0.5, 0.3, N)), "lr": rng.uniform(0.01, 0.2, N),
         "dg": np.exp(rng.normal(-1, 0.5, N)), "micro_sq": np.exp(rng.normal(1, 0.2, N))}
    w["G"][[300, 700, 1100]] *= 50       # leads by 2; alone; with the loss
    w["loss"][[302, 1100, 1300]] += 20
    w["r"] = w["lr"] * np.minimum(w["G"], C)
    w["gd"] = -w["r"] * w["G"] * rng.uniform(0.5, 1, N)
    w["r"][50] = 0.0                     # skipped
    w["gd"][50] = 0.0
    return w


@pytest.fixture
def run(trajd, walk):
    peer = Peer(trajd.ingest, "r", world=WORLD)
    factor = SCALE * K * WORLD
    for i in range(N):
        scale = min(1.0, C / walk["G"][i])
        flags = (CLIPPED if scale < 1 else 0) | (FOUND_INF if i in (7, 8) else 0)
        peer.record(
            wire.STEP, step=10 + i, loss=wire.f64(walk["loss"][i]), lr=wire.f64(walk["lr"][i]),
            grad_sq=wire.f64((walk["G"][i] * factor) ** 2), delta_sq=wire.f64(walk["r"][i] ** 2),
            grad_delta=wire.f64(walk["gd"][i] * factor),
            dgrad_sq=wire.f64((walk["dg"][i] * factor) ** 2),
            micro_grad_sq=wire.f64(walk["micro_sq"][i] * SCALE ** 2), micro_batches=K,
            batch_samples=B, loss_scale=wire.f64(SCALE), stage=SCALED | ACCUMULATED | REDUCED,
            clip_scale=wire.f64(scale), clip_threshold=wire.f64(C), flags=flags)
    peer.deliver(frame=250)
    return peer


def last(i):
    """The slice of the last i steps; None: of all."""
    return slice(None) if i is None else slice(max(0, N - i), None)


def test_clipping(trajd, run, walk):
    clipping = diagnostics(trajd, "?threshold=0.5,2,1e9")["clipping"]
    for steps, window in zip(WINDOWS, clipping["windows"]):
        G = walk["G"][last(steps)]
        assert window["steps"] == steps and window["n"] == len(G)
        assert window["clipped"] == np.sum(G > C)
        assert window["fraction"] == pytest.approx(np.mean(G > C), rel=1e-15)
        assert window["mean_shrink"] == pytest.approx(np.mean(1 - C / G[G > C]), rel=1e-12)
    for c, trial in zip((0.5, 2), clipping["would"]):
        G = walk["G"]
        assert trial["threshold"] == c and trial["n"] == N
        assert trial["clipped"] == np.sum(G > c)
        assert trial["mean_scale"] == pytest.approx(np.mean(c / G[G > c]), rel=1e-12)
    assert clipping["would"][2] == {"threshold": 1e9, "n": N, "clipped": 0, "fraction": 0,
                                    "mean_scale": None}


def test_published_threshold_rules(trajd, run, walk):
    clipping = diagnostics(trajd)["clipping"]
    G = walk["G"]
    assert clipping["autoclip"]["n"] == N
    assert clipping["autoclip"]["threshold"] == pytest.approx(np.percentile(G, 10), rel=1e-12)
    assert clipping["autoclip"]["recent_threshold"] == pytest.approx(
        np.quantile(G[-1000:], 0.9), rel=1e-12)
    mean, var, clipped = G[:25].mean(), G[:25].var(), 0
    for g in G[25:]:
        z = (g - mean) / (math.sqrt(var) + 1e-6)
        if z > 2.5:
            clipped += 1
            g = mean + 2.5 * math.sqrt(var) / (z / 2.5)
        mean = 0.97 * mean + 0.03 * g
        var = 0.97 * var + 0.03 * (g - mean) ** 2
    zclip = clipping["zclip"]
    assert (zclip["n"], zclip["clipped"]) == (N - 25, clipped) and clipped > 3
    assert zclip["mean"] == pytest.approx(mean, rel=1e-12)
    assert zclip["deviation"] == pytest.approx(math.sqrt(var), rel=1e-12)
    assert zclip["threshold"] == pytest.approx(mean + 2.5 * (math.sqrt(var) + 1e-6), rel=1e-12)


def test_gradient_noise_scale(trajd, run, walk):
    k = K * WORLD
    small, big = B / k, B
    signal = (big * walk["G"] ** 2 - small * walk["micro_sq"]) / (big - small)
    noise = (walk["micro_sq"] - walk["G"] ** 2) / (1 / small - 1 / big)
    for steps, window in zip(WINDOWS, diagnostics(trajd)["noise"]["windows"]):
        s, n = signal[last(steps)], noise[last(steps)]
        assert window["steps"] == steps and window["n"] == len(s)
        assert window["signal_sq"] == pytest.approx(s.mean(), rel=1e-11)
        assert window["noise"] == pytest.approx(n.mean(), rel=1e-11)
        ratio = n.mean() / s.mean()
        assert window["scale"] == (pytest.approx(ratio, rel=1e-11) if s.mean() > 0 else None)
        error = np.std(n - ratio * s, ddof=1) / math.sqrt(len(s)) / s.mean()
        assert window["standard_error"] == (pytest.approx(error, rel=1e-9) if s.mean() > 0 else None)


def test_adgd(trajd, run, walk):
    lam, theta, ratios = walk["lr"][0], math.inf, []
    for i in range(1, N):
        if walk["r"][i - 1] == 0:
            continue
        new = min(math.sqrt(1 + theta) * lam, walk["r"][i - 1] / walk["dg"][i] / 2)
        theta, lam = new / lam, new
        ratios.append(walk["lr"][i] / lam)
    adgd = diagnostics(trajd)["adgd"]
    assert adgd["n"] == adgd["n_ratio"] == N - 2
    assert adgd["lambda"] == pytest.approx(lam, rel=1e-9)
    assert adgd["ratio"] == pytest.approx(ratios[-1], rel=1e-9)
    assert adgd["mean_ratio"] == pytest.approx(np.exp(np.mean(np.log(ratios))), rel=1e-9)
    assert adgd["above"] == np.mean(np.array(ratios) > 1)


def robust_z(values, i):
    before = values[max(0, i - 128):i]
    if len(before) < 32:
        return 0.0
    center = np.median(before)
    return (values[i] - center) / (1.482602218505602 * np.median(np.abs(before - center)))


def onsets(values):
    """Steps at which robust z rises above 6, having been at 3 or below since."""
    found, active = [], False
    for i in range(N):
        z = robust_z(values, i)
        if not active and z > 6:
            found.append((10 + i, z))
        active = z > (3 if active else 6)
    return found


def test_spikes_and_which_comes_first(trajd, run, walk):
    spikes = diagnostics(trajd)["spikes"]
    loss, grad = onsets(walk["loss"]), onsets(np.log(walk["G"]))
    assert [s for s, _ in grad] == [310, 710, 1110] and {312, 1110, 1310} <= {s for s, _ in loss}
    assert spikes["n_loss"] == spikes["n_grad_norm"] == N
    assert (spikes["loss"], spikes["grad_norm"]) == (len(loss), len(grad))
    assert (spikes["grad_norm_leading"], spikes["mean_lead"]) == (1, 2)
    assert (spikes["grad_norm_alone"], spikes["grad_norm_with"]) == (1, 1)
    expected = sorted([(s, z, "loss") for s, z in loss] + [(s, z, "grad_norm") for s, z in grad],
                      key=lambda e: (-e[0], e[2]))[:16]
    assert [(e["step"], e["of"]) for e in spikes["recent"]] == [(s, of) for s, _, of in expected]
    assert [e["z"] for e in spikes["recent"]] == pytest.approx([z for _, z, _ in expected], rel=1e-9)


def test_faults(trajd, run):
    assert diagnostics(trajd)["faults"] == {
        "n_flags": N, "skipped": 1, "found_inf": 2, "n_updates": N, "zero_updates": 1,
        "n_values": N, "nonfinite": 0, "first_nonfinite_step": None}
    run.record(wire.STEP, step=10 + N, loss=wire.f64(math.nan), flags=SKIPPED)
    run.record(wire.STEP, step=11 + N, loss=wire.f64(1.0), grad_inf=3)
    run.deliver()
    faults = diagnostics(trajd)["faults"]
    assert (faults["skipped"], faults["nonfinite"]) == (2, 2)
    assert faults["first_nonfinite_step"] == 10 + N and faults["n_updates"] == N


def test_predicted_and_realised_decrease(trajd, run, walk):
    steps = diagnostics(trajd)["descent"]["steps"]
    assert steps["n"] == N - 1
    assert steps["predicted"] == pytest.approx(-walk["gd"][:-1].sum(), rel=1e-12)
    assert steps["realised"] == pytest.approx(walk["loss"][0] - walk["loss"][-1], rel=1e-9)


def phi(z):
    """(e^z - z - 1)/z^2 by its series."""
    return sum(z ** k / math.factorial(k + 2) for k in range(40))


@pytest.fixture
def law(trajd):
    """f with ||H|| = 2 + 0.5 ||g|| along it: probes whose law is exact, with
    f' now above and now below its bound."""
    rng = np.random.default_rng(3)
    peer = Peer(trajd.ingest, "r")
    moves = []
    for step in range(200):
        G, r = 10 ** rng.uniform(-1, 1), 10 ** rng.uniform(-3, 0)
        f, gd = rng.uniform(5, 6), -G * r
        bound = f + gd + (2 + 0.5 * G) * r * r * phi(0.5 * r)
        f_end = bound * (1 + rng.choice([-1, 1]) * rng.uniform(0.001, 0.01))
        moves.append((f, f_end, gd, bound))
        peer.record(wire.PROBE, step=step, estimator=FULL, smoothness=wire.f64(2 + 0.5 * G),
                    grad_sq=wire.f64(G * G), delta_sq=wire.f64(r * r), grad_delta=wire.f64(gd),
                    loss=wire.f64(f), loss_end=wire.f64(f_end))
        peer.record(wire.STEP, step=step, lr=wire.f64(0.1))
    # Of other data, or of a layer: no move of the loss.
    for more in {"estimator": DIFFERENT}, {"estimator": FULL, "group": 1}:
        peer.record(wire.PROBE, step=199, grad_sq=wire.f64(1.0), delta_sq=wire.f64(1.0),
                    grad_delta=wire.f64(-1.0), loss=wire.f64(1.0), loss_end=wire.f64(9.0), **more)
    peer.deliver()
    return moves


def test_violations_of_the_fitted_bound(trajd, law):
    data = diagnostics(trajd)
    assert data["probes"] == 201  # the layer's is none of the run
    descent = data["descent"]
    f, f_end, gd, bound = map(np.array, zip(*law))
    assert descent["probes"]["n"] == 200
    assert descent["probes"]["predicted"] == pytest.approx(-gd.sum(), rel=1e-12)
    assert descent["probes"]["realised"] == pytest.approx((f - f_end).sum(), rel=1e-9)
    fitted = next(entry for entry in descent["laws"] if entry["method"] == "nnls_relative")
    assert (fitted["L0"], fitted["L1"]) == pytest.approx((2, 0.5), rel=1e-9)
    assert fitted["probe_violations"] == np.sum(f_end > bound) and 60 < np.sum(f_end > bound) < 140
    assert fitted["probe_rate"] == np.mean(f_end > bound)
    assert fitted["step_rate"] is None and fitted["step_violations"] == 0


def test_the_window_is_the_last_steps(trajd, run, walk):
    data = diagnostics(trajd, "?steps=40&threshold=1")
    assert data["records"] == data["steps"] == 40
    assert data["clipping"]["would"][0]["clipped"] == np.sum(walk["G"][-40:] > 1)


def test_without_steps_the_window_is_of_the_probes(trajd):
    """Steps 10, 20, ... 500, the losses of each falling by 1."""
    peer = Peer(trajd.ingest, "r")
    for k in range(1, 51):
        peer.record(wire.PROBE, step=10 * k, estimator=FULL, grad_sq=wire.f64(1.0),
                    delta_sq=wire.f64(1.0), grad_delta=wire.f64(-1.0), loss=wire.f64(2.0),
                    loss_end=wire.f64(1.0))
    peer.deliver()
    data = diagnostics(trajd)
    assert (data["steps"], data["probes"]) == (0, 50)
    assert data["descent"]["probes"] == {
        "same_data": True, "n": 50, "predicted": 50, "realised": 50}
    assert diagnostics(trajd, "?steps=101")["probes"] == 11


def test_what_nobody_measured_is_null(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=1, wall_ns=1)
    peer.deliver()
    data = diagnostics(trajd, "?threshold=1")
    assert data["records"] == 1
    for window in data["clipping"]["windows"]:
        assert (window["n"], window["fraction"], window["mean_shrink"]) == (0, None, None)
    assert data["clipping"]["would"][0]["fraction"] is None
    assert data["clipping"]["autoclip"] == {"n": 0, "threshold": None, "recent_threshold": None}
    assert data["clipping"]["zclip"]["threshold"] is None
    assert {w["scale"] for w in data["noise"]["windows"]} == {None}
    assert data["adgd"]["lambda"] is None and data["adgd"]["mean_ratio"] is None
    assert data["descent"] == {
        "steps": {"same_data": False, "n": 0, "predicted": None, "realised": None},
        "probes": {"same_data": True, "n": 0, "predicted": None, "realised": None}, "laws": []}
    assert set(data["faults"].values()) == {0, None}


def test_norms_are_the_optimizers_everywhere(trajd):
    """World 8 in the HELLO, sums over ranks and microbatches, a loss scale:
    3 in the series, in /metrics and in the live rows; as sent beside it."""
    peer = Peer(trajd.ingest, "r", world=8, optimizer="adam")
    peer.record(wire.STEP, step=0, loss=wire.f64(1.0))
    peer.deliver()
    stream = Stream(trajd.http, f"{RUN}/events")
    peer.record(wire.STEP, step=1, grad_sq=wire.f64((3 * 8 * 4 * 1024.0) ** 2), stage=14,
                loss_scale=wire.f64(1024.0), micro_batches=4, lr=wire.f64(0.1),
                momentum=wire.f64(0.5))
    peer.deliver()
    stream.read_until(lambda s: s.rows("step")[-1:] == [1], "the row")
    assert stream.rows("grad_norm") == [3]
    stream.close()
    names = {"grad_norm": 3, "grad_norm_raw": 3 * 8 * 4 * 1024, "edge_of_stability": 60}
    metrics = trajd.json(f"{RUN}/series?metric={','.join(names)}")["data"]["metrics"]
    assert {name: metrics[name]["last"] for name in names} == {n: [v] for n, v in names.items()}
    _, _, body = trajd.get("/metrics")
    assert 'trajd_run_grad_norm{run="r",project="default"} 3\n' in body.decode()


def gauge(trajd, name):
    text = trajd.get("/metrics")[2].decode()
    return re.search(rf'^trajd_run_{name}{{run="r",project="default"}} (\S+)$', text, re.M)[1]


def test_the_norm_in_metrics_is_the_newest_of_2048_steps(trajd):
    NOT_MEASURED = 32
    peer = Peer(trajd.ingest, "r")
    for step, norm in enumerate((4.0, 3.0)):
        peer.record(wire.STEP, step=step, loss=wire.f64(1.0), grad_sq=wire.f64(norm * norm))
    for step in range(2, 2048):
        peer.record(wire.STEP, step=step, loss=wire.f64(1.0), flags=NOT_MEASURED)
    peer.record(wire.STEP, step=2048, loss=wire.f64(0.5), flags=NOT_MEASURED)
    peer.deliver()
    assert (gauge(trajd, "grad_norm"), gauge(trajd, "loss")) == ("3", "0.5")
    peer.record(wire.STEP, step=2049, loss=wire.f64(1.0), flags=NOT_MEASURED)
    peer.deliver()
    assert (gauge(trajd, "grad_norm"), gauge(trajd, "loss")) == ("NaN", "1")


def test_a_norm_whose_factor_is_not_known_is_not_the_one_before_it(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=0, grad_sq=wire.f64(9.0))
    peer.record(wire.STEP, step=1, grad_sq=wire.f64(9.0), stage=2)  # scaled: by what?
    peer.record(wire.STEP, step=2, loss=wire.f64(1.0))
    peer.deliver()
    assert gauge(trajd, "grad_norm") == "NaN"


NONE, SHARD = 0, 1


def deliver(trajd, *ranks):
    fleet = Fleet(trajd.ingest)
    fleet.deliver(ranks)
    fleet.close()


def test_the_norm_that_is_clipped_is_the_runs_and_not_a_shards(trajd):
    """||g|| = 5 (3 and 4), ||d|| = 5 (3 and 4), <g,d> = -25 and dg = 13 (5 and 12): a
    threshold of 4.5 clips every step of the run and none of a shard's. The last
    step is rank 0's alone."""
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    for step in range(1, 101):
        for rank, size, change in zip(ranks, (3.0, 4.0), (5.0, 12.0), strict=True):
            rank.step(step, loss=1000.0 - step, lr=1.0, grad_sq=size ** 2, delta_sq=size ** 2,
                      grad_delta=-size ** 2, dgrad_sq=change ** 2, param_sq=1.0, combine=SHARD)
    ranks[0].step(101, loss=1.0, lr=1.0, grad_sq=9.0, combine=SHARD)
    deliver(trajd, *ranks)
    data = diagnostics(trajd, "?threshold=4.5,5.5")
    assert data["records"] == 100
    assert [(w["n"], w["clipped"]) for w in data["clipping"]["would"]] == [(100, 100), (100, 0)]
    assert data["clipping"]["autoclip"]["threshold"] == 5
    assert data["clipping"]["zclip"]["mean"] == pytest.approx(5, rel=1e-12)
    assert data["descent"]["steps"] == {
        "same_data": False, "n": 99, "predicted": 99 * 25, "realised": 99}
    # lambda: from lr, then (5/13)/2 of the combined ||d|| and ||dg||
    assert data["adgd"]["lambda"] == pytest.approx(5 / 26, rel=1e-12)


def test_the_factor_of_a_restart_on_fewer_shards_is_its_own(trajd):
    """Sums over the ranks: 8 = 4 * 2 of four ranks, then 4 = 2 * 2 of two."""
    for attempt, world, steps in ((1, 4, range(10)), (2, 2, range(10, 20))):
        ranks = [Rank("r", rank, world, attempt=attempt) for rank in range(world)]
        for step in steps:
            for rank in ranks:
                rank.step(step, grad_sq=(2.0 * world) ** 2 / world, stage=REDUCED, combine=SHARD)
        deliver(trajd, *ranks)
    would = diagnostics(trajd, "?threshold=1.99,2.01")["clipping"]["would"]
    assert [(w["n"], w["clipped"]) for w in would] == [(20, 20), (20, 0)]


def test_shards_after_a_start_that_was_none_are_left_out(trajd):
    """Which rule holds is what the first record says; what another one says
    must not pass for the run's."""
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    for step in range(20):
        for rank in ranks:
            rank.step(step, loss=1.0, grad_sq=4.0, combine=NONE if step < 10 else SHARD)
    deliver(trajd, *ranks)
    (would,) = diagnostics(trajd, "?threshold=1")["clipping"]["would"]
    assert would["n"] == 10
