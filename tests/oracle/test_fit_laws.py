"""What must not change, or only in a known way, when the same thing is measured
otherwise (theory.md, 6): units of the loss and of the parameters, the order of
the samples, and how often each is there."""
import numpy as np
import pytest

import fit_lib as lib

METHODS = (lib.RELATIVE, lib.OLS, lib.NNLS, lib.QUANTILE, lib.EXPECTILE, lib.ENVELOPE, lib.ENVELOPE_ROBUST)
NOISY = range(6)


def samples(seed, n=400):
    rng = np.random.default_rng(seed)
    x = 10 ** (np.linspace(1, -1, n) + rng.normal(0, 0.3, n))
    y = (1 + 2 * x) * np.exp(rng.normal(0, 0.4, n))
    r = rng.uniform(0, 0.2, n)
    loss = 2 + x ** 2 * np.exp(rng.normal(0, 0.2, n))
    return x, y, r, loss


def assert_scaled(x, y, r, loss, c, s):
    """Loss times c and parameters divided by s: G, y and r in the new units give
    (c s^2 L0, s L1)."""
    X, Y, R, F = x * c * s, y * c * s * s, r / s, loss * c
    for method in METHODS:
        for lengths, Lengths in ((None, None), (r, R)):
            L0, L1 = lib.line(method, x, y, lengths)
            assert lib.line(method, X, Y, Lengths) == pytest.approx((c * s * s * L0, s * L1), rel=1e-9), method
    before, after = lib.frontier(x, y), lib.frontier(X, Y)
    assert after == pytest.approx(before * [c * s * s, s], rel=1e-9, abs=1e-12)
    before, after = lib.power(x, y), lib.power(X, Y)
    assert after.rho == before.rho and list(after.scores) == pytest.approx(list(before.scores), rel=1e-9)
    before, after = lib.slope(x, y), lib.slope(X, Y)
    for name in ("slope", "pearson_r", "theil_sen", "spearman"):
        assert getattr(after, name) == pytest.approx(getattr(before, name), rel=1e-9)
    before, after = lib.rivals(x, y, loss, 1.0), lib.rivals(X, Y, F, c)
    for law, Law in zip(before.of, after.of):
        assert (Law.L0, Law.L1, Law.H1, Law.score) == pytest.approx(
            (c * s * s * law.L0, s * law.L1, s * s * law.H1, law.score), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", NOISY)
def test_the_unit_of_the_loss_scales_L0_and_leaves_L1(seed):
    """A sum over 5.99 minibatches in place of a mean must not change L1."""
    assert_scaled(*samples(seed), c=5.99, s=1)


@pytest.mark.parametrize("seed", NOISY)
def test_the_unit_of_the_parameters_scales_L0_by_its_square_and_L1(seed):
    assert_scaled(*samples(seed), c=1, s=0.013)
    assert_scaled(*samples(seed), c=3e-7, s=4e5)


@pytest.mark.parametrize("seed", NOISY)
def test_the_order_of_the_samples_does_not_matter(seed):
    x, y, r, _ = samples(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    for method in METHODS:
        for lengths, shuffled in ((None, None), (r, r[order])):
            assert lib.line(method, x[order], y[order], shuffled) == pytest.approx(
                lib.line(method, x, y, lengths), rel=1e-9), method
    assert (lib.frontier(x[order], y[order]) == lib.frontier(x, y)).all()
    assert lib.slope(x[order], y[order]).theil_sen == lib.slope(x, y).theil_sen


@pytest.mark.parametrize("seed", NOISY)
def test_each_sample_twice_changes_no_line(seed):
    x, y, r, _ = samples(seed)
    twice = np.tile(x, 2), np.tile(y, 2)
    for method in METHODS:
        assert lib.line(method, *twice) == pytest.approx(lib.line(method, x, y), rel=1e-9), method
        assert lib.line(method, *twice, np.tile(r, 2)) == pytest.approx(lib.line(method, x, y, r), rel=1e-9)
    assert lib.line(lib.ENVELOPE, *twice, at=0.3) == lib.line(lib.ENVELOPE, x, y, at=0.3)
    assert (lib.frontier(*twice) == lib.frontier(x, y)).all()


def test_a_sample_under_the_envelope_moves_neither_it_nor_the_frontier():
    x, y, *_ = samples(1)
    more = np.r_[x, 1.0], np.r_[y, 0.1]
    assert lib.line(lib.ENVELOPE, *more, at=1.0) == lib.line(lib.ENVELOPE, x, y, at=1.0)
    assert (lib.frontier(*more) == lib.frontier(x, y)).all()


def test_lambda_and_tau_only_raise_the_line():
    x, y, *_ = samples(2, 2000)
    at = np.array([1, 1.0])
    for method, name, values in ((lib.EXPECTILE, "lambda_", (0.5, 2, 8, 100, 1e4)),
                                 (lib.QUANTILE, "tau", (0.1, 0.5, 0.9, 0.95, 0.99))):
        heights = [at @ lib.line(method, x, y, **{name: value}) for value in values]
        assert heights == sorted(heights)
        assert heights[-1] <= at @ lib.line(lib.ENVELOPE, x, y, at=1.0)
