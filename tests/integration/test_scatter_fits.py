"""GET /scatter and /fits against numpy and scipy on the same records."""
import math

import numpy as np
import pytest
from scipy import stats

import wire
from law import MANY, SAME_BATCH, send_law
from peer import Peer

RUN = "/api/v1/runs/r"
TINY_STEP, ROUNDING, NONFINITE = 2, 4, 8
DIFFERENT = 5


def probe(peer, step, g, y, estimator=SAME_BATCH, flags=0, **more):
    """g: (start, middle, end) norms; None = not measured. y: the smoothness of
    the whole step; the largest over gamma is 1.25 times that, at gamma 1/2."""
    names = "grad_sq", "grad_mid_sq", "grad_end_sq"
    norms = {name: wire.f64(norm * norm) for name, norm in zip(names, g) if norm is not None}
    peer.record(wire.PROBE, step=step, estimator=estimator, flags=flags,
                smoothness=wire.f64(1.25 * y), smoothness_gamma=wire.f64(0.5), ceiling=wire.f64(9 * y),
                dgrad_sq=wire.f64(y * y * 2.0 ** -26), delta_sq=wire.f64(2.0 ** -26), **norms, **more)


def simpson(g):
    return (math.sqrt(g[0] * g[0]) + 4 * math.sqrt(g[1] * g[1]) + math.sqrt(g[2] * g[2])) / 6


@pytest.fixture
def cloud(trajd):
    """500 noisy pairs around 1 + 2 g, as (peer, steps, norms, y)."""
    rng = np.random.default_rng(5)
    peer = Peer(trajd.ingest, "r")
    start = 10 ** rng.uniform(-2, 1, 500)
    norms = [(float(g), float(g * 0.9), float(g * 0.7)) for g in start]
    y = [float((1 + 2 * g) * f) for g, f in zip(start, 10 ** rng.normal(0, 0.1, 500))]
    for step, (g, value) in enumerate(zip(norms, y)):
        probe(peer, step, g, value)
    peer.deliver(frame=250)
    return peer, list(range(500)), norms, y


def fits(trajd, query=""):
    return trajd.json(f"{RUN}/fits{query}")["data"]


def line(data, method, tau=None):
    return next(f for f in data["fits"] if f["method"] == method and f["tau"] == tau)


def test_points_are_exact(trajd, cloud):
    _, steps, norms, y = cloud
    reply = trajd.json(f"{RUN}/scatter")
    data = reply["data"]
    assert data["mode"] == "points"
    assert data["x_name"] == "simpson"
    assert data["estimator"] == "same_batch"
    assert data["step"] == steps
    assert data["y"] == pytest.approx(y, rel=1e-15) and data["y_name"] == "secant"
    assert data["x"] == pytest.approx([simpson(g) for g in norms], rel=1e-15)
    assert data["ceiling"] == pytest.approx([(g[0] + g[2]) * 2.0 ** 13 for g in norms], rel=1e-15)
    assert reply["excluded"] == 0
    assert reply["sampling"] == {"method": "none", "rows_in": 500, "rows_out": 500}
    data = trajd.json(f"{RUN}/scatter?x=start&from=10&to=12")["data"]
    assert data["x"] == pytest.approx([g[0] for g in norms[10:13]], rel=1e-15)
    assert data["y"] == [1.25 * value for value in y[10:13]] and data["y_name"] == "smoothness"
    assert data["ceiling"] == [9 * value for value in y[10:13]]


def test_points_have_their_floors(trajd):
    peer = Peer(trajd.ingest, "r")
    probe(peer, 0, (1.0, 1.0, 1.0), 2.0, noise_floor=wire.f64(0.25), rounding_floor=wire.f64(1e-3))
    probe(peer, 1, (1.0, 1.0, 1.0), 2.0, noise_floor=wire.f64(0.0))
    probe(peer, 2, (1.0, 1.0, 1.0), 2.0)
    peer.deliver()
    start = trajd.json(f"{RUN}/scatter?x=start")["data"]
    assert start["noise_floor"] == [0.25, 0, None]
    assert start["rounding_floor"] == [1e-3, None, None]
    whole = trajd.json(f"{RUN}/scatter?x=simpson")["data"]  # they were of gamma 1/2
    assert whole["noise_floor"] == [0.125, 0, None]
    assert whole["rounding_floor"] == [5e-4, None, None]


def test_too_many_points_are_a_density_that_loses_none(trajd, cloud):
    peer, _, norms, y = cloud
    probe(peer, 500, (1.0, 1.0, 1.0), 1e6)  # a spike of one step
    peer.deliver()
    reply = trajd.json(f"{RUN}/scatter?max=100")
    data = reply["data"]
    assert data["mode"] == "density"
    counts = np.array(data["counts"]).reshape(data["h"], data["w"])
    assert counts.sum() == 501
    assert reply["sampling"] == {"method": "density", "rows_in": 501, "rows_out": 501}
    assert data["y_log10"][1] == 6
    assert 500 in data["extremes"]["step"] and 1e6 in data["extremes"]["y"]
    # The same binning in numpy: centres of the first and last cell at the ends.
    x = np.log10([simpson(g) for g in norms] + [1.0])
    z = np.log10(y + [1e6])
    column = np.floor((x - x.min()) / (x.max() - x.min()) * (data["w"] - 1) + 0.5).astype(int)
    row = np.floor((z - z.min()) / (z.max() - z.min()) * (data["h"] - 1) + 0.5).astype(int)
    expected = np.zeros_like(counts)
    np.add.at(expected, (row, column), 1)
    assert np.abs(counts - expected).sum() <= 4  # a point on a border may fall to either side
    steps = [s for s in data["mean_step"] if s is not None]
    assert len(steps) == (counts > 0).sum()


def test_what_has_no_place_on_the_axes_is_excluded_and_counted(trajd):
    peer = Peer(trajd.ingest, "r")
    probe(peer, 0, (1.0, 1.0, 1.0), 2.0)
    probe(peer, 1, (1.0, 1.0, 1.0), math.nan)
    probe(peer, 2, (0.0, 0.0, 0.0), 2.0)
    probe(peer, 3, (1.0, None, 1.0), 2.0)
    probe(peer, 4, (1.0, 1.0, 1.0), 2.0, flags=ROUNDING)
    probe(peer, 5, (1.0, 1.0, 1.0), 2.0, estimator=DIFFERENT)
    peer.deliver()
    reply = trajd.json(f"{RUN}/scatter")
    assert reply["data"]["step"] == [0, 4]
    assert reply["data"]["flags"] == [0, ROUNDING]
    assert reply["excluded"] == 4


def test_fits_equal_scipy(trajd, cloud):
    _, _, norms, y = cloud
    data = fits(trajd)
    x = np.array([simpson(g) for g in norms])
    ols = stats.linregress(x, y)
    assert data["regressor"] == "simpson" and data["estimator"] == "same_batch"
    assert data["n"] == 500 and data["n_excluded"] == 0
    assert line(data, "ols")["L1"] == pytest.approx(ols.slope, rel=1e-9)
    assert line(data, "ols")["L0"] == pytest.approx(ols.intercept, rel=1e-9)
    assert data["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic, rel=1e-12)
    assert data["spearman_step_x"] == pytest.approx(
        stats.spearmanr(x, np.arange(500)).statistic, rel=1e-9)
    loglog = stats.linregress(np.log(x), np.log(y))
    assert data["loglog"]["slope"] == pytest.approx(loglog.slope, rel=1e-9)
    assert data["loglog"]["pearson_r"] == pytest.approx(loglog.rvalue, rel=1e-9)
    ceiling = np.array([(g[0] + g[2]) * 2.0 ** 13 for g in norms])
    assert data["ceiling_ratio"] == pytest.approx(np.median(np.array(y) / ceiling), rel=1e-9)
    assert data["x_range"] == pytest.approx([x.min(), x.max()], rel=1e-15)
    assert data["y_range"] == pytest.approx([min(y), max(y)], rel=1e-15)
    assert data["step_range"] == [0, 499]
    assert data["reason"] is None and data["warnings"] == []


def test_the_other_estimators_are_there(trajd, cloud):
    _, _, norms, y = cloud
    data = fits(trajd)
    x, y = np.array([simpson(g) for g in norms]), np.array(y)
    assert [(f["method"], f["tau"]) for f in data["fits"]] == [
        ("nnls_relative", None), ("ols", None), ("nnls", None), ("quantile", 0.5), ("quantile", 0.9),
        ("quantile", 0.95), ("quantile", 0.99), ("expectile", 0.9), ("envelope", None), ("envelope_robust", None)]

    def residuals(method, tau=None):
        fit = line(data, method, tau)
        return y - fit["L0"] - fit["L1"] * x
    for tau in (0.9, 0.99):
        r = residuals("quantile", tau)
        assert (r > 1e-12).sum() <= 500 * (1 - tau) + 2 and (r < -1e-12).sum() <= 500 * tau + 2
    r = residuals("expectile", 0.9)
    assert 0.9 * r[r > 0].sum() == pytest.approx(-0.1 * r[r < 0].sum(), rel=1e-9)
    assert (residuals("envelope") <= 1e-12).all()
    assert 0 < (residuals("envelope_robust") > 0).sum() <= 5
    assert data["loglog"]["theil_sen"] == pytest.approx(stats.theilslopes(np.log(y), np.log(x))[0], rel=1e-9)
    assert data["power"]["rho"] == 1 and len(data["power"]["scores"]) == 9
    assert data["power"]["scores"][4] == min(data["power"]["scores"])
    assert data["power"]["L1"] == line(data, "nnls_relative")["L1"]


def test_a_window_and_a_regressor_are_fitted_on_demand(trajd, cloud):
    _, _, norms, y = cloud
    data = fits(trajd, "?regressor=start&from=100&to=299")
    ols = stats.linregress([g[0] for g in norms[100:300]], [1.25 * value for value in y[100:300]])
    assert data["n"] == 200 and data["regressor"] == "start"
    assert line(data, "ols")["L1"] == pytest.approx(ols.slope, rel=1e-9)
    data = fits(trajd, "?from=100&to=110")
    assert data["reason"] == "too_few_pairs" and data["fits"] == [] and data["n"] == 11


def test_the_same_fit_comes_from_memory_and_on_demand(trajd, cloud):
    peer, *_ = cloud
    trajd.wait(lambda: trajd.metrics()["analysis_fits_total"] >= 1, "a fit")
    assert fits(trajd) == fits(trajd, "?from=0")
    assert peer.committed == 500


def test_doubtful_probes_are_left_out_by_reason(trajd, cloud):
    peer, *_ = cloud
    for step, flags in (500, TINY_STEP), (501, ROUNDING), (502, NONFINITE), (503, ROUNDING):
        probe(peer, step, (1.0, 1.0, 1.0), 1e9, flags=flags)
    probe(peer, 504, (1.0, 1.0, 1.0), 1e9, estimator=DIFFERENT)
    probe(peer, 505, (1.0, 1.0, 1.0), 1e9, group=2)  # a layer is no pair of the run
    peer.deliver()
    data = fits(trajd)
    assert data["n"] == 500 and data["n_excluded"] == 5
    assert data["excluded"] == {"tiny_step": 1, "rounding": 2, "nonfinite": 1, "not_measured": 0,
                                "burst": 0, "noise_limited": 0, "not_positive": 0,
                                "other_estimator": 1, "window_open": 0, "incomplete": 0,
                                "ranks_differ": 0, "gammas_differ": 0}
    assert data["y_range"][1] < 1e9
    other = fits(trajd, "?estimator=different")
    assert other["n"] == 1 and other["excluded"]["other_estimator"] == 504
    assert "different_data" in other["warnings"]


def test_a_law_of_time_is_not_sold_as_one_of_the_gradient(trajd):
    peer = Peer(trajd.ingest, "r")
    for step in range(100):
        g = 100.0 - step
        probe(peer, step, (g, g, g), 2 + 3 * g)
    peer.deliver()
    data = fits(trajd)
    assert data["spearman"] == 1 and data["spearman_step_x"] == -1
    assert "monotone_in_time" in data["warnings"]


def test_noise_that_hugs_the_ceiling_is_named(trajd):
    """theory.md A2: gradients of unrelated batches, steps of one length."""
    rng = np.random.default_rng(3)
    peer = Peer(trajd.ingest, "r")
    for step in range(200):
        g = float(rng.uniform(1, 10))
        probe(peer, step, (g, g, g), math.sqrt(2) * g * 2.0 ** 13)
    peer.deliver()
    data = fits(trajd)
    assert data["ceiling_ratio"] == pytest.approx(math.sqrt(2) / 2, rel=1e-9)
    assert "near_ceiling" in data["warnings"]


def test_a_run_without_probes_says_so(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=1, loss=wire.f64(1.0))
    peer.deliver()
    data = fits(trajd)
    assert data["reason"] == "no_probes" and data["n"] == 0 and data["fits"] == []
    reply = trajd.json(f"{RUN}/scatter")
    assert reply["data"]["step"] == [] and reply["excluded"] == 0


@pytest.mark.parametrize("path", ["fits?regressor=x", "fits?estimator=any", "fits?metric=loss",
                                  "scatter?x=end", "scatter?max=0", "scatter?max=200001",
                                  "scatter?y=smoothness", "scatter?from=2&to=1"])
def test_what_is_asked_wrongly_is_refused(trajd, cloud, path):
    status, _, body = trajd.get(f"{RUN}/{path}")
    assert status == 400, body
    assert trajd.get(f"/api/v1/runs/none/{path.split('?')[0]}")[0] == 404


@pytest.fixture
def long_run(trajd):
    """More pairs around 1 + 2 g than a fit of pairs takes, as arrays of g and y."""
    return send_law(trajd, "r", MANY, 8)


def test_fits_of_many_pairs_are_of_all_of_them(trajd, long_run):
    g, y = long_run
    for low, high in ((0, MANY - 1), (1777, MANY - 1234)):
        data = fits(trajd, f"?from={low}&to={high}&regressor=start")
        x, z = g[low:high + 1], y[low:high + 1]
        assert data["from_states"] is True and "thinned" not in data["warnings"]
        assert (data["n"], data["every"], data["step_range"]) == (len(x), 1, [low, high])
        slope, intercept = np.polyfit(x, z, 1)
        assert line(data, "ols")["L1"] == pytest.approx(slope, rel=1e-9)
        assert line(data, "ols")["L0"] == pytest.approx(intercept, rel=1e-9)
        relative = line(data, "nnls_relative")
        assert (relative["L0"], relative["L1"]) == pytest.approx((1.005, 2.01), rel=0.02)
        upper = line(data, "envelope")
        assert np.all(upper["L0"] + upper["L1"] * x >= z * (1 - 1e-12))
        assert np.min(upper["L0"] + upper["L1"] * x - z) < 1e-9
        logs = stats.linregress(np.log(x), np.log(z))
        assert data["loglog"]["slope"] == pytest.approx(logs.slope, rel=1e-9)
        assert data["loglog"]["theil_sen"] is None and data["spearman"] is None
        mid = line(data, "quantile", 0.5)
        assert mid["L0"] + mid["L1"] == pytest.approx(3, rel=0.03)
        assert data["interval_absent"] is None
        weights = 1 / (relative["L0"] + relative["L1"] * x)
        design = np.stack([np.ones_like(x), x], 1) * weights[:, None]
        best, squares, _, _ = np.linalg.lstsq(design, z * weights, rcond=None)
        assert data["interval"]["L1"]["estimate"] == pytest.approx(best[1], rel=2e-3)
        # Independent samples: the classic error of weighted least squares, up to its scatter in some thirty blocks.
        classic = math.sqrt(np.linalg.inv(design.T @ design)[1, 1] * squares[0] / (len(x) - 2))
        assert data["interval"]["L1"]["se"] == pytest.approx(classic, rel=0.6)
        assert data["interval"]["L1"]["low"] < best[1] < data["interval"]["L1"]["high"]


def test_fits_of_few_pairs_of_a_long_run_are_of_the_pairs(trajd, long_run):
    g, y = long_run
    data = fits(trajd, "?from=100&to=40000&regressor=start")
    assert data["from_states"] is False and "interval" not in data
    assert data["n"] == 39901 and data["every"] == 1
    assert data["spearman"] == pytest.approx(stats.spearmanr(g[100:40001], y[100:40001]).statistic, abs=1e-9)


def test_a_verdict_on_many_pairs_has_the_fit_of_all_of_them(trajd, long_run):
    g, y = long_run
    phases = trajd.json(f"{RUN}/verdict?regressor=start")["data"]["phases"]
    assert [phase["fit"]["from_states"] for phase in phases] == [True] * len(phases)
    assert sum(phase["fit"]["n"] for phase in phases) == MANY
    first = phases[0]["fit"]
    slope, _ = np.polyfit(g[:first["n"]], y[:first["n"]], 1)
    assert line(first, "ols")["L1"] == pytest.approx(slope, rel=1e-9)
    assert first["every"] == 2 and first["spearman"] is not None and first["ceiling_ratio"] == pytest.approx(1 / 9)
    assert "thinned" not in first["warnings"]
    assert phases[0]["interval"] == first["interval"] and phases[0]["n_eff"] == pytest.approx(first["n"], rel=0.7)
