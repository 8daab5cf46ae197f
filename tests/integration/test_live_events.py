"""Event streams of a real trajd: what watchers get while a run goes on."""
import math

import wire
from peer import Peer
from stream import Stream
from trajd import Trajd

RUN = "/api/v1/runs/r/events"


def step(peer, k, **fields):
    peer.record(wire.STEP, step=k, **{name: wire.f64(value) for name, value in fields.items()})


def peer_of(trajd, run_id="r", **hello):
    peer = Peer(trajd.ingest, run_id, **hello)
    step(peer, 0, loss=1.0)
    peer.deliver()
    return peer


def test_committed_rows_come_with_their_values(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store"
    step(peer, 1, loss=math.nan, grad_sq=9.0, lr=0.1)
    step(peer, 2, loss=1 / 3, grad_sq=math.inf)
    peer.record(wire.PROBE, step=2, smoothness=wire.f64(8.0), grad_sq=wire.f64(4.0),
                grad_end_sq=wire.f64(16.0), delta_sq=wire.f64(0.25), dgrad_sq=wire.f64(9.0), flags=4,
                smoothness_gamma=wire.f64(0.5), noise_floor=wire.f64(0.5))
    peer.deliver()
    stream.read_until(lambda s: s.rows("step")[-1:] == [2] and
                      s.of("rows")[-1]["probe"]["step"] == [2], "the rows")
    assert stream.rows("step") == [1, 2]
    assert stream.rows("seq") == [2, 3]
    assert stream.rows("attempt") == [1, 1]
    assert stream.rows("loss") == ["NaN", 1 / 3]
    assert stream.rows("grad_norm") == [3, "Infinity"]
    assert stream.rows("lr") == [0.1, None]
    probe = stream.of("rows")[-1]["probe"]
    assert probe == {"attempt": [1], "step": [2], "start": [2], "trapezoid": [3],
                     "simpson": [None], "smoothness": [8], "smoothness_ceiling": [None],
                     "smoothness_noise_floor": [0.5], "smoothness_rounding_floor": [None],
                     "secant": [6], "secant_ceiling": [12], "secant_noise_floor": [0.25],
                     "secant_rounding_floor": [None], "flags": [4]}
    stream.close()


def test_every_row_of_a_slow_run_comes_once_and_in_order(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    for k in range(1, 151):
        step(peer, k, loss=float(k))
    peer.deliver(frame=5, window=1)
    stream.read_until(lambda s: s.rows("step")[-1:] == [150], "the last row")
    assert stream.rows("step") == list(range(1, 151))
    assert stream.rows("loss") == [float(k) for k in range(1, 151)]
    stream.close()


def test_a_backlog_is_not_sent_but_announced(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    for k in range(1, 1001):
        step(peer, k, loss=float(k))
    peer.deliver(frame=1000)
    stream.read_until(lambda s: s.of("more"), "more")
    assert stream.of("more")[-1] == {"run": "r", "last_step": 1000}
    stream.close()


def test_the_end_of_a_run_is_told_to_its_streams_and_to_all(trajd):
    peer = peer_of(trajd)
    one, every = Stream(trajd.http, RUN), Stream(trajd.http, "/api/v1/events")
    peer.record(wire.EVENT, event=1, severity=0, text="", exit_code=wire.i64(3))
    peer.deliver()
    for stream in one, every:
        stream.read_until(lambda s: any(r["state"] == "failed" for r in s.of("run")), "failed")
        assert stream.of("run")[-1]["exit_code"] == 3
        assert stream.of("run")[-1]["id"] == "r"
        stream.close()
    assert every.of("rows") == []


def test_a_fit_event_says_what_the_route_says(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    for k in range(1, 61):
        x = 1.0 + k * 37 % 11
        peer.record(wire.PROBE, step=k, estimator=3, smoothness=wire.f64(2 + 3 * x),
                    grad_sq=wire.f64(x * x), delta_sq=wire.f64(1e-9))
    peer.deliver()
    stream.read_until(lambda s: any(f["n"] == 60 for f in s.of("fit")), "the fit of all")
    fit = stream.of("fit")[-1]
    assert fit.pop("run") == "r"
    assert fit == trajd.json("/api/v1/runs/r/fits")["data"]
    said = trajd.json("/api/v1/runs/r/verdict")["data"]
    stream.read_until(lambda s: any(v["sentence"] == said["sentence"] for v in s.of("verdict")), "the verdict of all")
    assert stream.of("verdict")[-1] == {"run": "r", "verdict": said["verdict"], "sentence": said["sentence"]}
    stream.close()


def test_a_trainer_is_told_to_wait_less_where_somebody_looks(trajd):
    peer = peer_of(trajd)
    other = peer_of(trajd, "other")
    said = []
    for looking in False, True:
        streams = [Stream(trajd.http, RUN)] if looking else []
        streams.append(Stream(trajd.http, "/api/v1/events"))
        for p in peer, other:
            step(p, 10 + looking, loss=1.0)
            p.deliver()
            said.append(p.acks[-1]["wait_ms"])
        for stream in streams:
            stream.close()
    assert said == [1000, 1000, 200, 1000]


def test_a_cut_stream_goes_on_where_it_was(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    step(peer, 1, loss=1.0)
    peer.deliver()
    stream.read_until(lambda s: s.rows("step") == [1], "step 1")
    last_id = stream.last_id
    stream.close()
    step(peer, 2, loss=2.0)
    peer.deliver()
    again = Stream(trajd.http, RUN, last_event_id=last_id)
    again.read_until(lambda s: 2 in s.rows("step"), "step 2")
    assert again.rows("step") == [2]
    assert again.of("resync") == []
    again.close()


def test_an_id_of_another_start_of_the_daemon_is_void(trajd):
    peer = peer_of(trajd)
    stream = Stream(trajd.http, RUN)
    step(peer, 1, loss=1.0)
    peer.deliver()
    stream.read_until(lambda s: s.rows("step") == [1], "step 1")
    stream.close()
    trajd.kill()
    trajd.start()
    again = Stream(trajd.http, RUN, last_event_id=stream.last_id)
    again.read_until(lambda s: s.of("resync"), "resync")
    again.close()


def test_open_streams_leave_readers_and_connections_to_others(trajd):
    peer_of(trajd)
    streams = [Stream(trajd.http, RUN) for _ in range(60)]
    assert all(stream.status == 200 for stream in streams)
    assert len(trajd.json("/api/v1/runs/r/steps")["data"]["step"]) == 1
    assert trajd.metrics()["sse_streams"] == 60
    for stream in streams:
        stream.close()


def test_there_is_a_highest_number_of_streams(trajd):
    peer_of(trajd)
    streams = []
    while len(streams) < 300:
        stream = Stream(trajd.http, "/api/v1/events")
        if stream.status != 200:
            break
        streams.append(stream)
    assert stream.status == 503
    assert int(stream.headers["retry-after"]) >= 1
    assert stream.headers["content-type"] == "application/problem+json"
    assert len(streams) == 256
    assert trajd.json("/api/v1/runs/r")["id"] == "r"
    for open_stream in [*streams, stream]:
        open_stream.close()


def test_a_client_that_does_not_read_holds_up_nobody(trajd):
    peer = peer_of(trajd)
    stalled = Stream(trajd.http, RUN, receive_buffer=4096)
    reading = Stream(trajd.http, RUN)
    expected = []
    for k in range(1, 4001):
        step(peer, k, loss=k / 3, grad_sq=k / 7, lr=k / 11, delta_sq=k / 13, param_sq=k / 17)
        if k % 100 == 0:
            peer.deliver(frame=100)
            reading.read_until(lambda s: k in s.rows("step"), f"step {k}")
            expected += range(k - 99, k + 1)
    assert reading.rows("step") == expected
    stalled.read_until(lambda s: s.of("resync") or 4000 in s.rows("step"), "what it missed")
    stalled.close()
    reading.close()


def test_a_quiet_stream_has_a_heart(trajd):
    peer_of(trajd)
    stream = Stream(trajd.http, "/api/v1/events")
    stream.read_until(lambda s: "hb" in s.comments, "a heartbeat", timeout_s=15)
    stream.close()


def test_streams_of_no_run_and_odd_parameters_are_refused(trajd):
    assert Stream(trajd.http, "/api/v1/runs/none/events").status == 404
    peer_of(trajd)
    assert Stream(trajd.http, RUN + "?from=3").status == 400


def test_stopping_says_bye_to_every_stream(tmp_path):
    trajd = Trajd(tmp_path).start()
    peer_of(trajd)
    streams = [Stream(trajd.http, path) for path in [RUN, "/api/v1/events"] * 10]
    trajd.send_signal(15)
    for stream in streams:
        stream.read_to_the_end()
        assert stream.events[-1][0] == "bye"
        stream.close()
    assert trajd.process.wait(20) == 0
    trajd.end()
