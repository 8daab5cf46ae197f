"""What the watch of the examples records: layers, microbatches, ranks, and gradients that
the trainer never showed."""
import re

import numpy as np
import pytest

from example import environment, of_rows, printed, recorded, run

CLIPPED, SKIPPED, FOUND_INF, FROM_DELTA = 1, 2, 4, 8
ACCUMULATED = 4
EPS = 2.0 ** -52


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 5))
    x[:, 4] = np.tanh(x[:, 0] - x[:, 1] * x[:, 2]) + .1 * x[:, 4]
    path = tmp_path / "table.csv"
    np.savetxt(path, x, delimiter=",", comments="", header="a,b,c,d,y")
    return path


def traced(trajd, name, *options, run_id="r"):
    """Its finished process; nothing may have gone wrong with measuring."""
    where = environment(trajd.folder, TRAJ_RUN_ID=run_id)
    done = run(name, *options, env=dict(where, TRAJ_URL=trajd.ingest))
    assert done.stderr == ""
    return done


def mlp(trajd, table, *options, run_id="r"):
    return traced(trajd, "mlp", "--data", table, "--steps", 64, "--batch", 24, "--print-every", 1,
                  *options, run_id=run_id)


def norms(done):
    return np.array([float.fromhex(text) for text in
                     re.findall(r"grad_norm \S+ (\S+)", done.stdout)])


def whole(probe):
    """Those of all parameters together, not of one layer."""
    return of_rows(probe, np.isnan(probe["group"]))


def at_steps(step, rows, name):
    """The column of STEP at the steps of rows."""
    return step[name][np.searchsorted(step["step"], rows["step"])]


# ---- the perceptron ----------------------------------------------------------------------


def test_recorded_losses_and_norms_are_the_printed_ones(trajd, table):
    done = mlp(trajd, table)
    step = recorded(trajd, "r", "step")
    assert step["loss"].tolist() == printed(done)
    assert np.sqrt(step["grad_sq"]) == pytest.approx(norms(done), rel=1e-12)
    assert not step["flags"].any()


@pytest.mark.parametrize("norm", ["l2", "rms", "linf", "spectral"])
def test_squares_of_the_layers_add_up_to_those_of_all_parameters(trajd, table, norm):
    mlp(trajd, table, "--norm", norm)
    step, group = recorded(trajd, "r", "step"), recorded(trajd, "r", "group")
    assert sorted(set(group["group"])) == [1, 2, 3, 4]
    assert len(group["group"]) == 4 * 64 / 16
    for name in ("grad_sq", "param_sq", "delta_sq", "grad_delta"):
        sums = [group[name][group["step"] == k].sum() for k in range(0, 64, 16)]
        assert sums == pytest.approx(step[name][::16].tolist(), rel=1e-11)


def test_norms_of_layers_keep_their_order(trajd, table):
    """||G||_F <= sum of singular values <= sqrt(rank) ||G||_F, and the like for the others."""
    sizes = {1: (16, 4), 2: (16, 16), 3: (1, 16)}
    for norm in ("rms", "linf", "spectral"):
        mlp(trajd, table, "--norm", norm, run_id=norm)
        group = recorded(trajd, norm, "group")
        for number, (rows, cols) in sizes.items():
            of = group["group"] == number
            l2, dual = np.sqrt(group["grad_sq"][of]), group["grad_dual"][of]
            n, scale = rows * cols, np.sqrt(rows / cols)
            low, high = {"rms": (np.sqrt(n), np.sqrt(n)), "linf": (1, np.sqrt(n)),
                         "spectral": (scale, scale * np.sqrt(min(rows, cols)))}[norm]
            assert (dual >= low * l2 * (1 - 1e-6)).all() and (dual <= high * l2 * (1 + 1e-6)).all()


def test_clipping_in_place_is_seen(trajd, table):
    done = mlp(trajd, table, "--clip", .2)
    step = recorded(trajd, "r", "step")
    clipped = norms(done) > .2
    assert clipped.any() and not clipped.all()
    assert ((step["flags"].astype(int) & CLIPPED) != 0).tolist() == clipped.tolist()
    # the factor is rounded to float32, and so is each clipped element
    assert np.sqrt(step["grad_clipped_sq"][clipped]) == pytest.approx(.2, rel=2.0 ** -22)
    assert step["clip_scale"][~clipped] == pytest.approx(1, rel=0)


def test_a_loss_scale_leaves_the_records_as_they_are(trajd, table):
    mlp(trajd, table, run_id="plain")
    mlp(trajd, table, "--loss-scale", 1024, run_id="scaled")
    plain, scaled = (recorded(trajd, run_id, "step") for run_id in ("plain", "scaled"))
    for name in ("loss", "grad_sq", "delta_sq", "grad_max_abs", "stage"):
        assert (plain[name] == scaled[name]).all()
    assert set(scaled["loss_scale"]) == {1024}


def test_an_overflow_skips_the_step_and_halves_the_scale(trajd, table):
    mlp(trajd, table, "--loss-scale", 3e38)
    step = recorded(trajd, "r", "step")
    skipped = step["flags"].astype(int) & (SKIPPED | FOUND_INF) == SKIPPED | FOUND_INF
    assert skipped[0] and not skipped.all()
    assert (step["grad_inf"][skipped] + step["grad_nan"][skipped] > 0).all()
    assert (step["delta_sq"][skipped] == 0).all() and (step["delta_sq"][~skipped] > 0).all()
    assert (step["loss_scale"][1:] == step["loss_scale"][:-1] * np.where(skipped[:-1], .5, 1)).all()


def test_probes_of_float32_layers_are_idempotent_and_below_the_ceiling(trajd, table):
    mlp(trajd, table, "--probe-every", 2, "--sharpness", 4)
    step, probe = recorded(trajd, "r", "step"), whole(recorded(trajd, "r"))
    assert set(range(0, 64, 2)) <= set(probe["step"])
    assert set(probe["idempotence"][~np.isnan(probe["idempotence"])]) == {0}
    assert (probe["smoothness"] > 0).all() and (probe["smoothness"] <= probe["ceiling"]).all()
    # sums of layers, added up in another order
    assert probe["grad_sq"] == pytest.approx(at_steps(step, probe, "grad_sq"), rel=1e-13)
    sharpness = recorded(trajd, "r", "sharpness")
    assert (np.abs(sharpness["value"]) > 0).all() and (sharpness["hvps"] >= 1).all()


def test_microbatches_give_an_unbiased_probe(trajd, table):
    mlp(trajd, table, "--micro", 4, "--unbiased", "--probe-every", 1)
    step, probe = recorded(trajd, "r", "step"), whole(recorded(trajd, "r"))
    assert set(probe["estimator"]) == {4} and set(probe["batch_samples"]) == {6}
    mean_sq, batch_sq = probe["micro_grad_sq"], at_steps(step, probe, "grad_sq")
    # the trainer sums its four microbatches in float32, the probe in double
    assert probe["grad_sq"] == pytest.approx(batch_sq, abs=1e-6 * mean_sq.max())
    assert probe["noise_sq"] == pytest.approx((mean_sq - batch_sq) / 3, abs=1e-6 * mean_sq.max())
    assert (mean_sq > batch_sq).all()


def test_shards_add_up_and_replicas_agree(trajd, table):
    mlp(trajd, table, run_id="one")
    for rank in (0, 1):
        mlp(trajd, table, "--ranks", 2, "--rank", rank, "--shard", run_id="shards")
        mlp(trajd, table, "--ranks", 2, "--rank", rank, run_id="replicas")
    one, shards, replicas = (recorded(trajd, run_id, "step") for run_id in
                             ("one", "shards", "replicas"))
    ranks = [of_rows(rows, rows["rank"] == rank) for rows in (shards, replicas) for rank in (0, 1)]
    for name in ("grad_sq", "param_sq", "delta_sq", "grad_delta"):
        assert ranks[0][name] + ranks[1][name] == pytest.approx(one[name], rel=1e-11)
        assert (ranks[2][name] == one[name]).all() and (ranks[3][name] == one[name]).all()
    assert [set(rank["combine"]) for rank in ranks] == [{1}, {1}, {2}, {2}]


# ---- no gradient ------------------------------------------------------------------------


def online(logistic, momentum, single):
    """The true gradient of each step of delta_only, and ||w|| after it."""
    w = np.zeros(8, dtype=np.float32 if single else np.float64)
    v = np.zeros(8)
    rows = []
    for k in range(400):
        x = np.sin(.7 * (k + 1) * np.arange(1.0, 9))
        z = x @ np.arange(-3.0, 5)
        y = float(z > 0) if logistic else z
        found = x @ w.astype(np.float64)
        g = ((1 / (1 + np.exp(-found)) if logistic else found) - y) * x
        v = momentum * v + g
        w = (w - .05 * v).astype(w.dtype)
        rows.append([np.linalg.norm(g), np.linalg.norm(w)])
    return np.array(rows).T


@pytest.mark.parametrize("options, logistic, momentum", [
    ([], False, 0), (["logistic"], True, 0), (["heavy-ball"], False, .5),
    (["logistic", "heavy-ball"], True, .5)])
def test_the_gradient_is_had_from_updates_in_double(trajd, options, logistic, momentum):
    traced(trajd, "delta_only", *options)
    step = recorded(trajd, "r", "step")
    true, _ = online(logistic, momentum, single=False)
    # w is rounded to 2^-53 of 8 and d = .05 g, so of a g above 1e-3 1e-10 remain
    large = true > 1e-3
    assert large.sum() > 50
    first = 1 if momentum else 0  # what the buffer held before is not known
    assert np.isnan(step["grad_sq"][:first]).all()
    large[:first] = False
    assert np.sqrt(step["grad_sq"])[large] == pytest.approx(true[large], rel=1e-10)
    assert all(int(flags) & FROM_DELTA for flags in step["flags"][first:])


@pytest.mark.parametrize("options, momentum", [(["float"], 0), (["float", "heavy-ball"], .5)])
def test_the_gradient_is_had_from_updates_in_float_to_their_rounding(trajd, options, momentum):
    traced(trajd, "delta_only", *options)
    step = recorded(trajd, "r", "step")
    true, w = online(False, momentum, single=True)
    # an update is off by 2^-24 of w, of two steps with momentum; twice that, for
    # the trajectory here, which may have been rounded elsewhere
    bound = 2 * (1 + momentum) * 2.0 ** -24 * w.max() / .05 + 1e-6 * true
    first = 1 if momentum else 0
    assert (np.abs(np.sqrt(step["grad_sq"]) - true) <= bound)[first:].all()


# ---- a trainer as found --------------------------------------------------------------------


def test_a_watch_opened_after_the_first_backward_pass_sees_every_update(trajd):
    done = traced(trajd, "layers")
    step, group = recorded(trajd, "r", "step"), recorded(trajd, "r", "group")
    assert step["step"].tolist() == list(range(200)) and len(printed(done)) == 400
    assert set(step["stage"]) == {ACCUMULATED} and set(step["micro_batches"]) == {2}
    assert (step["grad_sq"] > 0).all() and (step["delta_sq"] > 0).all()
    for k in (1, 2):
        assert (group["group"] == k).sum() == 200
    sums = group["grad_sq"][group["group"] == 1] + group["grad_sq"][group["group"] == 2]
    assert sums == pytest.approx(step["grad_sq"], rel=1e-12)


def test_a_momentum_buffer_is_no_gradient(trajd):
    traced(trajd, "layers")
    step, metric = recorded(trajd, "r", "step"), recorded(trajd, "r", "metric")
    assert set(metric["name"]) == {"wrong/weight_updates"}
    ratio = metric["value"] / (np.sqrt(step["grad_sq"]) / 2)
    assert ratio[0] == pytest.approx(1, rel=1e-6)  # the buffer begins at 0
    assert np.median(ratio[10:]) > 1.5
    # but the update is lr times it: 0.05 is rounded to float32, and the weights are
    assert np.sqrt(step["delta_sq"]) == pytest.approx(.05 * metric["value"], rel=1e-3)
