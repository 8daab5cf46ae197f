"""GET /series against a second reading of the same records in Python."""
import math
import random
import sqlite3

import pytest

import wire
from peer import Peer

RUN = "/api/v1/runs/r"


def bits_or_value(value):
    """How the API writes a double."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def buckets(points, most):
    """(shift, [bucket]) of [(step, value)] by the rule of the text."""
    shift = 0
    while len({step >> shift for step, _ in points}) > most:
        shift += 1
    return shift, buckets_of(points, shift)


def buckets_of(points, shift):
    out = []
    for key in sorted({step >> shift for step, _ in points}):
        inside = [(s, v) for s, v in points if s >> shift == key]
        finite = [(s, v) for s, v in inside if math.isfinite(v)]
        low = min(finite, key=lambda p: (p[1], p[0]), default=(None, None))
        high = max(finite, key=lambda p: (p[1], -p[0]), default=(None, None))
        last = [v for s, v in inside if s == max(p[0] for p in inside)][-1]
        out.append({"step_first": min(s for s, _ in inside), "step_last": max(s for s, _ in inside),
                    "min": low[1], "argmin": low[0], "max": high[1], "argmax": high[0],
                    "last": bits_or_value(last), "count": len(inside),
                    "nonfinite": len(inside) - len(finite)})
    return out


def rows_of(columns):
    names = list(columns)
    return [dict(zip(names, values)) for values in zip(*columns.values(), strict=True)]


def ask(trajd, metric, **query):
    words = "".join(f"&{name.rstrip('_')}={value}" for name, value in query.items())
    return trajd.json(f"{RUN}/series?metric={metric}{words}")


@pytest.fixture
def run(trajd):
    """Two kinds of values over 5000 steps: spikes, NaN, Inf, gaps, equals."""
    rng = random.Random(7)
    peer = Peer(trajd.ingest, "r")
    points = {"loss": [], "grad_norm": [], "smoothness": [], "metric:eval/acc": []}
    for step in range(0, 10000, 2):
        loss = rng.choice([rng.gauss(0, 1), 0.5, math.nan if step % 700 == 0 else 1.0])
        if step == 4242:
            loss = 1e30
        if step == 4244:
            loss = -math.inf
        fields = {"step": step, "loss": wire.f64(loss)}
        points["loss"].append((step, loss))
        if step % 3:
            square = rng.random()
            fields["grad_sq"] = wire.f64(square)
            points["grad_norm"].append((step, math.sqrt(square)))
        peer.record(wire.STEP, **fields)
        if step % 50 == 0:
            y = rng.random() + 0.1
            peer.record(wire.PROBE, step=step, smoothness=wire.f64(y))
            points["smoothness"].append((step, y))
        if step % 100 == 0:
            peer.record(wire.METRIC, step=step, name="eval/acc", value=wire.f64(step / 7))
            peer.record(wire.METRIC, step=step, name="eval/other", value=wire.f64(-1.0))
            points["metric:eval/acc"].append((step, step / 7))
    peer.deliver(frame=500)
    return points


@pytest.mark.parametrize("most", [10, 100, 1000, 20000])
def test_each_metric_is_bucketed_by_the_rule(trajd, run, most):
    for metric, points in run.items():
        reply = ask(trajd, metric, buckets=most)
        shift, expected = buckets(points, most)
        assert reply["data"]["bucket_steps"] == 1 << shift
        assert rows_of(reply["data"]["metrics"][metric]) == expected
        assert reply["sampling"] == {"method": "none" if len(points) == len(expected) else "minmax",
                                     "rows_in": len(points), "rows_out": len(expected), "thinned": 0}


def test_several_metrics_share_the_coarsest_grid(trajd, run):
    reply = ask(trajd, ",".join(run), buckets=50)
    shift = max(buckets(points, 50)[0] for points in run.values())
    assert reply["data"]["bucket_steps"] == 1 << shift
    for metric, points in run.items():
        assert rows_of(reply["data"]["metrics"][metric]) == buckets_of(points, shift)


def test_a_window_is_inclusive_at_both_ends(trajd, run):
    reply = ask(trajd, "loss", from_=4240, to=4246)
    points = [(s, v) for s, v in run["loss"] if 4240 <= s <= 4246]
    assert len(points) == 4
    assert rows_of(reply["data"]["metrics"]["loss"]) == buckets(points, 1000)[1]


def test_a_closed_bucket_stays_as_the_run_goes_on(trajd):
    peer = Peer(trajd.ingest, "r")
    seen = {}
    for step in range(1000):
        peer.record(wire.STEP, step=step, loss=wire.f64(math.sin(step)))
        if step % 100 == 99:
            peer.deliver()
            data = ask(trajd, "loss", buckets=10)["data"]
            rows = rows_of(data["metrics"]["loss"])
            for row in rows[:-1]:
                key = (data["bucket_steps"], row["step_first"] // data["bucket_steps"])
                assert seen.setdefault(key, row) == row
    assert len(seen) > 10


def test_a_metric_that_nobody_measured_is_empty(trajd, run):
    reply = ask(trajd, "epoch,metric:none/such")
    assert all(column == [] for series in reply["data"]["metrics"].values()
               for column in series.values())
    assert reply["sampling"] == {"method": "none", "rows_in": 0, "rows_out": 0, "thinned": 0}


def test_derived_metrics(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=1, delta_sq=wire.f64(0.25), param_sq=wire.f64(100.0),
                grad_clipped_sq=wire.f64(4.0), clip_threshold=wire.f64(0.5))
    peer.record(wire.PROBE, step=1, smoothness=wire.f64(8.0), grad_sq=wire.f64(1.0),
                grad_mid_sq=wire.f64(4.0), grad_end_sq=wire.f64(9.0), delta_sq=wire.f64(0.25))
    peer.deliver()
    expected = {"delta_norm": 0.5, "param_norm": 10, "update_ratio": 0.05, "grad_clipped_norm": 2,
                "clip_threshold": 0.5, "smoothness": 8, "step_limit": 0.25, "probe_grad_norm": 1,
                "trapezoid": 2, "simpson": 2, "secant_ceiling": 8}
    series = ask(trajd, ",".join(expected))["data"]["metrics"]
    assert {name: series[name]["last"] for name in expected} == {k: [v] for k, v in expected.items()}


def test_layers_have_series_of_their_own(trajd):
    """Numbers are those of each attempt's HELLO; names may have colons."""
    for attempt, names in (1, ["a", "b:0"]), (2, ["b:0", "a"]):
        peer = Peer(trajd.ingest, "r", attempt=attempt,
                    groups=[{"name": name, "size": 1} for name in names])
        for step in range(5 * (attempt - 1), 5 * attempt):
            for group, name in enumerate(names, 1):
                scale = 1.0 if name == "a" else 2.0
                peer.record(wire.GROUP, step=step, group=group, grad_nan=step,
                            grad_sq=wire.f64((scale * step) ** 2))
        peer.deliver()
    series = ask(trajd, "group:grad_norm:a,group:grad_norm:b:0,group:grad_nan:a,group:grad_sq:c")
    metrics = series["data"]["metrics"]
    assert metrics["group:grad_norm:a"]["last"] == [float(step) for step in range(10)]
    assert metrics["group:grad_norm:b:0"]["max"] == [2.0 * step for step in range(10)]
    assert metrics["group:grad_nan:a"]["min"] == [float(step) for step in range(10)]
    assert metrics["group:grad_sq:c"]["count"] == []


def test_who_trains_is_asked_of_each_attempt(trajd):
    """A reduced gradient is that of `world` processes; sgd is stable to 2 / lr."""
    for attempt, world, optimizer in (1, 1, "sgd"), (2, 4, "adam"):
        peer = Peer(trajd.ingest, "r", attempt=attempt, world=world, optimizer=optimizer)
        for step in range(5 * (attempt - 1), 5 * attempt):
            peer.record(wire.STEP, step=step, grad_sq=wire.f64(64.0), stage=8, lr=wire.f64(0.5),
                        momentum=wire.f64(0.5))
        peer.deliver()
    metrics = ask(trajd, "grad_norm,edge_of_stability", rank=0)["data"]["metrics"]
    assert metrics["grad_norm"]["last"] == [8.0] * 5 + [2.0] * 5
    assert metrics["edge_of_stability"]["last"] == [6.0] * 5 + [12.0] * 5


@pytest.fixture
def sealed(trajd):
    """8,192 steps, most of them in chunks, and trajd has ended."""
    peer = Peer(trajd.ingest, "r")
    rng = random.Random(3)
    points = [(step, rng.gauss(0, 1) if step % 911 else math.nan) for step in range(8192)]
    for step, loss in points:
        peer.record(wire.STEP, step=step, loss=wire.f64(loss))
    peer.deliver(frame=64)
    peer.close()
    assert trajd.stop() == 0
    return points


def test_a_sealed_run_reads_as_one_that_is_not(trajd, sealed):
    trajd.start()
    for most in 10, 700, 20000:
        for query in {}, {"from_": 100, "to": 5000}, {"from_": 255, "to": 256}, {"from_": 8191}:
            low, high = query.get("from_", 0), query.get("to", 10 ** 9)
            inside = [(s, v) for s, v in sealed if low <= s <= high]
            shift, expected = buckets(inside, most)
            reply = ask(trajd, "loss", buckets=most, **query)
            assert reply["data"]["bucket_steps"] == 1 << shift
            assert rows_of(reply["data"]["metrics"]["loss"]) == expected
            assert reply["sampling"]["rows_in"] == len(inside)


def test_a_run_without_its_records_says_so(trajd, sealed):
    db = sqlite3.connect(trajd.db)
    with db:
        db.execute("UPDATE chunk SET body = x''")
        db.execute("UPDATE stream_progress SET thinned_seq = (SELECT max(last_seq) FROM chunk)")
    thinned, = db.execute("SELECT sum(records) FROM chunk").fetchone()
    db.close()
    assert 4096 <= thinned <= 8192  # the log has the others
    trajd.start()
    for most in 10, 20000:  # as fine as there is: 256 steps
        reply = ask(trajd, "loss", buckets=most)
        shift = max(8, buckets(sealed, most)[0])
        assert reply["data"]["bucket_steps"] == 1 << shift
        assert rows_of(reply["data"]["metrics"]["loss"]) == buckets_of(sealed, shift)
        assert reply["sampling"] == {"method": "minmax", "rows_in": 8192, "thinned": thinned,
                                     "rows_out": 8192 >> shift}
    reply = ask(trajd, "loss", rank="global")
    assert sum(reply["data"]["metrics"]["loss"]["count"]) == 8192 - thinned
    assert reply["sampling"]["thinned"] == thinned


def test_attempts_are_chosen(trajd):
    for attempt, value in (1, 10.0), (2, 20.0):
        peer = Peer(trajd.ingest, "r", attempt=attempt)
        for step in range(5 * (attempt - 1), 10):
            peer.record(wire.STEP, step=step, loss=wire.f64(value + step))
        peer.deliver()

    def losses(**query):
        data = ask(trajd, "loss", **query)["data"]["metrics"]["loss"]
        return list(zip(data["step_first"], data["min"], data["max"]))
    newest = [(s, 10.0 + s, 10.0 + s) for s in range(5)] + [(s, 20.0 + s, 20.0 + s) for s in range(5, 10)]
    assert losses() == newest
    assert losses(attempt=1) == [(s, 10.0 + s, 10.0 + s) for s in range(10)]
    assert losses(attempt="all") == newest[:5] + [(s, 10.0 + s, 20.0 + s) for s in range(5, 10)]


@pytest.mark.parametrize("query, named", [
    ("", "metric"), ("?metric=", "metric"), ("?metric=nonsense", "nonsense"),
    ("?metric=loss,loss", "twice"), ("?metric=loss&buckets=9", "buckets"),
    ("?metric=loss&buckets=20001", "buckets"), ("?metric=loss&from=5&to=4", "from"),
    ("?metric=loss&foo=1", "foo"), ("?metric=" + ",".join(["loss"] * 20), "metric"),
    ("?metric=loss&from=-1", "from"), ("?metric=gammas", "gammas")])
def test_what_is_asked_wrongly_is_named(trajd, query, named):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=1, loss=wire.f64(1.0))
    peer.deliver()
    status, headers, body = trajd.get(RUN + "/series" + query)
    assert status == 400
    assert headers["content-type"] == "application/problem+json"
    assert named in body.decode()
