"""How often 95 % intervals hold the truth, and how often tests at 5 % reject it,
on autocorrelated samples (N4 of theory.md: AR(.98) regressor, AR(.95) errors,
slope .5, n = 8192). Seeds are [SEED, set]; `make oracle` draws ten times as
many sets. Bounds are four standard errors and what blocks of 6.6 tau_int are known
to cost: block means are correlated by tau_int/(2 block) = 8 %, which makes 95 %
to 94 %."""
import os

import numpy as np
import pytest
from scipy.signal import lfilter

import libtraj

SETS = int(os.environ.get("ORACLE_SETS", "1000"))
SEED = 20260
N = 8192
BURN_IN = 2000


def ar1(rng, phi):
    return lfilter([1], [1, -phi], rng.normal(size=N + BURN_IN))[BURN_IN:]


def additive(number):
    rng = np.random.default_rng([SEED, number])
    x = ar1(rng, 0.98)
    return x, 1 + 0.5 * x + ar1(rng, 0.95)


def multiplicative(number):
    """A law of norms, L0 = 2 and L1 = .7, with errors in proportion to it."""
    rng = np.random.default_rng([SEED + 1, number])
    x = np.exp(ar1(rng, 0.98) / 5)
    return x, (2 + 0.7 * x) * (1 + ar1(rng, 0.95) / 12)


def share(held):
    return sum(held) / len(held)


def holds(interval, truth):
    return interval.low <= truth <= interval.high


def standard_error(p):
    return (p * (1 - p) / SETS) ** 0.5


def iid_holds_slope(x, y, truth):
    """What independent samples would allow: 1.96 s/sqrt(Sxx)."""
    u = x - x.mean()
    b = u @ y / (u @ u)
    e = y - y.mean() - b * u
    return abs(b - truth) <= 1.96 * np.sqrt(e @ e / (N - 2) / (u @ u))


@pytest.fixture(scope="module")
def ols():
    def measure(number):
        x, y = additive(number)
        u = libtraj.uncertainty(libtraj.OLS, x, y, block=256, seed=number)
        assert u.absent == libtraj.PRESENT and u.blocks == 32
        return {"L0": holds(u.L0, 1), "L1": holds(u.L1, 0.5),
                "centroid": holds(u.centroid, 1 + 0.5 * u.x_mean),
                "bootstrap L0": holds(u.boot_L0, 1), "bootstrap L1": holds(u.boot_L1, 0.5),
                "iid": iid_holds_slope(x, y, 0.5)}
    sets = [measure(number) for number in range(SETS)]
    covers = {name: share([s[name] for s in sets]) for name in sets[0]}
    print(f"\n{SETS} sets, seeds [{SEED}, 0..]: {covers}")
    return covers


@pytest.mark.parametrize("of", ("L0", "L1", "centroid"))
def test_cluster_intervals_cover_what_they_say(ols, of):
    assert 0.94 - 4 * standard_error(0.94) < ols[of] < 0.97
    assert ols[of] > 0.90


@pytest.mark.parametrize("of", ("bootstrap L0", "bootstrap L1"))
def test_block_bootstrap_covers_a_little_less(ols, of):
    """Percentiles of 32 blocks: no t, and no m/(m-2)."""
    assert 0.92 - 4 * standard_error(0.92) < ols[of] < 0.95


def test_intervals_for_independent_samples_do_not(ols):
    assert ols["iid"] < 0.40


def test_relative_fits_of_norms_are_covered():
    held = {"L0": [], "L1": [], "bootstrap L0": [], "bootstrap L1": []}
    for number in range(SETS // 4):
        u = libtraj.uncertainty(libtraj.RELATIVE, *multiplicative(number), block=256, seed=number)
        held["L0"].append(holds(u.L0, 2))
        held["L1"].append(holds(u.L1, 0.7))
        held["bootstrap L0"].append(holds(u.boot_L0, 2))
        held["bootstrap L1"].append(holds(u.boot_L1, 0.7))
    covers = {of: share(h) for of, h in held.items()}
    print(f"\n{SETS // 4} sets, seeds [{SEED + 1}, 0..]: {covers}")
    slack = 8 * standard_error(0.93)  # a quarter of the sets
    assert all(0.92 - slack < c for c in covers.values()), covers


def test_tests_at_five_percent_reject_five_of_a_hundred():
    """L1 = 0. The boundary test counts samples by the memory of the errors, which
    is longer than that of their product with x: it rejects less."""
    rejected = {"slope": [], "boundary": [], "spearman": [], "partial": []}
    for number in range(SETS // 4):
        rng = np.random.default_rng([SEED + 2, number])
        x, y = ar1(rng, 0.9), 40 + ar1(rng, 0.9)
        found = libtraj.tests(x, y, step=np.arange(N), block=256, shifts=99, seed=number)
        rejected["slope"].append(found.slope_p <= 0.05)
        rejected["boundary"].append(found.boundary_p <= 0.05)
        rejected["spearman"].append(found.spearman.p <= 0.05)
        rejected["partial"].append(found.partial.p_greater <= 0.05)
    shares = {of: share(r) for of, r in rejected.items()}
    print(f"\n{SETS // 4} sets, seeds [{SEED + 2}, 0..]: {shares}")
    slack = 8 * standard_error(0.05)
    assert all(s < 0.05 + slack for s in shares.values()), shares
    assert min(shares["slope"], shares["spearman"], shares["partial"]) > 0
