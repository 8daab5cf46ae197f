"""Intervals, dependence and tests of libtraj against scipy, statsmodels and
formulas written down here a second time."""
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import nnls
from scipy.signal import lfilter
from scipy.stats import chi2, rankdata, spearmanr, t

import data
import libtraj

DOFS = (1, 1.5, 2, 3, 7, 18, 30, 61, 254, 1000, 1e4, 1e5, 1e6)


def samples(seed, n=4000, block=100):
    """Correlated within blocks, with errors that grow with x."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.normal(size=n // block), block)
    x = np.exp(rng.normal(0, 0.5, n) + 0.2 * shared)
    return x, (2 + 0.7 * x) * (1 + 0.2 * rng.uniform(-1, 1, n) + 0.1 * np.tanh(shared))


def design(x):
    return np.c_[np.ones(len(x)), x]


# ---- Student's t ----------------------------------------------------------------------


def quantile(p, dof):
    """scipy's ppf, which is good to 1e-8 or so near 1/2, after two Newton steps with
    its sf and pdf."""
    tail = min(p, 1 - p)
    x = t.isf(tail, dof)
    for _ in range(2):
        x += (t.sf(x, dof) - tail) / t.pdf(x, dof)
    return -x if p < 0.5 else x


@pytest.mark.parametrize("dof", DOFS)
def test_student_quantiles_are_scipy(dof):
    for p in (0.501, 0.51, 0.6, 0.74, 0.75, 0.76, 0.9, 0.975, 0.995, 1 - 1e-6, 1 - 1e-9, 1 - 1e-12,
              0.3, 0.025, 1e-12, 1e-100):
        assert libtraj.student_quantile(p, dof) == pytest.approx(quantile(p, dof), rel=1e-10), p


@pytest.mark.parametrize("dof", DOFS)
def test_student_tails_are_scipy(dof):
    for x in (-3, -0.1, 0, 1e-8, 0.1, 0.5, 1, 1.7, 1.74, 2, 5, 12, 30):
        theirs = t.sf(x, dof)
        assert libtraj.student_tail(x, dof) == pytest.approx(theirs, rel=1e-10, abs=1e-300), x


def test_student_beyond_its_arguments():
    inf = float("inf")
    assert (libtraj.student_tail(inf, 30), libtraj.student_tail(-inf, 30)) == (0, 1)
    for nothing in (libtraj.student_tail(1, inf), libtraj.student_quantile(.975, inf),
                    libtraj.student_quantile(.975, .5), libtraj.student_tail(float("nan"), 3)):
        assert np.isnan(nothing)


# ---- intervals ------------------------------------------------------------------------


def clusters(n, block):
    return np.minimum(np.arange(n) // block, n // block - 1)


def cluster_covariance(x, y, w, m, groups):
    """statsmodels takes the factor m/(m-1) (n-1)/(n-2), we m/(m-2)."""
    n = len(x)
    fit = sm.WLS(y, design(x), weights=w).fit(cov_type="cluster", cov_kwds={"groups": groups})
    factor = m / (m - 2) / (m / (m - 1) * (n - 1) / (n - 2))
    return fit.params, fit.cov_params() * factor


def assert_intervals(u, params, cov, x_mean, level):
    wide = t.ppf(0.5 + level / 2, u.blocks - 2)
    rows = {"L0": (1, 0), "L1": (0, 1), "centroid": (1, x_mean)}
    for name, row in rows.items():
        mine, se = getattr(u, name), np.sqrt(np.array(row) @ cov @ row)
        assert mine.estimate == pytest.approx(np.dot(row, params), rel=1e-9)
        assert mine.se == pytest.approx(se, rel=1e-7)
        assert mine.low == pytest.approx(mine.estimate - wide * se, rel=1e-7)
        assert mine.high == pytest.approx(mine.estimate + wide * se, rel=1e-7)
    assert u.corr == pytest.approx(cov[0, 1] / np.sqrt(cov[0, 0] * cov[1, 1]), rel=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_cluster_intervals_of_ols_are_statsmodels(seed):
    x, y = samples(seed)
    u = libtraj.uncertainty(libtraj.OLS, x, y, block=100, tau_int=20, level=0.9)
    assert (u.absent, u.blocks, u.block, u.dof) == (libtraj.PRESENT, 40, 100, 38)
    params, cov = cluster_covariance(x, y, np.ones(len(x)), 40, clusters(len(x), 100))
    assert_intervals(u, params, cov, x.mean(), 0.9)
    assert u.x_mean == pytest.approx(x.mean(), rel=1e-14)
    assert u.corr_design == pytest.approx(-x.mean() / np.sqrt(np.mean(x * x)), rel=1e-12)
    assert u.n_eff == len(x) / 20


def relative_weights(x, y):
    """Of the last of three rounds, written from traj.h."""
    w = np.ones(len(x))
    for last in (False, False, True):
        root = np.sqrt(w)
        a, b = nnls(design(x) * root[:, None], y * root)[0]
        if last:
            return w, a, b
        yhat_sq = (a + b * x) ** 2
        w = 1 / np.maximum(yhat_sq, 1e-3 * np.sort(yhat_sq)[(len(x) - 1) // 2])


@pytest.mark.parametrize("seed", range(4))
def test_relative_intervals_are_statsmodels_with_its_weights(seed):
    x, y = samples(seed + 10)
    u = libtraj.uncertainty(libtraj.RELATIVE, x, y, block=100, tau_int=20)
    w, a, b = relative_weights(x, y)
    params, cov = cluster_covariance(x, y, w, 40, clusters(len(x), 100))
    assert (u.boot_L0.estimate, u.boot_L1.estimate) == pytest.approx((a, b), rel=1e-9)
    assert_intervals(u, params, cov, w @ x / w.sum(), 0.95)


def splitmix(seed, n):
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return [int(v) for v in z ^ (z >> np.uint64(31))]


def below(seed, n, most):
    return np.array([v * most >> 64 for v in splitmix(seed, n)])


@pytest.mark.parametrize("method", (libtraj.OLS, libtraj.NNLS, libtraj.RELATIVE))
def test_bootstrap_is_its_definition(method):
    """The same draws by the same generator, refitted by numpy and scipy."""
    x, y = samples(21)
    u = libtraj.uncertainty(method, x, y, block=100, tau_int=20, draws=50, seed=7, level=0.8)
    w = relative_weights(x, y)[0] if method == libtraj.RELATIVE else np.ones(len(x))
    lines = []
    for rows in below(7, 50 * 40, 40).reshape(50, 40):
        counts = np.bincount(rows, minlength=40)[clusters(len(x), 100)]
        root = np.sqrt(w * counts)
        solve = np.linalg.lstsq if method == libtraj.OLS else nnls
        extra = {"rcond": None} if method == libtraj.OLS else {}
        lines.append(solve(design(x) * root[:, None], y * root, **extra)[0])
    L0, L1 = np.transpose(lines)
    for mine, draws in ((u.boot_L0, L0), (u.boot_L1, L1),
                        (u.boot_centroid, L0 + L1 * (w @ x / w.sum()))):
        assert (mine.low, mine.high) == pytest.approx(np.quantile(draws, (0.1, 0.9)), rel=1e-9)
        assert mine.se == pytest.approx(draws.std(ddof=1), rel=1e-8)
    assert u.draws == 50
    assert u.boot_corr == pytest.approx(np.corrcoef(L0, L1)[0, 1], rel=1e-8)


def test_doubling_every_sample_does_not_narrow_the_interval():
    """As long as blocks are doubled, too (theory.md, section 6)."""
    x, y = samples(3)
    once = libtraj.uncertainty(libtraj.OLS, x, y, block=100, tau_int=20)
    twice = libtraj.uncertainty(libtraj.OLS, np.repeat(x, 2), np.repeat(y, 2), block=200,
                                tau_int=40)
    for name in ("L0", "L1", "centroid"):
        assert getattr(twice, name).se == pytest.approx(getattr(once, name).se, rel=1e-10)


def test_what_is_no_sample_changes_nothing_and_is_counted():
    x, y = samples(4)
    plain = libtraj.uncertainty(libtraj.OLS, x, y, block=100, tau_int=20)
    odd_x = np.insert(x, [5, 9, 12], [np.nan, 1, 1e200])
    odd_y = np.insert(y, [5, 9, 12], [1, np.inf, 1])
    odd = libtraj.uncertainty(libtraj.OLS, odd_x, odd_y, block=100, tau_int=20)
    assert (odd.n, odd.n_excluded) == (len(x), 3)
    assert odd.L1.se == plain.L1.se and odd.boot_L1.low == plain.boot_L1.low


@pytest.mark.parametrize("why,n,options,absent", (
    ("short", 1900, {"block": 100}, libtraj.FEW_BLOCKS),
    ("memory", 4000, {"block": 40}, libtraj.SHORT_BLOCKS),
    ("trend", 4000, {}, libtraj.LONG_MEMORY),
    ("few", 29, {}, 2),
    ("equal", 4000, {}, libtraj.UNDETERMINED),
))
def test_without_enough_there_is_a_reason_and_no_number(why, n, options, absent):
    rng = np.random.default_rng(1)
    x = np.ones(n) if why == "equal" else rng.random(n)
    y = x + lfilter([1], [1, -0.95], rng.normal(size=n))
    if why == "short":
        y = x + rng.random(n)
    if why == "trend":
        y = x + np.arange(n)
    u = libtraj.uncertainty(libtraj.OLS, x, y, **options)
    assert (u.absent, u.boot_absent, u.draws) == (absent, absent, 0)
    assert all(np.isnan(v) for v in (u.L0.low, u.L1.se, u.centroid.estimate, u.boot_L1.high,
                                     u.corr, u.dof))


def test_blocks_are_chosen_by_memory_and_number():
    rng = np.random.default_rng(2)
    x, e = rng.random(20000), rng.normal(size=20000)

    def cut(n, phi):
        u = libtraj.uncertainty(libtraj.OLS, x[:n], x[:n] + lfilter([1], [1, -phi], e[:n]),
                                draws=libtraj.NO_DRAWS)
        assert u.boot_absent == libtraj.NOT_ASKED
        return u.block, u.blocks
    assert cut(8192, 0) == (256, 32)
    assert cut(20000, 0) == (256, 78)
    assert cut(6000, 0) == (128, 47)
    assert cut(2048, 0) == (64, 32)
    assert cut(700, 0) == (32, 22)
    assert cut(20000, 0.99) == (512, 39)  # tau_int 199


@pytest.mark.parametrize("call", (
    lambda x: libtraj.uncertainty(libtraj.QUANTILE, x, x),
    lambda x: libtraj.uncertainty(9, x, x),
    lambda x: libtraj.uncertainty(libtraj.OLS, x, x, level=1),
    lambda x: libtraj.uncertainty(libtraj.OLS, x, x, level=float("nan")),
    lambda x: libtraj.uncertainty(libtraj.OLS, x, x, tau_int=-1),
    lambda x: libtraj.uncertainty(libtraj.OLS, x, x, draws=1),
    lambda x: libtraj.tests(x, x, shifts=100001),
    lambda x: libtraj.leverage(libtraj.QUANTILE, x, x),
    lambda x: libtraj.dependence(x * np.inf),
    lambda x: libtraj.State(x, x).line(libtraj.QUANTILE, 1.0),
    lambda x: libtraj.State.decode(b"TFS2"),
    lambda x: libtraj.blocks_uncertainty(libtraj.OLS, [libtraj.State(x, x)]),
    lambda x: libtraj.blocks_uncertainty(libtraj.RELATIVE, [libtraj.State(x, x)], tau_int=1),
))
def test_wrong_arguments_are_refused_with_a_text(call):
    with pytest.raises(ValueError, match="."):
        call(np.arange(1.0, 50))


# ---- dependence -----------------------------------------------------------------------


def tau_int(e):
    e = e - e.mean()
    tau, w = 1.0, 0
    while True:
        w += 1
        tau += 2 * (e[:-w] @ e[w:]) / (e @ e)
        if w >= 5 * tau:
            return max(tau, 1), w


@pytest.mark.parametrize("phi", (-0.5, 0, 0.3, 0.8, 0.95, 0.98))
def test_tau_is_its_definition(phi):
    e = lfilter([1], [1, -phi], np.random.default_rng(5).normal(size=30000)) + 7
    found = libtraj.dependence(e)
    tau, window = tau_int(e)
    assert found.window == window
    assert found.tau_int == pytest.approx(tau, rel=1e-10)
    assert found.n_eff == pytest.approx(len(e) / tau, rel=1e-10)
    assert found.block == max(32, 2 ** int(np.ceil(np.log2(2.5 * tau))))


@pytest.mark.parametrize("seed", range(3))
def test_the_memory_of_a_fit_is_that_of_its_weighted_residuals(seed):
    rng = np.random.default_rng(seed)
    x = np.exp(lfilter([1], [1, -0.9], rng.normal(size=5000)) / 2)
    y = (2 + 0.7 * x) * (1 + 0.1 * lfilter([1], [1, -0.8], rng.uniform(-1, 1, 5000)))
    w, a, b = relative_weights(x, y)
    for method, e in ((libtraj.RELATIVE, np.sqrt(w) * (y - a - b * x)),
                      (libtraj.NNLS, y - design(x) @ nnls(design(x), y)[0])):
        u = libtraj.uncertainty(method, x, y, draws=libtraj.NO_DRAWS)
        assert u.tau_int == pytest.approx(tau_int(e)[0], rel=1e-7)
        assert u.n_eff == pytest.approx(5000 / u.tau_int, rel=1e-14)


# ---- tests ----------------------------------------------------------------------------


def residual_ranks(v, covariates):
    basis = np.c_[np.ones(len(v)), *[rankdata(c) for c in covariates]]
    ranks = rankdata(v)
    return ranks - basis @ np.linalg.lstsq(basis, ranks, rcond=None)[0]


def shift_test(u, v, seed, shifts):
    u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
    drawn = [u @ np.roll(v, -(1 + s)) for s in below(seed, shifts, len(u) - 1)]
    return (u @ v, (1 + sum(abs(r) >= abs(u @ v) for r in drawn)) / (1 + shifts),
            (1 + sum(r >= u @ v for r in drawn)) / (1 + shifts))


def assert_rank(mine, u, v, seed, shifts):
    rho, p, p_greater = shift_test(u, v, seed, shifts)
    assert mine.rho == pytest.approx(rho, abs=1e-12)
    assert (mine.p, mine.p_greater) == (p, p_greater)


@pytest.mark.parametrize("seed", range(3))
def test_rank_tests_are_their_definition(seed):
    rng = np.random.default_rng(seed)
    n = 500
    step = np.arange(n)
    lr = np.r_[np.linspace(0, 1, 50), np.full(200, 1.0), np.full(250, 0.1)]
    x = lfilter([1], [1, -0.8], rng.normal(size=n)) + step / 200 + lr
    y = np.round(lfilter([1], [1, -0.8], rng.normal(size=n)) + step / 200 + 0.3 * x, 1)
    found = libtraj.tests(x, y, step, lr, shifts=199, seed=seed)
    assert_rank(found.spearman, residual_ranks(x, []), residual_ranks(y, []), seed, 199)
    assert found.spearman.rho == pytest.approx(spearmanr(x, y)[0], abs=1e-12)
    assert_rank(found.partial, residual_ranks(x, [step, lr]), residual_ranks(y, [step, lr]),
                seed, 199)
    assert found.partial.covariates == 2
    assert_rank(found.differences, residual_ranks(np.diff(x), []), residual_ranks(np.diff(y), []),
                seed, 199)


def test_partial_without_covariates_is_not_asked_and_with_time_alone_not_separable():
    rng = np.random.default_rng(3)
    x, y = np.exp(-np.arange(400) / 50), rng.random(400)
    assert libtraj.tests(x, y).partial.absent == libtraj.NOT_ASKED
    partial = libtraj.tests(x, y, np.arange(400)).partial
    assert partial.absent == libtraj.NOT_SEPARABLE and np.isnan(partial.rho)


def test_slope_and_boundary_tests_are_their_definition():
    x, y = samples(31)
    y = 10 + 0.01 * x + np.random.default_rng(1).normal(size=len(x))
    found = libtraj.tests(x, y, tau_int=2, block=100)
    params, cov = cluster_covariance(x, y, np.ones(len(x)), 40, clusters(len(x), 100))
    slope_t = params[1] / np.sqrt(cov[1, 1])
    assert found.slope_t == pytest.approx(slope_t, rel=1e-6)
    assert found.slope_p == pytest.approx(t.sf(slope_t, 38), rel=1e-6)
    line, norm = nnls(design(x), y)
    lr = len(x) / 2 * np.log(np.sum((y - y.mean()) ** 2) / norm ** 2)
    assert line.min() > 0
    assert found.boundary_lr == pytest.approx(lr, rel=1e-6)
    assert found.boundary_p == pytest.approx(chi2.sf(lr, 1) / 2, rel=1e-6)


@pytest.mark.parametrize("method", (libtraj.OLS, libtraj.NNLS, libtraj.RELATIVE))
@pytest.mark.parametrize("kind", ("plain", "heavy", "flat", "ties", "duplicates"))
def test_leverage_is_the_fit_without_the_largest(kind, method):
    x, y = (np.concatenate(v) for v in zip(*[data.pairs(kind, s) for s in range(8)]))
    found = libtraj.leverage(method, x, y)
    kept = x <= np.sort(x)[len(x) - 1 - -(-len(x) // 100)]

    def line(u, v):
        if method == libtraj.RELATIVE:
            return relative_weights(u, v)[1:]
        if method == libtraj.NNLS:
            return nnls(design(u), v)[0]
        return np.linalg.lstsq(design(u), v, rcond=None)[0]
    assert found.n_dropped == (~kept).sum() and found.x_above == x[kept].max()
    size = np.abs(y).max()
    assert (found.L0, found.L1) == pytest.approx(line(x, y), rel=1e-7, abs=1e-9 * size)
    assert (found.rest_L0, found.rest_L1) == pytest.approx(line(x[kept], y[kept]), rel=1e-7,
                                                           abs=1e-9 * size)
