"""GET /compare of runs with more pairs than a fit of pairs takes, against numpy on all of them."""
import numpy as np
import pytest

from law import MANY, send_law


def compared(trajd, *names, query=""):
    return trajd.json(f"/api/v1/compare?runs={','.join(names)}{query}")["data"]


def relative(x, y):
    """Three rounds of least squares, weighted by the fit of the one before; all coefficients here are positive."""
    design, weights = np.stack([np.ones_like(x), x], 1), np.ones_like(x)
    for _ in range(3):
        best = np.linalg.lstsq(design * weights[:, None], y * weights, rcond=None)[0]
        weights = 1 / (design @ best)
    return best, weights


def weighted(x, y, weights):
    """The line with these weights, and the classic error of its slope: right for independent pairs."""
    design = np.stack([np.ones_like(x), x], 1) * weights[:, None]
    best, squares, _, _ = np.linalg.lstsq(design, y * weights, rcond=None)
    return best, np.sqrt(np.linalg.inv(design.T @ design)[1, 1] * squares[0] / (len(x) - 2))


def test_a_long_run_is_compared_with_all_of_its_pairs(trajd):
    g, y = send_law(trajd, "long", MANY, 8)
    h, z = send_law(trajd, "short", 3000, 9)
    said = compared(trajd, "long", "short")
    assert [run["fit"]["from_states"] for run in said["runs"]] == [True, False]
    assert [run["fit"]["every"] for run in said["runs"]] == [1, 1]
    assert [run["fit"]["n"] for run in said["runs"]] == [MANY, 3000] and said["pooled"]["n"] == MANY + 3000
    assert said["pooled"]["from_states"] is True
    x, both = np.concatenate([g, h]), np.concatenate([y, z])
    law, weights = relative(x, both)
    assert (said["pooled"]["L0"], said["pooled"]["L1"]) == pytest.approx(tuple(law), rel=2e-3)
    best, error = weighted(x, both, weights)
    pooled = said["pooled"]["interval"]["L1"]
    assert pooled["estimate"] == pytest.approx(best[1], rel=2e-3)
    assert pooled["se"] == pytest.approx(error, rel=0.6) and pooled["low"] < best[1] < pooled["high"]
    for run, (a, b) in zip(said["runs"], ((g, y), (h, z))):
        assert run["interval"]["L1"]["estimate"] == pytest.approx(weighted(a, b, relative(a, b)[1])[0][1], rel=2e-3)
    assert said["equal_L1"]["dof"] == 1 and said["equal_L1"]["p"] > 0.01
    alone = trajd.json(f"/api/v1/runs/long/fits?to={MANY}")["data"]
    assert said["runs"][0]["fit"] == alone and said["runs"][0]["interval"] == alone["interval"]


def test_a_long_run_of_another_law_is_told_apart(trajd):
    send_law(trajd, "one", MANY, 8)
    send_law(trajd, "steep", MANY, 9, L1=2.1)
    said = compared(trajd, "steep", "one")
    assert said["equal_L1"]["p"] < 1e-6 and said["pooled"]["n"] == 2 * MANY
    L1 = [run["interval"]["L1"] for run in said["runs"]]
    weights = [1 / i["se"] ** 2 for i in L1]
    mean = sum(w * i["estimate"] for w, i in zip(weights, L1)) / sum(weights)
    assert said["equal_L1"]["q"] == pytest.approx(
        sum(w * (i["estimate"] - mean) ** 2 for w, i in zip(weights, L1)), rel=1e-9)


def test_a_window_of_few_pairs_and_windows_of_another_size_are_of_pairs(trajd):
    send_law(trajd, "one", MANY, 8)
    few = compared(trajd, "one", query="&from=100&to=40000")
    assert few["pooled"]["from_states"] is False and few["pooled"]["n"] == 39901
    thinned = compared(trajd, "one", query="&window=3")
    assert thinned["pooled"]["from_states"] is False and thinned["runs"][0]["fit"]["every"] == 2
    assert thinned["pooled"]["n"] == MANY / 2
