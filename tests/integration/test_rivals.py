"""What GET /fits says beside the lines: the frontier of all valid pairs, and laws of the loss as rivals of the gradient
norm, against numpy and scipy on the same records."""
import subprocess

import numpy as np
import pytest
from scipy.optimize import nnls

import wire
from law import MANY, SAME_BATCH, send_law
from peer import Peer
from trajd import BUILD

N = 700
LAWS = {"constant": ("L0",), "gradient": ("L0", "L1"), "gap": ("L0", "H1"), "both": ("L0", "L1", "H1")}


def fits(trajd, query=""):
    return trajd.json(f"/api/v1/runs/r/fits{query}")["data"]


def relative(columns, y):
    """Least squares of the relative error with coefficients >= 0, as theory has it: three rounds."""
    w = np.ones(len(y))
    for _ in range(3):
        found = nnls(columns * np.sqrt(w)[:, None], y * np.sqrt(w))[0]
        yhat_sq = (columns @ found) ** 2
        w = 1 / np.maximum(yhat_sq, 1e-3 * np.sort(yhat_sq)[(len(y) - 1) // 2])
    return found


def score(columns, y):
    """Each of five blocks of consecutive pairs predicted by a fit to the others."""
    total = 0
    for fold in range(5):
        block = np.zeros(len(y), dtype=bool)
        block[len(y) * fold // 5:len(y) * (fold + 1) // 5] = True
        errors = np.log(y[block]) - np.log(columns[block] @ relative(columns[~block], y[~block]))
        total += np.sum(errors ** 2)
    return np.sqrt(total / len(y))


def send(trajd, truth, ends=False):
    """x falls over two decades, f wanders; y follows one of the laws. With `ends` also what a step's end has, where x
    is 0.8 of it and f lower by 0.2."""
    rng = np.random.default_rng(5)
    g = 10 ** (1 - 2 * np.arange(N) / N + rng.normal(0, 0.3, N))
    f = 3 + np.cumsum(rng.normal(0, 0.1, N)) ** 2
    x, loss = (g * 0.9, f - 0.1) if ends else (g, f)
    mean = {"constant": 2 + 0 * x, "gradient": 0.5 + 2 * x, "gap": 0.5 + 3 * (loss - loss.min()),
            "both": 0.5 + 2 * x + 3 * (loss - loss.min())}[truth]
    y = mean * np.exp(rng.normal(0, 0.1, N))
    peer = Peer(trajd.ingest, "r")
    for k in range(N):
        more = {"grad_end_sq": wire.f64((0.8 * g[k]) ** 2), "delta_sq": wire.f64(0.25), "loss_end": wire.f64(f[k] - 0.2),
                "dgrad_sq": wire.f64((y[k] / 2) ** 2)} if ends else {}
        peer.record(wire.PROBE, step=k, estimator=SAME_BATCH, flags=0, smoothness=wire.f64(y[k]),
                    smoothness_gamma=wire.f64(1.0), grad_sq=wire.f64(g[k] ** 2), loss=wire.f64(f[k]), **more)
    peer.deliver(frame=250)
    return x, y, loss


def assert_rivals(said, x, y, loss):
    assert said["f_star"] == pytest.approx(loss.min(), rel=1e-12)
    assert (said["n"], said["n_excluded"]) == (len(x), 0)
    term = {"L0": np.ones(len(x)), "L1": x, "H1": loss - loss.min()}
    scores = {}
    for name, terms in LAWS.items():
        columns = np.column_stack([term[each] for each in terms])
        scores[name] = score(columns, y)
        assert said[name]["score"] == pytest.approx(scores[name], rel=1e-6)
        found = dict(zip(terms, relative(columns, y)))
        assert [said[name][each] for each in ("L0", "L1", "H1")] == pytest.approx(
            [found.get(each, 0) for each in ("L0", "L1", "H1")], rel=1e-6, abs=1e-9)
    assert said["best"] == min(scores, key=scores.get)
    assert said["score_ratio"] == pytest.approx(min(scores["constant"], scores["gap"]) / scores["gradient"], rel=1e-6)


@pytest.mark.parametrize("truth", LAWS)
def test_rivals_predict_as_scipys_do(trajd, truth):
    x, y, loss = send(trajd, truth)
    said = fits(trajd)
    assert said["regressor"] == "start" and said["rivals_absent"] is None
    assert_rivals(said["rivals"], x, y, loss)
    assert said["rivals"][truth]["score"] < 1.01 * said["rivals"][said["rivals"]["best"]]["score"]
    assert truth != "gradient" or said["rivals"]["score_ratio"] > 2
    assert truth != "gap" or said["rivals"]["score_ratio"] < 0.5
    shown = subprocess.run([BUILD / "traj", "show", "--url", f"http://{trajd.http}", "r"], capture_output=True, text=True,
                           timeout=60, check=True).stdout
    best = said["rivals"]["best"]
    assert f"  rivals           {best} predicts best: constant {said['rivals']['constant']['score']:.3g}, gradient " in shown


def test_the_loss_of_a_mean_over_the_step_is_the_mean_of_its_ends(trajd):
    x, y, loss = send(trajd, "gap", ends=True)
    said = fits(trajd)
    assert said["regressor"] == "trapezoid"
    assert_rivals(said["rivals"], x, y, loss)
    start = fits(trajd, "?regressor=start")["rivals"]
    assert start["f_star"] == pytest.approx(loss.min() + 0.1, rel=1e-12)


def test_without_losses_there_are_no_rivals(trajd):
    send_law(trajd, "r", 100, 3)
    said = fits(trajd)
    assert said["rivals"] is None and said["rivals_absent"] == "few_losses"
    few = fits(trajd, "?to=28")
    assert few["rivals_absent"] == "too_few_pairs" and few["frontier"] is None
    assert fits(trajd, "?to=29")["frontier"] is not None


def assert_frontier(vertices, x, y, tolerance):
    """The least valid L0 for every L1, at its vertices and between them."""
    L0, L1 = np.array(vertices).T
    assert L1[0] == 0 and L0[0] == y.max() and (np.diff(L1) > 0).all() and (np.diff(L0) < 0).all()
    between = np.r_[L1, (L1[1:] + L1[:-1]) / 2, 2 * L1[-1]]
    least = np.maximum(0, (y[:, None] - between * x[:, None]).max(axis=0))
    assert np.interp(between, L1, L0) == pytest.approx(least, rel=tolerance, abs=1e-12 * y.max())


def test_the_frontier_is_the_least_valid_L0_for_each_L1(trajd):
    x, y, _ = send(trajd, "gradient")
    said = fits(trajd)
    assert len(said["frontier"]) > 4
    assert_frontier(said["frontier"], x, y, 1e-9)


def test_the_frontier_of_many_pairs_is_of_all_of_them_and_rivals_are_those_that_are_remembered(trajd):
    x, y = send_law(trajd, "r", MANY, 8, more=lambda step: {"loss": wire.f64(1 + step % 7)})
    said = fits(trajd, f"?to={MANY}")
    assert said["from_states"] and len(said["frontier"]) > 4
    assert_frontier(said["frontier"], x, y, 1e-9)
    assert said["rivals"] is None and said["rivals_absent"] == "from_states"
    trajd.wait(lambda: fits(trajd)["rivals"], "the fit that the analysis remembers")
    remembered = fits(trajd)
    assert remembered["from_states"] and remembered["every"] == 2 and remembered["rivals"]["n"] == MANY / 2
    assert remembered["rivals"]["best"] in ("gradient", "both") and remembered["frontier"] == said["frontier"]
