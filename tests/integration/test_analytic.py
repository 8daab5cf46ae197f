"""What libtraj measures of a descent against the closed forms of what is descended,
written down here a second time."""
import re

import numpy as np
import pytest

from example import environment, line_of, printed, recorded, run, traced

EPS = 2.0 ** -52


# ---- the functions again: gradient and operator norm ---------------------------------
# The variable is what the trainer has; L0, L1 and dimensions are its defaults.


def radial(x, along):
    rho = np.linalg.norm(x)
    return along(rho) * x / rho


S1 = 1 / np.arange(1.0, 501)
A7 = np.full(3, 2 / np.sqrt(3))
FUNCTIONS = {
    "s1": (lambda x: S1 * x, lambda x: 1.0, np.full(500, 10 / np.sqrt(500))),
    "s2": (np.exp, lambda x: np.exp(x[0]), np.array([3.0])),
    "s3": (lambda x: 2 / .7 * np.sinh(.7 * x), lambda x: 2 * np.cosh(.7 * x[0]), np.array([4.0])),
    "s4": (lambda x: radial(x, lambda rho: 2 / .7 * np.expm1(.7 * rho)),
           lambda x: 2 * np.exp(.7 * np.linalg.norm(x)), np.full(3, 9 / np.sqrt(3))),
    "s5": (lambda x: x ** 3, lambda x: 3 * x[0] ** 2, np.array([2.0])),
    "s6": (lambda x: np.where(abs(x) <= 1, x, np.sign(x) * np.exp(abs(x) - 1)),
           lambda x: max(1.0, np.exp(abs(x[0]) - 1)), np.array([1 + np.log(50)])),
    "s6b": (lambda x: np.where(abs(x) > 1, .2 * np.sign(x), .1 * (3 * x - x ** 3)),
            lambda x: max(0.0, .3 * (1 - x[0] ** 2)), np.array([-5.0])),
    "s7": (lambda x: -A7 / (1 + np.exp(A7 @ x)),
           lambda x: 4 / ((1 + np.exp(A7 @ x)) * (1 + np.exp(-A7 @ x))), np.full(3, -3 / np.sqrt(3))),
    "s8": (lambda x: (x[0] * x[1] - 1) * x[::-1],
           lambda x: abs(np.linalg.eigvalsh([[x[1] ** 2, 2 * x[0] * x[1] - 1],
                                             [2 * x[0] * x[1] - 1, x[0] ** 2]])).max(),
           np.array([2 / np.sqrt(2), 3 / np.sqrt(2)])),
    "s9": (lambda x: 100 / 18 * x ** 3 + x / 2, lambda x: 100 / 6 * x[0] ** 2 + .5, np.array([1.0])),
}
STEP = {"s1": 1, "s2": .02, "s3": .02, "s4": .002, "s5": .05, "s6": .1, "s6b": 1, "s7": .2,
        "s8": .05, "s9": .05}
STEPS = 12


def descend(name, length):
    """The norms of g, d and dg at gamma 1/2 and 1, and ||H||, of each step."""
    gradient, operator_norm, x = FUNCTIONS[name]
    rows = []
    for _ in range(STEPS):
        g = gradient(x)
        d = -length(np.linalg.norm(g)) * g
        dg = [np.linalg.norm(gradient(x + gamma * d) - g) for gamma in (.5, 1)]
        rows.append([np.linalg.norm(g), np.linalg.norm(d), *dg, operator_norm(x)])
        x = x + d
    return np.array(rows).T


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("rule", ["fixed", "clipped", "normalized"])
def test_every_recorded_norm_is_the_closed_form(trajd, name, rule):
    lr = STEP[name]
    length = {"fixed": lambda norm: lr, "clipped": lambda norm: lr * min(1, .5 / norm),
              "normalized": lambda norm: lr / (norm + .25)}[rule]
    g, d, half, whole, operator_norm = descend(name, length)
    step, probe = traced(trajd, "analytic", "--function", name, "--rule", rule, "--lr", lr,
                         "--clip", .5, "--beta", .25, "--steps", STEPS)
    # A gradient is right to some roundings of its terms, and x itself, rounded
    # in each step, moves it by ||H|| as much; a difference has the errors of
    # two gradients. 12 steps, a condition of at most 7 (z of S4).
    error = 200 * EPS
    points = np.array(probe["gammas"])
    assert np.sqrt(step["grad_sq"]) == pytest.approx(g, rel=error)
    assert np.sqrt(step["delta_sq"]) == pytest.approx(d, rel=error, abs=error)
    assert np.sqrt(probe["delta_sq"]) == pytest.approx(d, rel=error, abs=error)
    assert np.abs(np.sqrt(points[:, 0, 2]) - half).max() <= error * g.max()
    assert np.abs(np.sqrt(probe["dgrad_sq"]) - whole).max() <= error * g.max()
    truth = recorded(trajd, "traced", "metric")["value"]
    assert truth == pytest.approx(operator_norm, rel=error, abs=error)


# ---- laws and identities ---------------------------------------------------------------


def norms(probe):
    return [np.sqrt(probe[name]) for name in ("grad_sq", "grad_mid_sq", "grad_end_sq")]


def secant(probe):
    """At gamma = 1; what was not measured is left out by the caller."""
    return np.sqrt(probe["dgrad_sq"] / probe["delta_sq"])


def test_s4_gives_its_law_through_simpson_and_a_known_bias_through_the_start(trajd):
    _, probe = traced(trajd, "analytic", "--function", "s4", "--steps", 12)
    assert not probe["flags"].any()
    start, middle, end = norms(probe)
    L0, L1 = line_of((start + 4 * middle + end) / 6, secant(probe))
    assert abs(L0 - 2) < 1e-3 and abs(L1 - .7) < 1e-3
    assert .50 < line_of(start, secant(probe))[1] < .51


def test_the_daemon_finds_the_law_of_s4(trajd):
    traced(trajd, "analytic", "--function", "s4", "--rule", "clipped", "--lr", .05, "--clip", 4,
           "--steps", 60)
    data = trajd.json("/api/v1/runs/traced/fits?regressor=simpson")["data"]
    fit = next(f for f in data["fits"] if f["method"] == "nnls_relative")
    assert (fit["L0"], fit["L1"]) == pytest.approx((2, .7), abs=1e-3)


def test_s4_descending_is_flatter_than_its_start_by_psi(trajd):
    _, probe = traced(trajd, "analytic", "--function", "s4", "--steps", 10)
    z = .7 * np.sqrt(probe["delta_sq"])
    psi = -np.expm1(-z) / z
    expected = (2 + .7 * np.sqrt(probe["grad_sq"])) * psi
    # ||dg|| is a difference of gradients of which 1 ulp is EPS G
    assert np.abs(secant(probe) / expected - 1).max() < 1e-12


def test_s5_bends_along_a_step_as_its_polynomial_says(trajd):
    _, probe = traced(trajd, "analytic", "--function", "s5", "--steps", 10)
    x = np.sqrt(probe["grad_sq"]) ** (1 / 3)
    d = np.sqrt(probe["delta_sq"])
    for at in (0, 1):
        gamma, _, dgrad_sq, delta_sq = np.array(probe["gammas"])[:, at].T
        expected = 3 * x ** 2 - 3 * x * gamma * d + gamma ** 2 * d ** 2
        assert np.sqrt(dgrad_sq / delta_sq) == pytest.approx(expected, rel=1e-12)


def test_s7_rises_with_the_gradient_up_to_half_its_norm_and_falls_beyond(trajd):
    step, _ = traced(trajd, "analytic", "--function", "s7", "--steps", 100)
    norm = np.sqrt(step["grad_sq"])
    truth = recorded(trajd, "traced", "metric")["value"]
    assert truth == pytest.approx(2 * norm - norm ** 2, rel=1e-12)
    slopes = np.diff(truth) / np.diff(norm)
    middles = (norm[1:] + norm[:-1]) / 2
    assert (slopes[middles > 1] < 0).any() and (slopes[middles > 1] < 0).all()
    assert (slopes[middles < 1] > 0).any() and (slopes[middles < 1] > 0).all()


def test_s6_converges_below_the_limit_and_leaves_in_four_steps_above_it(tmp_path):
    limit = 2 * (1 + np.log(50)) / 50
    where = environment(tmp_path, TRAJ_MODE="offline")
    under = run("analytic", "--function", "s6", "--lr", .99 * limit, "--print-every", 1, env=where)
    assert printed(under)[-1] == pytest.approx(.5, rel=1e-12)
    over = run("analytic", "--function", "s6", "--lr", 1.01 * limit, "--print-every", 1, env=where,
               status=1)
    assert [np.isfinite(loss) for loss in printed(over)] == [True] * 4 + [False]
    assert over.stderr == "analytic: step 4 is not finite: a smaller --lr would help\n"


def test_s6b_takes_the_steps_that_its_slope_tells(trajd):
    step, _ = traced(trajd, "analytic", "--function", "s6b", "--steps", 40)
    # slope .2, steps of .2 from -5 to -1: 20 of them
    on_the_slope = np.sqrt(step["grad_sq"]) >= .2 * (1 - 4 * EPS)
    assert on_the_slope[:20].all() and not on_the_slope[21:].any()


# ---- what a change of loss, units or reduction must do -----------------------------------
# By powers of two, so that every number is scaled without rounding.


def measured(trajd, run_id, *options):
    where = environment(trajd.folder, TRAJ_RUN_ID=run_id)
    run("analytic", *options, env=dict(where, TRAJ_URL=trajd.ingest))
    probe = recorded(trajd, run_id)
    truth = recorded(trajd, run_id, "metric")["value"]
    return np.sqrt(probe["grad_sq"]), secant(probe), probe["smoothness"], truth


@pytest.mark.parametrize("rule, steps", [("fixed", 40), ("l0l1", 12)])
@pytest.mark.parametrize("c, s", [(8, 1), (1, 4), (.25, 2)])
def test_loss_times_c_and_units_of_s_scale_the_law(trajd, rule, steps, c, s):
    options = ["--function", "s4", "--rule", rule, "--steps", steps]
    plain = measured(trajd, "plain", *options, "--lr", 2.0 ** -10)
    other = measured(trajd, "other", *options, "--lr", 2.0 ** -10 / (c * s * s), "--loss-times", c,
                     "--units", s)
    for factor, before, after in zip((c * s, *[c * s * s] * 3), plain, other):
        assert (after == factor * before).all()
    L0, L1 = line_of(*plain[:2])
    assert line_of(*other[:2]) == pytest.approx((c * s * s * L0, s * L1), rel=1e-10)


def test_the_sum_over_microbatches_has_the_L1_of_their_mean(trajd):
    options = ["--function", "s4", "--noise", .5, "--micro", 4, "--steps", 40, "--estimator", "same",
               "--rule", "fixed"]
    mean = measured(trajd, "mean", *options, "--lr", 2.0 ** -10)
    total = measured(trajd, "total", *options, "--lr", 2.0 ** -12, "--sum")
    # Probes are in the units of the loss, whatever the trainer summed.
    assert all((after == before).all() for before, after in zip(mean[:3], total[:3]))
    assert (total[3] == 4 * mean[3]).all()  # the truth is of what it sums
    steps = [recorded(trajd, run_id, "step") for run_id in ("mean", "total")]
    assert [set(step["stage"]) for step in steps] == [{1}, {4}]
    assert [set(step["micro_batches"]) for step in steps] == [{4}, {4}]
    assert (steps[0]["micro_grad_sq"] == steps[1]["micro_grad_sq"]).all()


# ---- noise --------------------------------------------------------------------------------


def consecutive(step):
    """(G, G', y, r) of consecutive steps, which have different data."""
    G = np.sqrt(step["grad_sq"])
    r = np.sqrt(step["delta_sq"])[:-1]
    return G[:-1], G[1:], np.sqrt(step["dgrad_sq"])[1:] / r, r


def test_n1_looks_curved_to_consecutive_steps_and_hugs_the_ceiling(trajd):
    step, _ = traced(trajd, "analytic", "--function", "n1", "--steps", 1000, "--estimator", "none")
    G, after, y, r = consecutive(step)
    assert r == pytest.approx(np.full(999, .018), rel=1e-12)
    assert 1.3 < .018 * np.polyfit(G, y, 1)[0] < 1.5
    assert np.median(y * r / (G + after)) > .6


def test_n2_looks_flatter_where_the_gradient_is_large(trajd):
    step, _ = traced(trajd, "analytic", "--function", "n2", "--steps", 1000, "--estimator", "none")
    G, _, y, _ = consecutive(step)
    assert np.polyfit(G, y, 1)[0] < 0
    assert np.corrcoef(G, y)[0, 1] < -.5


def test_noise_on_the_same_data_is_no_curvature(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n1", "--steps", 50, "--estimator", "same")
    assert not probe["dgrad_sq"].any()


# ---- the pairs of N3 and N4 ------------------------------------------------------------


def normals(seed, n):
    """The trainer's stream: splitmix64, then Box and Muller."""
    counters = seed + (np.arange(1, 2 * n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    z = counters.astype(np.uint64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    u = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0 ** -53
    return np.sqrt(-2 * np.log(1 - u[0::2])) * np.cos(2 * np.pi * u[1::2])


def test_n4_is_a_slope_of_one_half_under_two_long_memories(trajd):
    n = 2000
    _, probe = traced(trajd, "analytic", "--function", "n4", "--steps", n, "--seed", 7)
    z = normals(np.uint64(7), 2 * n + 2)
    a, e = np.empty(n), np.empty(n)
    a[0], e[0] = z[0], .3 * z[1]
    for k in range(1, n):
        a[k] = .98 * a[k - 1] + np.sqrt(1 - .98 ** 2) * z[2 * k]
        e[k] = .95 * e[k - 1] + .3 * np.sqrt(1 - .95 ** 2) * z[2 * k + 1]
    assert np.sqrt(probe["grad_sq"]) == pytest.approx(5 + a, rel=1e-12)
    assert probe["smoothness"] == pytest.approx(1 + (5 + a) / 2 + e, rel=1e-12)


def test_the_daemon_fits_the_pairs_of_n4_as_numpy_does(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n4", "--steps", 8192)
    data = trajd.json("/api/v1/runs/traced/fits")["data"]
    fit = next(f for f in data["fits"] if f["method"] == "ols")
    L1, L0 = np.polyfit(np.sqrt(probe["grad_sq"]), np.sqrt(probe["dgrad_sq"]), 1)
    assert (fit["L0"], fit["L1"]) == pytest.approx((L0, L1), rel=1e-9)
    # .3^2 times the memories' 1 + 2 sum (.98 .95)^k = 28, over n: 2.2 percent
    assert abs(fit["L1"] - .5) < 5 * .3 * np.sqrt(28 / 8192)


def test_n3_is_two_trends_and_nothing_between_them(trajd):
    _, probe = traced(trajd, "analytic", "--function", "n3", "--steps", 3000)
    x, y = np.log(probe["grad_sq"]) / 2, np.log(probe["smoothness"])
    time = 2 * np.arange(3000) / 3000
    assert np.corrcoef(x, y)[0, 1] > .7
    # 5 standard errors of a correlation of nothing
    assert abs(np.corrcoef(x - time, y - time)[0, 1]) < 5 / np.sqrt(3000)


# ---- the trainer itself ------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    ["--function", "s1"], ["--function", "s4", "--units", 3], ["--function", "s8", "--rule", "clipped"],
    ["--function", "n1", "--micro", 3, "--sum"], ["--function", "s4", "--noise", 1, "--micro", 4],
    ["--function", "n4"]])
def test_losses_are_the_same_with_a_watch_and_without(tmp_path, options):
    where = environment(tmp_path, TRAJ_MODE="offline")
    bare = run("analytic", *options, "--print-every", 1, "--no-watch", env=where).stdout
    assert len(bare.splitlines()) == 500
    for estimator in ("none", "full", "same"):
        watched = run("analytic", *options, "--print-every", 1, "--estimator", estimator, env=where)
        assert (watched.stdout, watched.stderr) == (bare, "")


def test_a_run_of_an_absent_daemon_arrives_later_and_is_the_same(trajd, tmp_path):
    options = ["--function", "s9", "--steps", 30]
    where = environment(tmp_path, TRAJ_MODE="offline", TRAJ_RUN_ID="later")
    run("analytic", *options, env=where)
    run("../traj", "sync", where["TRAJ_DIR"], env=dict(where, TRAJ_URL=trajd.ingest))
    _, now = traced(trajd, "analytic", *options)
    later = recorded(trajd, "later")
    for name in set(now) - {"wall_ns", "cost_ns", "gammas"}:
        assert np.array_equal(now[name], later[name], equal_nan=True), name
    assert now["gammas"] == later["gammas"]


def test_the_list_names_every_function_and_each_of_them_runs(tmp_path):
    where = environment(tmp_path, TRAJ_MODE="offline")
    names = [line.split()[0] for line in run("analytic", "--list", env=where).stdout.splitlines()]
    assert names == [*"s1 s2 s3 s4 s5 s6 s6b s7 s8 s9 n1 n2 n3 n4".split()]
    for name in names:
        run("analytic", "--function", name, "--steps", 5, env=where)


@pytest.mark.parametrize("options, reason", [
    ([], "analytic: --function is missing: see --list\n"),
    (["--function", "s10"], "analytic: --function s10: see --list\n"),
    (["--function", "s8", "--n", 3], "analytic: s8 has 2 variables, not 3\n"),
    (["--function", "s4", "--L1", 0], "analytic: --L1 0: see analytic --help\n"),
    (["--function", "s4", "--rule", "best"], "analytic: --rule best: see analytic --help\n"),
    (["--function", "s4", "--lr", "nan"], "analytic: --lr nan: see analytic --help\n"),
    (["--function", "s4", "--steps", "-1"], "analytic: --steps -1: see analytic --help\n"),
    (["--function", "s4", "--hvps", 65], "analytic: --hvps 65: see analytic --help\n"),
    (["s4"], "analytic: s4: see analytic --help\n"),
])
def test_wrong_options_are_refused_before_anything_starts(tmp_path, options, reason):
    done = run("analytic", *options, env=environment(tmp_path), status=2)
    assert (done.stdout, done.stderr) == ("", reason)
    assert not (tmp_path / "spool").exists()


def test_help_names_every_option(tmp_path):
    done = run("analytic", "--help", env=environment(tmp_path))
    named = re.findall(r"^  --(\S+) ", done.stdout, re.M)
    assert named[0] == "function" and named[-1] == "help" and len(named) == len(set(named)) == 29
