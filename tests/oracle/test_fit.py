"""The fits of `traj fit` against numpy, scipy and statsmodels."""
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import linprog, nnls
from scipy.stats import linregress, spearmanr

import data
from fit_cli import fit, line

CASES = [(kind, seed) for kind in data.KINDS for seed in range(4)]
TAUS = (0.05, 0.5, 0.9, 0.95)


def scaled(x, y):
    """The references work near 1; a power of two rounds nothing."""
    sx, sy = 2.0 ** np.round(-np.log2([x.max(), y.max()]))
    return x * sx, y * sy, sx, sy


def assert_line(mine, reference, x, y, tolerance=1e-9):
    """Both coefficients, by what an error in them does to a prediction."""
    top = np.array([np.abs(y).max(), np.abs(y).max() / np.abs(x).max()])
    sizes = np.abs(np.array(reference)) + 1e-3 * top
    assert (np.abs(np.array(mine) - reference) <= tolerance * sizes).all(), (mine, reference)


def design(x):
    return np.c_[np.ones(len(x)), x]


def pinball(x, y, tau, L0, L1):
    r = y - L0 - L1 * x
    return np.sum(r * np.where(r < 0, tau - 1, tau))


TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def linprog_pinball(x, y, tau):
    """The least pinball sum with L0, L1 >= 0, by linear programming."""
    n = len(x)
    answer = linprog(np.r_[0, 0, np.full(n, tau), np.full(n, 1 - tau)],
                     A_eq=np.c_[design(x), np.eye(n), -np.eye(n)], b_eq=y, method="highs", options=TIGHT)
    assert answer.success
    return answer.fun


def vertex_pinball(x, y, tau):
    """The same without a solver's tolerance: the optimum of a linear program is
    at a vertex, so try all lines through two points, or one and a bound."""
    with np.errstate(all="ignore"):
        i, j = np.triu_indices(len(x), 1)
        slope = (y[j] - y[i]) / (x[j] - x[i])
        a = np.r_[y[i] - slope * x[i], 0 * x, y, 0]
        b = np.r_[slope, y / x, 0 * x, 0]
        good = np.isfinite(a) & np.isfinite(b) & (a >= 0) & (b >= 0)
    return min(pinball(x, y, tau, p, q) for p, q in zip(a[good], b[good]))


@pytest.mark.parametrize("kind,seed", CASES)
def test_ols_is_numpy_lstsq(kind, seed):
    x, y = data.pairs(kind, seed)
    mine = line(fit(x, y), "ols")
    u, v, sx, sy = scaled(x, y)
    reference = np.linalg.lstsq(design(u), v, rcond=None)[0]
    assert_line((mine[0] * sy, mine[1] * sy / sx), reference, u, v)


@pytest.mark.parametrize("kind,seed", CASES)
def test_nnls_is_scipy_nnls(kind, seed):
    x, y = data.pairs(kind, seed)
    mine = line(fit(x, y), "nnls")
    u, v, sx, sy = scaled(x, y)
    reference = nnls(design(u), v)[0]
    assert min(mine) >= 0
    assert_line((mine[0] * sy, mine[1] * sy / sx), reference, u, v)


def relative(x, y):
    """Written from fit.h alone: three NNLS fits, weights 1/yhat^2, floored."""
    w = np.ones(len(x))
    for _ in range(3):
        root = np.sqrt(w)
        a, b = nnls(design(x) * root[:, None], y * root)[0]
        yhat_sq = (a + b * x) ** 2
        w = 1 / np.maximum(yhat_sq, 1e-3 * np.sort(yhat_sq)[(len(x) - 1) // 2])
    return a, b


@pytest.mark.parametrize("kind,seed", CASES)
def test_relative_nnls_is_its_definition(kind, seed):
    x, y = data.pairs(kind, seed)
    mine = line(fit(x, y), "nnls_relative")
    u, v, sx, sy = scaled(x, y)
    assert_line((mine[0] * sy, mine[1] * sy / sx), relative(u, v), u, v, 1e-8)


@pytest.mark.parametrize("kind,seed", CASES)
def test_quantiles_reach_the_least_pinball_sum(kind, seed):
    x, y = data.pairs(kind, seed)
    answer = fit(x, y, *[f"--tau={tau}" for tau in TAUS])
    u, v, sx, sy = scaled(x, y)
    for tau in TAUS:
        L0, L1 = line(answer, "quantile", tau)
        assert L0 >= 0 and L1 >= 0
        mine = pinball(u, v, tau, L0 * sy, L1 * sy / sx)
        rounding = 1e-13 * np.sum(np.abs(v))
        assert mine == pytest.approx(vertex_pinball(u, v, tau), rel=1e-9, abs=rounding)
        assert mine == pytest.approx(linprog_pinball(u, v, tau), rel=1e-9, abs=1e-9 * len(v))


@pytest.mark.parametrize("seed", range(5))
def test_quantiles_are_statsmodels_where_no_bound_is_active(seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 5, 200)
    y = 2 + 0.7 * x + rng.uniform(0, 1, 200)
    answer = fit(x, y)
    for tau in (0.5, 0.95):
        theirs = sm.QuantReg(y, design(x)).fit(q=tau, max_iter=10000, p_tol=1e-12).params
        mine = line(answer, "quantile", tau)
        assert pinball(x, y, tau, *mine) <= pinball(x, y, tau, *theirs) * (1 + 1e-12)
        assert mine == pytest.approx(tuple(theirs), rel=1e-2)


def assert_envelope(x, y):
    """Above every sample in double arithmetic, and as low as linprog's."""
    L0, L1 = line(fit(x, y), "envelope")
    assert L0 >= 0 and L1 >= 0
    assert (L0 + L1 * x >= y).all()
    u, v, sx, sy = scaled(x, y)
    answer = linprog([len(u), u.sum()], A_ub=-design(u), b_ub=-v, method="highs", options=TIGHT)
    assert answer.success
    mine = len(u) * L0 * sy + L1 * sy / sx * u.sum()
    assert mine == pytest.approx(answer.fun, rel=1e-7)


@pytest.mark.parametrize("kind,seed", CASES)
def test_envelope_is_the_optimum_of_linprog(kind, seed):
    assert_envelope(*data.pairs(kind, seed))


def test_envelope_is_the_optimum_of_linprog_on_300_random_sets():
    rng = np.random.default_rng(300)
    for _ in range(300):
        n = int(rng.integers(2, 40))
        x = np.exp(rng.normal(0, rng.uniform(0.1, 2), n))
        y = np.exp(rng.normal(0, 1, n)) * x ** rng.uniform(-1, 2)
        assert_envelope(x, y)


@pytest.mark.parametrize("kind,seed", CASES)
def test_spearman_and_loglog_are_scipy(kind, seed):
    x, y = data.pairs(kind, seed)
    answer = fit(x, y)
    positive = (x > 0) & (y > 0)
    if positive.sum() < 3:
        assert answer["loglog"] is None and answer["spearman"] is None
        return
    theirs = linregress(np.log(x[positive]), np.log(y[positive]))
    mine = answer["loglog"]
    assert mine["n"] == positive.sum()
    assert mine["slope"] == pytest.approx(theirs.slope, rel=1e-9, abs=1e-12)
    assert mine["intercept"] == pytest.approx(theirs.intercept, rel=1e-9, abs=1e-10)
    assert mine["pearson_r"] == pytest.approx(theirs.rvalue, abs=1e-10)
    assert answer["spearman"] == pytest.approx(spearmanr(x, y)[0], abs=1e-12)


@pytest.mark.parametrize("kind", data.KINDS)
def test_order_of_the_rows_does_not_matter(kind):
    x, y = data.pairs(kind, 9)
    order = np.random.default_rng(1).permutation(len(x))
    straight, shuffled = fit(x, y), fit(x[order], y[order])
    for one, other in zip(straight["fits"], shuffled["fits"]):
        if one["method"] != "quantile":  # its minimiser need not be unique
            assert_line((other["L0"], other["L1"]), (one["L0"], one["L1"]), x, y)
    assert shuffled["spearman"] == pytest.approx(straight["spearman"] or 0, abs=1e-12) or len(x) < 3


@pytest.mark.parametrize("kind", data.KINDS)
def test_doubling_every_row_changes_no_fit(kind):
    x, y = data.pairs(kind, 5)
    once, twice = fit(x, y), fit(np.tile(x, 2), np.tile(y, 2))
    for method in ("ols", "nnls", "envelope"):
        assert_line(line(twice, method), line(once, method), x, y)


@pytest.mark.parametrize("kind", ("plain", "heavy", "falling"))
def test_units_of_x_and_y_scale_the_fits_exactly(kind):
    """loss * c multiplies L0 by c and leaves L1; powers of two round nothing."""
    x, y = data.pairs(kind, 3)
    before, after = fit(x, y), fit(x * 8, y * 8)
    for one, other in zip(before["fits"], after["fits"]):
        assert other["L0"] == one["L0"] * 8 and other["L1"] == one["L1"], one["method"]


def test_a_line_comes_back_from_points_on_it():
    x = np.arange(1.0, 40.0)
    answer = fit(x, 2 + 0.7 * x)
    for f in answer["fits"]:
        assert (f["L0"], f["L1"]) == pytest.approx((2, 0.7), rel=1e-12), f["method"]


def test_equal_x_determine_nothing():
    answer = fit([2.0] * 40, np.arange(40.0))
    assert answer["fits"] == [] and answer["loglog"] is None and answer["spearman"] is None
