"""Estimators on functions of which the truth is known: free ones of different data, unbiased
ones of microbatches, and the operator norm."""
import numpy as np
import pytest
from scipy import stats

from example import environment, line_of, recorded, run, traced

ROUNDING = 4


def sharpness_and_truth(trajd):
    """The operator norm as measured and in closed form, and whether it had converged."""
    found = recorded(trajd, "traced", "sharpness")
    truth = recorded(trajd, "traced", "metric")
    at = np.searchsorted(truth["step"], found["step"])
    return np.abs(found["value"]), truth["value"][at], found["converged"] == 1


# ---- the operator norm beside the secant ---------------------------------------------


def test_s1_has_a_secant_that_follows_the_gradient_and_a_flat_operator_norm(trajd):
    _, probe = traced(trajd, "analytic", "--function", "s1", "--steps", 100, "--sharpness", 1)
    secant = np.sqrt(probe["dgrad_sq"] / probe["delta_sq"])
    assert stats.spearmanr(secant, probe["grad_sq"])[0] > .95
    found, truth, converged = sharpness_and_truth(trajd)
    assert converged[1:].all() and (truth == 1).all()
    # a step of the iteration divides the error of the value by 4: lambda is 1, 1/2, ..
    assert np.abs(found[15:] - 1).max() < 1e-6


@pytest.mark.parametrize("name", ["s2", "s3", "s5", "s6", "s6b", "s9"])
def test_the_operator_norm_of_one_variable_is_its_curvature(trajd, name):
    traced(trajd, "analytic", "--function", name, "--steps", 12, "--sharpness", 1)
    found, truth, _ = sharpness_and_truth(trajd)
    assert len(found) == 12
    assert found == pytest.approx(truth, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("name", ["s4", "s7", "s8"])
def test_the_operator_norm_of_several_variables_is_reached_from_below(trajd, name):
    traced(trajd, "analytic", "--function", name, "--rule", "clipped", "--lr", .01, "--steps", 60,
           "--sharpness", 1, "--hvps", 20)
    found, truth, converged = sharpness_and_truth(trajd)
    assert (found <= truth * (1 + 1e-12)).all()
    assert converged.mean() > .9
    # a residual of a tenth of the value is at most that far from an eigenvalue
    assert (found[converged] > .9 * truth[converged]).all()


def test_the_operator_norm_scales_as_loss_and_units_say(trajd):
    options = ["--function", "s3", "--steps", 10, "--sharpness", 1]
    traced(trajd, "analytic", *options, "--loss-times", 8, "--units", 2)
    found, truth, _ = sharpness_and_truth(trajd)
    assert found == pytest.approx(truth, rel=1e-13)


# ---- noise: different data, and microbatches -----------------------------------------


def test_n1_looks_curved_to_the_naive_estimator_and_is_shown_to_hug_the_ceiling(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n1", "--steps", 1000, "--estimator",
                      "different")
    assert set(probe["estimator"]) == {5} and len(probe["step"]) == 999
    data = trajd.json("/api/v1/runs/traced/fits?regressor=start")["data"]
    fit = next(f for f in data["fits"] if f["method"] == "ols")
    assert 1.3 < .018 * fit["L1"] < 1.5
    assert data["ceiling_ratio"] > .6
    assert {"near_ceiling", "different_data"} <= set(data["warnings"])


def test_n1_is_no_curvature_to_the_unbiased_estimator(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n1", "--steps", 100, "--estimator", "micro",
                      "--micro", 8)
    assert set(probe["estimator"]) == {4} and len(probe["step"]) == 100
    assert not probe["smoothness"].any() and not probe["micro_dgrad_sq"].any()
    assert all(int(flags) & ROUNDING for flags in probe["flags"])
    data = trajd.json("/api/v1/runs/traced/fits")["data"]
    assert (data["fits"], data["reason"]) == ([], "all_excluded")


def test_n2_looks_flatter_where_the_gradient_is_large_to_the_naive_estimator(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n2", "--steps", 1000, "--estimator",
                      "different")
    norm = np.sqrt(probe["grad_sq"])
    assert np.polyfit(norm, probe["smoothness"], 1)[0] < 0
    assert np.corrcoef(norm, probe["smoothness"])[0, 1] < -.5


NOISY_S4 = ["--function", "s4", "--rule", "clipped", "--lr", .05, "--clip", 4, "--steps", 60]


def test_noise_in_the_gradient_leaves_the_unbiased_smoothness_alone(trajd):
    """The noise is linear in x, so every microbatch bends as the function does."""
    options = [*NOISY_S4, "--noise", 2, "--micro", 4]
    _, micro = traced(trajd, "analytic", *options, "--estimator", "micro")
    assert micro["smoothness"] == pytest.approx(
        np.sqrt(micro["micro_dgrad_sq"] / micro["delta_sq"]), rel=1e-9)
    x = np.sqrt(recorded(trajd, "traced", "metric")["value"])  # (L0 + L1 G)^(1/2)
    assert np.corrcoef(micro["smoothness"], x ** 2)[0, 1] > .999


def test_the_unbiased_square_of_the_gradient_is_the_true_one_in_the_mean(trajd):
    K, n, noise, steps = 8, 3, 20.0, 400
    _, probe = traced(trajd, "analytic", "--function", "s4", "--start", 1, "--rule", "fixed", "--lr",
                      .001, "--steps", steps, "--noise", noise, "--micro", K, "--estimator", "micro")
    G_sq = ((recorded(trajd, "traced", "metric")["value"] - 2) / .7) ** 2
    U = (K * probe["grad_sq"] - probe["micro_grad_sq"]) / (K - 1)
    # Var U = 4 s^2 G^2 / K + 2 n s^4 / (K (K - 1)) for Gaussian noise s in each of n elements
    deviation = np.sqrt(4 * noise ** 2 * G_sq / K + 2 * n * noise ** 4 / (K * (K - 1)))
    limit = 5 / np.sqrt(steps)
    assert abs(((U - G_sq) / deviation).mean()) < limit
    assert ((probe["grad_sq"] - G_sq) / deviation).mean() > 2 * limit  # the biased one
    # E ||g - E g||^2 of a batch is n s^2 / K; each is of n (K - 1) squares
    assert probe["noise_sq"].mean() == pytest.approx(
        n * noise ** 2 / K, rel=5 * np.sqrt(2 / (steps * n * (K - 1))))


def test_s4_gives_its_law_to_the_unbiased_estimator_without_noise(trajd):
    _, probe = traced(trajd, "analytic", *NOISY_S4, "--micro", 4, "--estimator", "micro")
    trapezoid = (np.sqrt(probe["grad_sq"]) + np.sqrt(probe["grad_end_sq"])) / 2
    L0, L1 = line_of(trapezoid, probe["smoothness"])
    # of steps z = L1 0.2 long the trapezoid is off by z^2/12
    assert (L0, L1) == pytest.approx((2, .7), rel=2 * (.7 * .2) ** 2 / 12)


@pytest.mark.parametrize("estimator", ["micro", "different", "same"])
def test_losses_are_the_same_with_everything_measured(tmp_path, estimator):
    where = environment(tmp_path, TRAJ_MODE="offline")
    options = ["--function", "n1", "--micro", 4, "--print-every", 1]
    bare = run("analytic", *options, "--no-watch", env=where).stdout
    watched = run("analytic", *options, "--estimator", estimator, "--sharpness", 1, env=where)
    assert (watched.stdout, watched.stderr) == (bare, "")
