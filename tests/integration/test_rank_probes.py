"""Probes, layers and noise of runs of several ranks: what is shown is the whole's."""
import math

import numpy as np
import pytest

import wire
from fleet import Fleet, Rank

RUN = "/api/v1/runs/r"
NONE, SHARD, REPLICA = 0, 1, 2
LOCAL = 32
SAME_BATCH, MICROBATCH = 3, 4
GAMMAS = (0.25, 0.5, 1.0)
N = 64  # parameters


@pytest.fixture
def fleet(trajd):
    all_ranks = Fleet(trajd.ingest)
    yield all_ranks
    all_ranks.close()


def record(rank, kind, step, **fields):
    bits = {name: wire.f64(value) if isinstance(value, float) else value
            for name, value in fields.items()}
    rank.records.append(wire.Record(kind, len(rank.records) + 1, {"step": step, **bits}))


def square(v):
    return float(np.dot(v, v))


class Step:
    """A step of a model of N parameters whose smoothness is about 1 + 2 ||g||."""

    def __init__(self, rng):
        self.g = rng.standard_normal(N) * 10 ** rng.uniform(-1, 1)
        self.d = rng.standard_normal(N) * 1e-3
        bend = rng.standard_normal(N)
        bend *= (1 + 2 * np.linalg.norm(self.g)) * np.linalg.norm(self.d) / np.linalg.norm(bend)
        # the most at 1/2, so that no maximum hangs on a rounding
        self.at = {gamma: self.g + bend * gamma * more for gamma, more in zip(GAMMAS, (1.05, 1.1, 1))}

    def probe(self, part=slice(None), gammas=GAMMAS):
        """What libtraj measures of a part of the parameters."""
        g, d = self.g[part], self.d[part]
        points = [(gamma, square(self.at[gamma][part]), square(self.at[gamma][part] - g),
                   gamma ** 2 * square(d)) for gamma in gammas]
        best = max(points, key=lambda p: p[2] / p[3])
        return {
            "estimator": SAME_BATCH, "grad_sq": square(g), "grad_mid_sq": square(self.at[0.5][part]),
            "grad_end_sq": square(self.at[1.0][part]), "delta_sq": square(d),
            "dgrad_sq": square(self.at[1.0][part] - g), "smoothness": math.sqrt(best[2] / best[3]),
            "smoothness_gamma": best[0],
            "ceiling": (math.sqrt(square(g)) + math.sqrt(best[1])) / math.sqrt(best[3]),
            "noise_floor": 0.01, "loss": 0.5, "loss_end": 0.25, "grad_delta": float(g @ d),
            "cost_ns": 1000, "grad_evals": 4, "gammas": np.array(points).tobytes()}


def parts_of(world):
    return [slice(*part[[0, -1]] + [0, 1]) for part in np.array_split(np.arange(N), world)]


def record_shards(ranks, step, made, **more):
    for rank, part in zip(ranks, parts_of(len(ranks)), strict=True):
        record(rank, wire.PROBE, step, **{**made.probe(part), "combine": SHARD, **more})


def series_of(steps, x):
    """What numpy says of the whole: (x, y, ceiling)."""
    norm = np.linalg.norm
    start = np.array([norm(s.g) for s in steps])
    if x == "start":
        whole = [s.probe() for s in steps]
        return start, [p["smoothness"] for p in whole], [p["ceiling"] for p in whole]
    middle, end = (np.array([norm(s.at[gamma]) for s in steps]) for gamma in (0.5, 1.0))
    length = np.array([norm(s.d) for s in steps])
    secant = np.array([norm(s.at[1.0] - s.g) for s in steps]) / length
    return (start + 4 * middle + end) / 6, secant, (start + end) / length


def scatter(trajd, query=""):
    return trajd.json(f"{RUN}/scatter{query}")


def fits(trajd, query=""):
    return trajd.json(f"{RUN}/fits{query}")["data"]


def shards(world, n_steps, seed, **hello):
    rng = np.random.default_rng(seed)
    ranks = [Rank("r", rank, world, **hello) for rank in range(world)]
    steps = [Step(rng) for _ in range(n_steps)]
    for step, made in enumerate(steps):
        record_shards(ranks, step, made)
    return ranks, steps


# ---- probes of shards

@pytest.mark.parametrize("x", ["start", "simpson"])
def test_the_scatter_of_shards_is_that_of_the_whole_vector(trajd, fleet, x):
    ranks, steps = shards(3, 40, 1)
    fleet.deliver(ranks)
    reply = scatter(trajd, f"?x={x}")
    data = reply["data"]
    for name, expected in zip(("x", "y", "ceiling"), series_of(steps, x)):
        assert data[name] == pytest.approx(list(expected), rel=1e-12)
    assert (data["rank"], data["group"], data["window"]) == ("global", 0, 1)
    assert reply["excluded"] == 0
    assert reply["ranks"] == {
        "world": 3, "whole": 40, "unchecked": 0, "incomplete": 0, "ranks_differ": 0,
        "gammas_differ": 0, "disagree": 0, "cost_ns": 40000, "grad_evals": 160, "last_whole": 39,
        "n_missing": 0, "missing": []}
    assert scatter(trajd, f"?x={x}&rank=global") == reply


def test_the_rivals_of_shards_go_by_the_loss_that_they_say(trajd, fleet):
    rng = np.random.default_rng(9)
    ranks, losses = [Rank("r", rank, 2) for rank in range(2)], 1 + rng.uniform(size=60)
    for step, loss in enumerate(losses):
        record_shards(ranks, step, Step(rng), loss=float(loss), loss_end=float(loss) / 2)
    fleet.deliver(ranks)
    for x, least in (("start", losses.min()), ("simpson", losses.min() * 0.75)):
        said = fits(trajd, f"?regressor={x}")
        assert said["rivals_absent"] is None and said["rivals"]["n"] == 60
        assert said["rivals"]["f_star"] == pytest.approx(least, rel=1e-12)


def test_a_rank_can_still_be_had_for_itself(trajd, fleet):
    ranks, steps = shards(2, 5, 2)
    fleet.deliver(ranks)
    for rank, part in enumerate(parts_of(2)):
        reply = scatter(trajd, f"?x=start&rank={rank}")
        assert reply["data"]["x"] == pytest.approx([np.linalg.norm(s.g[part]) for s in steps])
        assert reply["data"]["rank"] == str(rank) and reply["ranks"] is None
    reply = scatter(trajd, "?x=start&rank=all")
    assert reply["data"]["rank"] == "all" and len(reply["data"]["x"]) == 10


def test_a_part_is_never_shown_as_the_whole(trajd, fleet):
    """Rank 2 is never heard of; ranks 0 and 3 stop early. Then rank 2 comes."""
    ranks, steps = shards(4, 20, 3)
    del ranks[0].records[16:], ranks[3].records[12:]
    fleet.deliver([ranks[0], ranks[1], ranks[3]])
    reply = scatter(trajd)
    assert reply["data"]["x"] == [] and reply["excluded"] == 20
    assert reply["ranks"]["incomplete"] == 20 and reply["ranks"]["last_whole"] is None
    assert reply["ranks"]["missing"] == [0, 2, 3] and reply["ranks"]["n_missing"] == 3
    data = fits(trajd)
    assert (data["n"], data["n_excluded"], data["excluded"]["incomplete"]) == (0, 20, 20)
    assert data["reason"] == "all_excluded"
    series = trajd.json(f"{RUN}/series?metric=smoothness,probe_grad_norm")["data"]["metrics"]
    assert series["smoothness"]["count"] == series["probe_grad_norm"]["count"] == []
    assert trajd.json(f"{RUN}/diagnostics")["data"]["probes"] == 0

    fleet.deliver([ranks[2]])
    reply = scatter(trajd)
    assert reply["data"]["x"] == pytest.approx(list(series_of(steps[:12], "simpson")[0]), rel=1e-12)
    assert reply["excluded"] == 8 and reply["ranks"]["missing"] == [0, 3]
    probes = trajd.json(f"{RUN}/ranks?from=0&to=19")["data"]["probes"]
    assert (probes["whole"], probes["incomplete"]) == (0, 0)  # no STEP says that there are steps


def test_other_gammas_are_refused_and_named(trajd, fleet):
    ranks, steps = shards(2, 10, 4)
    other = Step(np.random.default_rng(9))
    first, second = parts_of(2)
    record(ranks[0], wire.PROBE, 10, **{**other.probe(first), "combine": SHARD})
    record(ranks[1], wire.PROBE, 10, **{**other.probe(second, (0.5, 1.0)), "combine": SHARD})
    for rank in ranks:
        rank.step(10, loss=0.5, grad_sq=1.0, combine=SHARD)
    fleet.deliver(ranks)
    reply = scatter(trajd)
    assert len(reply["data"]["x"]) == 10 and reply["excluded"] == 1
    assert reply["ranks"]["gammas_differ"] == 1
    assert fits(trajd)["excluded"]["gammas_differ"] == 1
    (finding,) = trajd.json(f"{RUN}/ranks")["data"]["findings"]
    assert (finding["code"], finding["kind"], finding["field"]) == ("gammas_differ", "probe", "gammas")
    assert (finding["first_step"], finding["steps"]) == (10, 1)


def test_the_fit_the_series_and_the_diagnostics_are_of_the_whole(trajd, fleet):
    ranks, steps = shards(3, 60, 5)
    for rank in ranks:
        for step in range(60):
            rank.step(step, loss=0.5, grad_sq=1.0, combine=SHARD)
    fleet.deliver(ranks)
    data = fits(trajd)
    x, y, _ = series_of(steps, "simpson")
    slope, intercept = np.polyfit(x, y, 1)
    ols = next(f for f in data["fits"] if f["method"] == "ols")
    assert data["n"] == 60 and data["regressor"] == "simpson"
    assert (ols["L1"], ols["L0"]) == pytest.approx((slope, intercept), rel=1e-6)
    series = trajd.json(f"{RUN}/series?metric=smoothness,secant&buckets=100")["data"]["metrics"]
    assert series["secant"]["last"] == pytest.approx(list(y), rel=1e-12)
    assert series["smoothness"]["last"] == pytest.approx(list(series_of(steps, "start")[1]), rel=1e-12)
    descent = trajd.json(f"{RUN}/diagnostics")["data"]["descent"]["probes"]
    assert descent["n"] == 60
    assert descent["predicted"] == pytest.approx(-sum(float(s.g @ s.d) for s in steps), rel=1e-9)
    part = trajd.json(f"{RUN}/series?metric=secant&buckets=100&rank=1")["data"]["metrics"]["secant"]
    assert part["last"] != pytest.approx(list(y), rel=1e-3)


def test_the_live_fit_follows_ranks_that_lag_go_back_and_start_again(trajd, fleet):
    """After each delivery what is remembered is what a scan of everything says."""
    world = 4
    rng = np.random.default_rng(6)
    ranks = [Rank("r", rank, world) for rank in range(world)]
    everything = f"?from=0&to={2 ** 63}"
    looks = 0

    def look(records):
        nonlocal looks
        looks += 1
        trajd.wait(lambda: fits(trajd) == fits(trajd, everything)
                   and int(trajd.json(RUN)["records"]["probe"]) == records, "the same fit")

    for step in range(40):
        record_shards(ranks, step, Step(rng))
    late = ranks[3].records[25:]
    del ranks[3].records[25:]
    fleet.deliver(ranks)
    trajd.wait(lambda: trajd.metrics()["analysis_fits_total"] >= 1, "a fit")
    look(145)
    assert (fits(trajd)["n"], fits(trajd)["excluded"]["incomplete"]) == (25, 15)
    ranks[3].records += late[:10]
    fleet.deliver(ranks)
    look(155)
    assert fits(trajd)["n"] == 35
    for step in range(30, 50):  # all go back within their attempt, rank 3 has lost some
        record_shards(ranks, step, Step(rng))
    fleet.deliver(ranks)
    look(235)
    assert fits(trajd)["n"] == 55
    again = [Rank("r", rank, world, attempt=2) for rank in range(world)]
    for step in range(45, 60):
        record_shards(again, step, Step(rng))
        for rank in again:
            rank.step(step, loss=0.5, grad_sq=1.0, combine=SHARD)
    fleet.deliver(again[:3])
    look(280)
    fleet.deliver(again[3:])
    look(295)
    assert looks == 5


def test_256_shards_make_the_pairs_of_the_whole(trajd, fleet):
    rng = np.random.default_rng(7)
    ranks = [Rank("r", rank, 256) for rank in range(256)]
    squares = rng.uniform(0.5, 2, (30, 256, 3))
    for step in range(30):
        for rank in range(256):
            g, dg, d = squares[step, rank]
            points = np.array([(1.0, 2 * g, dg, d)]).tobytes()
            record(ranks[rank], wire.PROBE, step, estimator=SAME_BATCH, combine=SHARD, grad_sq=g,
                   grad_end_sq=2 * g, dgrad_sq=dg, delta_sq=d, gammas=points)
    fleet.deliver(ranks)
    data = scatter(trajd, "?x=start")["data"]
    assert data["x"] == pytest.approx(list(np.sqrt(squares[:, :, 0].sum(1))), rel=1e-12)
    ratio = squares[:, :, 1].sum(1) / squares[:, :, 2].sum(1)
    assert data["y"] == pytest.approx(list(np.sqrt(ratio)), rel=1e-12)


def test_slices_of_many_probes_join_without_a_seam(trajd, fleet):
    """More probes than a slice, of two classes at each step."""
    rng = np.random.default_rng(8)
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    squares = rng.uniform(0.5, 2, (3000, 2))
    for step in range(3000):
        for rank in range(2):
            for estimator in (SAME_BATCH, 5):
                record(ranks[rank], wire.PROBE, 7 * step, estimator=estimator, combine=SHARD,
                       grad_sq=float(squares[step, rank]), dgrad_sq=1.0, delta_sq=1.0,
                       smoothness=1.0, smoothness_gamma=1.0)
    fleet.deliver(ranks)
    reply = scatter(trajd, "?x=start&estimator=same_batch")
    assert reply["data"]["step"] == [7 * step for step in range(3000)]
    assert reply["data"]["x"] == pytest.approx(list(np.sqrt(squares.sum(1))), rel=1e-12)
    assert reply["ranks"]["whole"] == 6000 and reply["ranks"]["incomplete"] == 0


# ---- replicas, and who speaks for all

def test_replicas_are_one_probe_and_disagreement_is_a_finding(trajd, fleet):
    rng = np.random.default_rng(10)
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    steps = [Step(rng) for _ in range(6)]
    for step, made in enumerate(steps):
        for k, rank in enumerate(ranks):
            probe = made.probe()
            probe["dgrad_sq"] *= 1.5 if k == 1 and step >= 4 else 1
            record(rank, wire.PROBE, step, **{**probe, "combine": REPLICA})
            rank.step(step, loss=0.5, grad_sq=1.0, combine=REPLICA)
    del ranks[1].records[6:8]  # rank 1 lacks step 3
    for seq, made in enumerate(ranks[1].records, 1):
        made.seq = seq
    fleet.deliver(ranks)
    reply = scatter(trajd)
    assert reply["data"]["x"] == pytest.approx(list(series_of(steps, "simpson")[0]), rel=1e-12)
    assert [reply["ranks"][name] for name in ("whole", "unchecked", "disagree", "missing")] == [
        5, 1, 2, [1]]
    data = trajd.json(f"{RUN}/ranks")["data"]
    (finding,) = data["findings"]
    assert (finding["code"], finding["kind"], finding["field"]) == (
        "replicas_disagree", "probe", "dgrad_sq")
    assert (finding["first_step"], finding["steps"], finding["ranks"]) == (4, 2, [0, 1])
    assert finding["factor"] == pytest.approx(1 / 3, rel=1e-12)
    assert data["probes"] == reply["ranks"]


def test_without_a_rule_rank_0_speaks_for_all(trajd, fleet):
    rng = np.random.default_rng(11)
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    steps = [Step(rng) for _ in range(4)]
    for step, made in enumerate(steps):
        record(ranks[0], wire.PROBE, step, **made.probe())
    ranks[1].step(0, loss=0.5)
    fleet.deliver(ranks)
    assert scatter(trajd)["data"]["x"] == pytest.approx(list(series_of(steps, "simpson")[0]))


# ---- layers

def group(name, size, **more):
    return {"name": name, "size": size, **more}


def test_layers_are_combined_by_name(trajd, fleet):
    """Two stages of a pipeline, the second cut in two shards; `norm` is on all."""
    hello = [[group("embed", 10), group("norm", 3)], [group("norm", 3), group("head", 20)],
             [group("head", 22), group("norm", 4)]]
    ranks = [Rank("r", rank, 3, groups=hello[rank]) for rank in range(3)]
    rng = np.random.default_rng(12)
    for step in (8, 16):
        squares = rng.uniform(1, 2, (3, 2))
        for k, rank in enumerate(ranks):
            for own in (1, 2):
                record(rank, wire.GROUP, step, group=own, combine=SHARD, param_sq=4.0,
                       grad_sq=float(squares[k, own - 1]))
    record(ranks[0], wire.GROUP, 24, group=1, combine=SHARD, grad_sq=9.0)
    record(ranks[0], wire.GROUP, 24, group=2, combine=SHARD, grad_sq=9.0)
    fleet.deliver(ranks)
    reply = trajd.json(f"{RUN}/layers")
    assert [(la["group"], la["name"], la["size"], la["ranks"], la["size_sum"])
            for la in reply["data"]] == [
        (1, "embed", 10, 1, 10), (2, "norm", 3, 3, 10), (3, "head", 20, 2, 42)]
    newest = reply["newest"]
    assert (newest["group"], newest["step"]) == ([1, 2, 3], [24, 16, 16])
    assert newest["grad_sq"] == pytest.approx(
        [9.0, squares[0, 1] + squares[1, 0] + squares[2, 1], squares[1, 1] + squares[2, 0]], rel=1e-15)
    assert newest["param_sq"] == [None, 12.0, 8.0]
    own = trajd.json(f"{RUN}/layers?rank=2")
    assert [la["name"] for la in own["data"]] == ["head", "norm"] and own["newest"] is None
    assert trajd.get(f"{RUN}/layers?rank=3")[0] == 404
    assert trajd.get(f"{RUN}/layers?rank=x")[0] == 400


def test_the_scatter_of_a_layer_is_of_all_ranks_that_have_it(trajd, fleet):
    hello = [[group("embed", 10)], [group("head", 40), group("other", 1)],
             [group("other", 1), group("head", 24)]]
    ranks = [Rank("r", rank, 3, groups=hello[rank]) for rank in range(3)]
    rng = np.random.default_rng(13)
    steps = [Step(rng) for _ in range(20)]
    for step, made in enumerate(steps):
        for rank, own, part in (1, 1, slice(0, 40)), (2, 2, slice(40, N)):
            record(ranks[rank], wire.PROBE, step, **{**made.probe(part), "combine": SHARD,
                                                     "group": own})
        record(ranks[0], wire.PROBE, step, **{**made.probe(slice(0, 5)), "combine": SHARD, "group": 1})
    del ranks[2].records[15:]
    fleet.deliver(ranks)
    reply = scatter(trajd, "?group=2")
    assert reply["data"]["group"] == 2 and reply["ranks"]["missing"] == [2]
    for name, expected in zip(("x", "y", "ceiling"), series_of(steps[:15], "simpson")):
        assert reply["data"][name] == pytest.approx(list(expected), rel=1e-12)
    assert (reply["ranks"]["whole"], reply["ranks"]["incomplete"]) == (15, 5)
    assert fits(trajd, "?group=2")["n"] == 15
    assert len(scatter(trajd, "?group=1")["data"]["x"]) == 20  # rank 0 alone has it
    assert scatter(trajd, "?group=3")["data"]["x"] == []
    own = scatter(trajd, "?group=2&rank=2&x=start")["data"]
    assert own["x"] == pytest.approx([np.linalg.norm(s.g[40:]) for s in steps[:15]])
    status, _, body = trajd.get(f"{RUN}/scatter?group=4")
    assert status == 400 and b"group" in body


# ---- microbatches

def test_microbatch_pairs_are_means_over_windows(trajd, fleet):
    """Two shards; K = 4: U(v) = (4 ||vbar||^2 - mean ||v_k||^2)/3."""
    rng = np.random.default_rng(14)
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    u_grad, u_dgrad, delta = (rng.normal(mean, 1, (100, 2)) for mean in (4, 1, 1))
    delta = 0.5 + delta ** 2
    for step in range(100):
        for k, rank in enumerate(ranks):
            points = np.array([(1.0, 9.0, 8.0, float(delta[step, k]))]).tobytes()
            record(rank, wire.PROBE, step, estimator=MICROBATCH, combine=SHARD, micro_batches=4,
                   grad_sq=9.0, grad_end_sq=9.0, micro_grad_sq=36 - 3 * float(u_grad[step, k]),
                   dgrad_sq=8.0, micro_dgrad_sq=32 - 3 * float(u_dgrad[step, k]),
                   delta_sq=float(delta[step, k]), gammas=points)
    fleet.deliver(ranks)
    for window, query in (8, ""), (20, "?window=20"):
        n = 100 // window * window
        grad, dgrad, length = (v[:n].sum(1).reshape(-1, window).mean(1)
                               for v in (u_grad, u_dgrad, delta))
        reply = scatter(trajd, query)
        assert reply["data"]["window"] == window
        assert reply["data"]["step"] == list(range(window - 1, n, window))
        assert reply["data"]["x"] == pytest.approx(list(np.sqrt(grad)), rel=1e-12)
        assert reply["data"]["y"] == pytest.approx(list(np.sqrt(dgrad / length)), rel=1e-12)
        assert reply["excluded"] == 100 - n
        data = fits(trajd, query)
        assert (data["window"], data["n"], data["excluded"]["window_open"]) == (
            window, n // window, 100 - n)
    assert (u_dgrad.sum(1) < 0).any()  # some have no root of their own
    alone = scatter(trajd, "?window=1")
    assert len(alone["data"]["x"]) < 100 and alone["data"]["window"] == 1
    for wrong in "?window=0", "?window=1025":
        assert trajd.get(f"{RUN}/scatter{wrong}")[0] == 400


# ---- the noise scale

def test_ranks_norms_before_the_reduction_give_the_noise_scale(trajd, fleet):
    """Each rank its own gradient's square, and that of the reduced one."""
    world, local = 4, 16
    rng = np.random.default_rng(15)
    ranks = [Rank("r", rank, world) for rank in range(world)]
    signal, noise = [], []
    for step in range(50):
        own = 1 + rng.standard_normal((world, 20))
        g_sq, own_sq = square(own.mean(0)), float((own ** 2).sum(1).mean())
        for k, rank in enumerate(ranks):
            rank.step(step, grad_sq=g_sq, micro_grad_sq=square(own[k]), micro_batches=1,
                      batch_samples=world * local, combine=REPLICA)
        small, big = local, world * local
        signal.append((big * g_sq - small * own_sq) / (big - small))
        noise.append((own_sq - g_sq) / (1 / small - 1 / big))
    fleet.deliver(ranks)
    data = trajd.json(f"{RUN}/diagnostics")["data"]["noise"]
    everything = data["windows"][-1]
    assert (everything["n"], data["reason"]) == (50, None)
    assert everything["signal_sq"] == pytest.approx(np.mean(signal), rel=1e-12)
    assert everything["noise"] == pytest.approx(np.mean(noise), rel=1e-12)
    assert everything["scale"] == pytest.approx(np.mean(noise) / np.mean(signal), rel=1e-12)


@pytest.mark.parametrize("fields, why, words", [
    ({"stage": LOCAL, "combine": REPLICA}, "no_gradient", "after the reduction"),
    ({"combine": REPLICA}, "no_part_norm", "micro_grad_sq"),
    ({"combine": SHARD, "micro_grad_sq": 4.0, "micro_batches": 2}, "shards", "shards"),
])
def test_why_there_is_no_noise_scale_is_said(trajd, fleet, fields, why, words):
    ranks = [Rank("r", rank, 2) for rank in range(2)]
    for step in range(3):
        for rank in ranks:
            rank.step(step, grad_sq=1.0, batch_samples=8, **fields)
    fleet.deliver(ranks)
    data = trajd.json(f"{RUN}/diagnostics")["data"]["noise"]
    assert data["absent"][why] == 3 and sum(data["absent"].values()) == 3
    assert words in data["reason"]
    assert {w["n"] for w in data["windows"]} == {0}
