"""The fits of traj.h beyond least squares against scipy, numpy and statsmodels."""
import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import linprog, minimize, nnls
from scipy.stats import theilslopes

import data
import fit_lib as lib

TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def design(x):
    return np.c_[np.ones(len(x)), x]


def cloud(seed, n, noise=0.4):
    rng = np.random.default_rng(seed)
    x = 10 ** rng.uniform(-2, 1, n)
    return x, (1 + 2 * x) * np.exp(rng.normal(0, noise, n))


# ---- quantiles of many samples --------------------------------------------

def large(kind, seed):
    n = 8000 if kind == "narrow" else 30000  # HiGHS is slow there
    rng = np.random.default_rng(seed)
    x, y = cloud(seed, n)
    if kind == "ties":
        x, y = np.ceil(4 * x), np.ceil(y)
    elif kind == "narrow":
        x = 1e4 + rng.random(n)
        y = 5 + 0.3 * (x - 1e4) + rng.exponential(size=n)
    elif kind == "heavy":
        x = np.exp(rng.normal(0, 4, n))
        y = (1e-3 + x) * np.exp(rng.standard_t(1.5, n).clip(-40, 40))
    elif kind == "origin":
        y = x * (1 + rng.random(n))
    elif kind == "falling":
        y = 1 / (1 + x) + rng.random(n)
    elif kind == "sorted":
        order = np.argsort(x)
        x, y = x[order], y[order]
    return x, y


def pinball(x, y, tau, L0, L1):
    r = y - L0 - L1 * x
    return np.sum(r * np.where(r < 0, tau - 1, tau))


def dual_pinball(x, y, tau):
    """The least pinball sum with L0, L1 >= 0 by the dual linear program: max
    y'd, sum d <= 0, x'd <= 0, tau - 1 <= d <= tau."""
    answer = linprog(-y, A_ub=np.vstack([np.ones(len(x)), x]), b_ub=[0, 0],
                     bounds=(tau - 1, tau), method="highs", options=TIGHT)
    assert answer.success
    return -answer.fun


@pytest.mark.parametrize("kind", ("plain", "ties", "narrow", "heavy", "origin", "falling", "sorted"))
def test_quantiles_of_many_samples_reach_the_optimum_of_the_dual_program(kind):
    x, y = large(kind, 5)
    sx, sy = 2.0 ** np.round(-np.log2([x.max(), y.max()]))
    for tau in (0.5, 0.9, 0.99):
        L0, L1 = lib.line(lib.QUANTILE, x, y, tau=tau)
        assert L0 >= 0 and L1 >= 0
        mine = pinball(x * sx, y * sy, tau, L0 * sy, L1 * sy / sx)
        assert mine == pytest.approx(dual_pinball(x * sx, y * sy, tau), rel=1e-9, abs=1e-10)


def drawn(n, size):
    """The samples that fit_quantile.c draws for its bracket."""
    state, found = 1, []
    for _ in range(size):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        found.append((state >> 33) % n)
    return found


@pytest.mark.parametrize("odd,others", ((0.1, 3), (3, 0.1), (30, 1), (1, 30)))
def test_a_sample_that_misleads_changes_no_quantile(odd, others):
    x, y = cloud(9, 8000, 0.1)
    slope = np.full(8000, others, dtype=float)
    slope[drawn(8000, 800)] = odd
    y = y + slope * x
    for tau in (0.5, 0.8):
        mine = lib.line(lib.QUANTILE, x, y, tau=tau)
        assert pinball(x, y, tau, *mine) == pytest.approx(dual_pinball(x, y, tau), rel=1e-9)


def test_quantiles_of_many_samples_are_not_above_those_of_statsmodels():
    x, y = cloud(1, 50000)
    for tau in (0.5, 0.95):
        theirs = sm.QuantReg(y, design(x)).fit(q=tau, max_iter=1000).params
        mine = lib.line(lib.QUANTILE, x, y, tau=tau)
        assert pinball(x, y, tau, *mine) <= pinball(x, y, tau, *theirs) * (1 + 1e-12)
        assert mine == pytest.approx(tuple(theirs), rel=1e-3)


# ---- expectiles -----------------------------------------------------------

def hinge(x, y, lam, L0, L1):
    """The loss of 2505.13416."""
    r = y - L0 - L1 * x
    return np.sum(r * r) + lam * np.sum(np.maximum(0, r) ** 2)


def least_hinge(x, y, lam):
    """Directly: each active set of bounds on its own, by a method with a
    gradient, from a start near the data."""
    def of(free):
        def loss(v):
            p = np.zeros(2)
            p[free] = v
            r = y - p[0] - p[1] * x
            w = np.where(r > 0, 1 + lam, 1)
            return np.sum(w * r * r), (-2 * np.array([np.sum(w * r), np.sum(w * r * x)]))[free]
        return loss
    best = hinge(x, y, lam, 0, 0)
    for free in ([0, 1], [0], [1]):
        start = np.array([y.mean(), y.mean() / x.mean()])[free] / len(free)
        found = minimize(of(free), start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(free),
                         options={"ftol": 1e-16, "gtol": 1e-14, "maxiter": 10000})
        best = min(best, found.fun)
    return best


@pytest.mark.parametrize("kind", [k for k in data.KINDS if k != "two"])
@pytest.mark.parametrize("lam", (0.5, 8.0, 1e3))
def test_expectile_is_the_direct_minimum(kind, lam):
    for seed in range(3):
        x, y = data.pairs(kind, seed)
        x, y = x / x.max(), y / y.max()
        L0, L1 = lib.line(lib.EXPECTILE, x, y, lambda_=lam)
        assert L0 >= 0 and L1 >= 0
        mine = hinge(x, y, lam, L0, L1)
        assert mine <= least_hinge(x, y, lam) * (1 + 1e-9) + 1e-14
        # A minimum by itself: on both sides of each coefficient it is higher.
        for e in (1e-5, -1e-5):
            for a, b in ((L0 + e, L1), (L0, L1 + e), (L0 + e, L1 - e)):
                if a >= 0 and b >= 0:
                    assert hinge(x, y, lam, a, b) >= mine * (1 - 1e-12)


def test_expectile_is_the_law_of_its_tau():
    """The tau-expectile by its first-order condition: tau times what is above
    equals 1 - tau times what is below."""
    x, y = cloud(3, 20000)
    for lam in (1.0, 8.0):
        tau = (1 + lam) / (2 + lam)
        r = y - design(x) @ lib.line(lib.EXPECTILE, x, y, lambda_=lam)
        for column in (np.ones(len(x)), x):
            above = tau * np.sum(column[r > 0] * r[r > 0])
            below = (1 - tau) * np.sum(column[r < 0] * -r[r < 0])
            assert above == pytest.approx(below, rel=1e-9)


# ---- envelopes and the frontier -------------------------------------------

def random_set(rng, round_):
    """Sets that break hulls: few points, ties, duplicates, points on one line,
    x or y all the same, points at x = 0."""
    n = int(rng.integers(1, 4)) if round_ % 4 == 0 else int(rng.integers(2, 40))
    x = np.exp(rng.normal(0, rng.uniform(0.1, 2), n))
    y = np.exp(rng.normal(0, 1, n)) * x ** rng.uniform(-1, 2)
    kind = round_ % 9
    if kind == 1:
        x, y = rng.integers(0, 4, n).astype(float), rng.integers(0, 4, n).astype(float)
    elif kind == 2:
        x, y = np.tile(x, 2), np.tile(y, 2)
    elif kind == 3:
        x = rng.integers(1, 20, n) / 8
        y = 0.25 + 0.5 * x
    elif kind == 4:
        y = np.full(n, 3.0)
    elif kind == 5:
        x = np.full(n, 0.3)
    elif kind == 6:
        x[: n // 2] = 0
    elif kind == 7:
        x, y = x * 1e-9, y * 1e7
    elif kind == 8:
        y = 2 * x
    return x, y


def least_at(x, y, c):
    """min L0 + L1 c above all samples, L0, L1 >= 0; scaled to be near 1."""
    sx, sy = 1 / x.max(), 1 / max(y.max(), 1e-300)
    answer = linprog([1, c * sx], A_ub=-design(x * sx), b_ub=-y * sy, method="highs", options=TIGHT)
    assert answer.success
    return answer.fun / sy


def test_envelopes_are_the_optima_of_linprog_on_1000_random_sets():
    rng = np.random.default_rng(1000)
    determined = 0
    for round_ in range(1000):
        x, y = random_set(rng, round_)
        c = 0 if round_ % 2 == 0 else float(x.max() * rng.uniform(0.01, 1.5))
        found = lib.line(lib.ENVELOPE, x, y, at=c)
        if x.min() == x.max():
            assert found is None
            continue
        determined += 1
        assert min(found) >= 0 and (found[0] + found[1] * x >= y).all()
        at = c or x.mean()
        assert found[0] + found[1] * at == pytest.approx(least_at(x, y, at), rel=1e-7, abs=1e-12 * y.max())
    assert determined > 800


def test_the_frontier_is_the_least_valid_L0_on_1000_random_sets():
    rng = np.random.default_rng(1001)
    for round_ in range(1000):
        x, y = random_set(rng, round_)
        vertices = lib.frontier(x, y)
        L0, L1 = vertices.T
        assert L1[0] == 0 and L0[0] == y.max()
        assert (np.diff(L1) > 0).all() and (np.diff(L0) < 0).all() and len(L0) <= len(x) + 1
        slopes = np.diff(L0) / np.diff(L1)
        assert (np.diff(slopes) > 0).all()  # strictly convex: each vertex is one
        between = np.r_[L1, (L1[1:] + L1[:-1]) / 2, L1[-1] * 1.5 + 1]
        least = np.maximum(0, (y[:, None] - between * x[:, None]).max(axis=0))
        mine = np.interp(between, L1, L0)
        assert mine == pytest.approx(least, rel=1e-9, abs=1e-12 * y.max())


def test_the_envelope_at_an_abscissa_is_a_vertex_of_the_frontier():
    x, y = cloud(8, 500)
    vertices = lib.frontier(x, y)
    for c in (1e-6, 0.1, 1.0, 9.0):
        found = lib.line(lib.ENVELOPE, x, y, at=c)
        heights = vertices @ [1, c]
        assert found == pytest.approx(tuple(vertices[heights.argmin()]), rel=1e-12)


def relative(x, y):
    """theory.md 4.4, 1: three NNLS fits, weights 1/yhat^2, floored."""
    w = np.ones(len(x))
    for _ in range(3):
        root = np.sqrt(w)
        a, b = nnls(design(x) * root[:, None], y * root)[0]
        yhat_sq = (a + b * x) ** 2
        w = 1 / np.maximum(yhat_sq, 1e-3 * np.sort(yhat_sq)[(len(x) - 1) // 2])
    return a, b


@pytest.mark.parametrize("n", (50, 150, 1999))
def test_the_robust_envelope_leaves_out_one_in_a_hundred(n):
    x, y = cloud(n, n)
    ratio = y / (design(x) @ relative(x, y))
    kept = ratio <= np.sort(ratio)[n - 1 - n // 100]
    assert kept.sum() == n - n // 100
    mine = lib.line(lib.ENVELOPE_ROBUST, x, y)
    assert mine == pytest.approx(lib.line(lib.ENVELOPE, x[kept], y[kept]), rel=1e-12)
    assert (mine[0] + mine[1] * x < y).sum() <= n // 100


# ---- the power of x and its rivals ----------------------------------------

def blocked_score(columns, y, solve):
    """RMS of ln y - ln yhat, five contiguous blocks each predicted by the
    others."""
    n, total = len(y), 0
    for fold in range(5):
        block = np.zeros(n, dtype=bool)
        block[n * fold // 5:n * (fold + 1) // 5] = True
        with np.errstate(divide="ignore"):
            total += np.sum((np.log(y[block]) - np.log(columns[block] @ solve(columns[~block], y[~block]))) ** 2)
    return np.sqrt(total / n)


def relative_columns(columns, y):
    w = np.ones(len(y))
    for _ in range(3):
        root = np.sqrt(w)
        found = nnls(columns * root[:, None], y * root)[0]
        yhat_sq = (columns @ found) ** 2
        least = 1e-3 * np.sort(yhat_sq)[(len(y) - 1) // 2]
        if least == 0:
            break
        w = 1 / np.maximum(yhat_sq, least)
    return found


def drifting(seed, n, rho):
    """Samples in the order of time, x drifting down over two decades."""
    rng = np.random.default_rng(seed)
    x = 10 ** (1 - 2 * np.arange(n) / n + rng.normal(0, 0.3, n))
    return x, (0.5 + 2 * x ** rho) * np.exp(rng.normal(0, 0.05, n)), rng


@pytest.mark.parametrize("rho", (0.25, 0.5, 1.0, 1.5, 2.0))
def test_the_power_is_found_with_the_scores_of_its_definition(rho):
    x, y, _ = drifting(int(4 * rho), 700, rho)
    found = lib.power(x, y)
    assert found.rho == rho and found.n == 700
    one = np.ones(len(x))
    for k in range(9):
        columns = np.c_[one, x ** (k / 4)][:, :2 if k else 1]
        assert found.scores[k] == pytest.approx(blocked_score(columns, y, relative_columns), rel=1e-7)
    assert (found.L0, found.L1) == pytest.approx(tuple(relative_columns(np.c_[one, x ** rho], y)), rel=1e-7)


def test_a_constant_is_the_power_0():
    rng = np.random.default_rng(0)
    x, y = 10 ** rng.uniform(-2, 1, 500), np.exp(rng.normal(0, 0.2, 500))
    found = lib.power(x, y)
    assert found.rho == 0 and found.L0 == pytest.approx(y.mean(), rel=1e-12) and found.L1 == 0


def test_of_equal_scores_the_smallest_power_is_taken():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 200).astype(float)  # every power of it is itself
    found = lib.power(x, (1 + x) * np.exp(rng.normal(0, 0.1, 200)))
    assert len(set(found.scores[1:])) == 1 and found.rho == 0.25


def test_scores_of_more_than_4096_samples_are_of_4096_evenly_spaced():
    x, y, _ = drifting(1, 10000, 1.0)
    chosen = (np.arange(4096) * (10000 / 4096)).astype(int)
    few, all_ = lib.power(x[chosen], y[chosen]), lib.power(x, y)
    assert list(few.scores) == list(all_.scores)
    assert all_.L1 == pytest.approx(relative_columns(design(x), y)[1], rel=1e-9)


@pytest.mark.parametrize("truth", range(4))
def test_the_rival_that_made_the_samples_wins(truth):
    x, _, rng = drifting(truth, 2000, 1.0)
    loss = 3 + np.cumsum(rng.normal(0, 0.1, 2000)) ** 2
    gap = loss - 1.5
    mean = [2 + 0 * x, 0.5 + 2 * x, 0.5 + 3 * gap, 0.5 + 2 * x + 3 * gap][truth]
    y = mean * np.exp(rng.normal(0, 0.1, 2000))
    found = lib.rivals(x, y, loss, 1.5)
    assert found.n == 2000 and found.least_is_seen == 0 and found.least_loss == 1.5
    scores = [law.score for law in found.of]
    assert found.best == int(np.argmin(scores))
    assert scores[truth] == pytest.approx(min(scores), rel=1e-3)  # more terms may win by a hair
    term = {"L0": np.ones(2000), "L1": x, "H1": gap}
    for law, names in zip(found.of, (("L0",), ("L0", "L1"), ("L0", "H1"), ("L0", "L1", "H1"))):
        columns = np.column_stack([term[name] for name in names])
        assert law.score == pytest.approx(blocked_score(columns, y, relative_columns), rel=1e-7)
        terms = dict(zip(names, relative_columns(columns, y)))
        expected = [terms.get(name, 0) for name in ("L0", "L1", "H1")]
        assert [law.L0, law.L1, law.H1] == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_without_f_star_the_least_loss_seen_is_it():
    x, y, rng = drifting(1, 100, 1.0)
    loss = rng.uniform(1, 2, 100)
    loss[3] = np.nan
    found = lib.rivals(x, y, loss)
    assert found.least_is_seen == 1 and found.least_loss == np.nanmin(loss) and found.n == 99
    above = lib.rivals(x, y, loss, 1.5)
    assert above.n == (loss >= 1.5).sum() and above.n_excluded == 100 - above.n


# ---- the slope in logarithms ----------------------------------------------

@pytest.mark.parametrize("kind", data.KINDS)
def test_the_median_slope_is_scipys(kind):
    for seed in range(8):
        x, y = data.pairs(kind, seed)
        good = (x > 0) & (y > 0)
        if good.sum() < 3:
            continue
        theirs = theilslopes(np.log(y[good]), np.log(x[good]))[0]
        assert lib.slope(x, y).theil_sen == pytest.approx(theirs, rel=1e-10, abs=1e-10)


def test_the_median_slope_of_many_pairs_is_scipys():
    x, y = cloud(2, 4096)
    assert lib.slope(x, y).theil_sen == pytest.approx(theilslopes(np.log(y), np.log(x))[0], rel=1e-13)
    x, y = cloud(2, 9000)
    chosen = (np.arange(4096) * (9000 / 4096)).astype(int)
    theirs = theilslopes(np.log(y[chosen]), np.log(x[chosen]))[0]
    assert lib.slope(x, y).theil_sen == pytest.approx(theirs, rel=1e-13)


# ---- finite steps (S4 of theory.md) ---------------------------------------

L0, L1 = 2.0, 0.7


def norm(rho):
    return L0 / L1 * np.expm1(L1 * rho)


def trajectory(rule, start=9.0):
    """GD on (L0/L1^2) phi(L1 ||x||) from ||x|| = start: start, middle and end
    norms, lengths and secant smoothness of its steps, in closed form."""
    rho, rows = start, []
    while norm(rho) > 1e-6:
        r = rule(norm(rho)) * norm(rho)
        end = rho - r
        rows.append((norm(rho), norm(rho - r / 2), norm(end), r, (norm(rho) - norm(end)) / r))
        rho = end
    return np.array(rows).T


def test_descending_steps_have_the_documented_bias_and_simpson_has_none():
    G, middle, end, r, y = trajectory(lambda G: 1 / (L0 + 1.5 * L1 * G))
    start = lib.line(lib.RELATIVE, G, y)
    assert 0.50 <= start[1] <= 0.51 and start[0] == pytest.approx(1.959, abs=2e-3)
    assert lib.line(lib.RELATIVE, (G + end) / 2, y)[1] == pytest.approx(0.675, abs=1e-3)
    simpson = lib.line(lib.RELATIVE, (G + 4 * middle + end) / 6, y)
    assert simpson[1] == pytest.approx(0.69996, abs=1e-5) and simpson[0] == pytest.approx(2.00001, abs=1e-5)


def ascending(n=300, length=1.0):
    """Where the bound of 2410.10800 is an equality: y = (L0 + L1 G) psi(L1 r)."""
    rng = np.random.default_rng(4)
    rho = rng.uniform(0, 6, n)
    r = rng.uniform(0.01, length, n)
    return norm(rho), (norm(rho + r) - norm(rho)) / r, r


@pytest.mark.parametrize("method", (lib.RELATIVE, lib.NNLS, lib.ENVELOPE, lib.ENVELOPE_ROBUST, lib.QUANTILE))
def test_the_correction_finds_the_law_behind_ascending_steps(method):
    G, y, r = ascending()
    plain, corrected = lib.line(method, G, y), lib.line(method, G, y, r)
    assert plain[1] > 1.15 * L1
    assert corrected == pytest.approx((L0, L1), rel=1e-9)
    assert lib.fit(method, G, y, r).rounds <= 12


def test_a_correction_is_a_fixed_point():
    x, y = cloud(6, 400)
    r = np.random.default_rng(6).uniform(0, 0.3, 400)
    for method in (lib.RELATIVE, lib.ENVELOPE, lib.EXPECTILE):
        found = lib.line(method, x, y, r)
        z = found[1] * r
        again = lib.line(method, x, y / np.where(z > 0, np.expm1(z) / np.where(z > 0, z, 1), 1))
        assert again == pytest.approx(found, rel=1e-10)


def test_steps_of_no_length_need_no_correction():
    x, y = cloud(7, 100)
    assert lib.line(lib.NNLS, x, y, np.zeros(100)) == lib.line(lib.NNLS, x, y)


def test_no_memory_is_an_error_and_nothing_is_written():
    x = np.ones(3)
    fit = lib.Fit(size=lib.sizeof(lib.Fit), n=7)
    code = lib.LIB.traj_fit(lib.OLS, 2 ** 50, lib.pointer(x), lib.pointer(x), None, lib.byref(fit))
    assert code == lib.ENOMEM and fit.n == 7
    assert lib.LIB.traj_last_error() == b"fit: no memory for 1125899906842624 samples"
