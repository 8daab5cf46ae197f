"""Alerts of a real trajd: raised, listed, told and sent out, once, whatever
happens to the trainer or to trajd."""
import http.server
import json
import math
import os
import socket
import subprocess
import threading
import time

import pytest

import wire
from care import assert_whole, query
from fleet import Fleet, Rank
from peer import Peer
from stream import Stream
from test_verdict import Wanderer
from trajd import BUILD, Trajd


@pytest.fixture
def daemon(tmp_path):
    """Starts trajds with flags, which end with the test."""
    started = []

    def start(*flags):
        started.append(Trajd(tmp_path, *flags).start())
        return started[-1]

    yield start
    for one in started:
        one.end()


def ripple(k):
    return 0.9 + 0.1 * (k % 3)


def send(trajd, name, losses, first=0, **fields):
    peer = Peer(trajd.ingest, name)
    add(peer, losses, first, **fields)
    peer.deliver()
    return peer


def add(peer, losses, first, **fields):
    for k, loss in enumerate(losses, first):
        peer.record(wire.STEP, step=k, wall_ns=k, loss=wire.f64(loss), **fields)


def alerts(trajd, name, **filters):
    text = "".join(f"&{key}={value}" for key, value in filters.items())
    return trajd.json(f"/api/v1/runs/{name}/alerts?limit=1000{text}")["data"]


def wait_for(trajd, name, n=1, timeout_s=20.0, **filters):
    def enough():
        found = alerts(trajd, name, **filters)
        return found if len(found) >= n else None
    found = trajd.wait(enough, f"{n} alerts of {name}", timeout_s)
    assert len(found) == n
    return found


# ---- raised

def test_a_loss_that_is_not_finite_is_told_at_its_first_step(daemon):
    trajd = daemon()
    everything = Stream(trajd.http, "/api/v1/events")
    send(trajd, "r", [1.0] * 10 + [math.nan] * 10).close()
    [alert] = wait_for(trajd, "r")
    assert int(alert.pop("wall_ns")) > 1_700_000_000_000_000_000
    assert alert == {"run": "r", "rule": "non_finite", "severity": "error", "attempt": 1, "rank": None,
                     "step": 10, "value": "NaN", "limit": None, "sentence": "the loss is NaN at step 10"}
    everything.read_until(lambda s: s.of("alert"), "an event")
    [told] = everything.of("alert")
    assert told == trajd.json("/api/v1/alerts")["data"][0]
    everything.read_until(lambda s: s.of("run")[-1]["alerts"] == 1, "the run with its count")
    everything.close()
    for run in (trajd.run("r"), trajd.json("/api/v1/runs")["data"][0], everything.of("run")[-1]):
        assert (run["alerts"], run["alert_errors"]) == (1, 1)
    assert 'trajd_alerts_total{rule="non_finite"} 1' in trajd.get("/metrics")[2].decode()
    assert trajd.json("/api/v1/self")["counters"]["alerts_total"] == 1


def test_the_stream_of_a_run_has_its_alerts_and_no_others(daemon):
    trajd = daemon()
    other = send(trajd, "other", [1.0])
    peer = send(trajd, "r", [1.0])
    stream = Stream(trajd.http, "/api/v1/runs/r/events")
    add(other, [math.inf], 1)
    other.deliver()
    wait_for(trajd, "other")
    add(peer, [-math.inf], 1)
    peer.deliver()
    stream.read_until(lambda s: s.of("alert"), "an event")
    assert [(a["run"], a["step"], a["value"]) for a in stream.of("alert")] == [("r", 1, "-Infinity")]
    stream.close()
    other.close()
    peer.close()


def test_a_spike_is_raised_by_trajd_or_by_the_trainer(daemon):
    trajd = daemon("--alert-spike-z", "6.5")
    peer = send(trajd, "r", [ripple(k) for k in range(96)] + [2.0])
    [alert] = wait_for(trajd, "r")
    assert (alert["rule"], alert["step"], alert["limit"]) == ("spike", 96, 6.5)
    assert alert["value"] == pytest.approx(1 / (1.482602218505602 * 0.1), rel=1e-9)
    add(peer, [ripple(k) for k in range(40)], 97)
    add(peer, [1.0], 137, flags=16)
    peer.deliver()
    peer.close()
    newest, _ = wait_for(trajd, "r", 2)
    assert (newest["rule"], newest["step"]) == ("spike", 137)
    assert newest["sentence"].startswith("the trainer reports a spike")


def test_a_trainer_that_hangs_or_is_killed_is_told(daemon):
    trajd = daemon("--lost-after", "2")
    peer = send(trajd, "r", [1.0] * 5)
    trajd.wait(lambda: trajd.run("r")["state"] == "live", "live")
    [alert] = wait_for(trajd, "r")
    peer.close()
    assert (alert["rule"], alert["severity"], alert["step"], alert["limit"]) == ("stall", "error", 4, 2)
    assert alert["value"] >= 2
    assert alert["sentence"].startswith("nothing was heard of the trainer for ")
    # It goes on a little, and is silent again: it was not clear for a while.
    peer = Peer(trajd.ingest, "r", attempt=2)
    add(peer, [1.0] * 5, 5)
    peer.deliver()
    assert trajd.run("r")["state"] == "live"
    trajd.wait(lambda: trajd.run("r")["state"] == "lost", "lost")
    wait_for(trajd, "r", 2)  # another attempt is another stall
    peer.close()


def test_a_trainer_that_is_heard_but_makes_no_step_is_stalled(daemon):
    trajd = daemon()
    peer = send(trajd, "r", [1.0] * 5)

    def beat():
        peer.send_records(len(peer.records) + 1, 0)
        return alerts(trajd, "r")

    [alert] = trajd.wait(beat, "a stall", 60.0)
    assert trajd.run("r")["state"] == "stalled"
    assert (alert["rule"], alert["severity"], alert["step"], alert["limit"]) == ("stall", "warning", 4, 30)
    assert 30 < alert["value"] < 40
    assert alert["sentence"].endswith("though the trainer is heard: it hangs, or a step takes long")
    add(peer, [1.0] * 5, 5)
    peer.deliver()
    trajd.wait(lambda: trajd.run("r")["state"] == "live", "live")
    peer.close()


def test_shares_of_clipped_and_skipped_steps_have_limits(daemon):
    trajd = daemon("--alert-clip-fraction", "0.5")
    send(trajd, "clipped", [1.0] * 1000, clip_scale=wire.f64(0.25), grad_sq=wire.f64(4.0)).close()
    [alert] = wait_for(trajd, "clipped")
    assert (alert["rule"], alert["step"], alert["value"], alert["limit"]) == ("clip_fraction", 999, 1, 0.5)
    send(trajd, "skipped", [1.0] * 100, delta_sq=wire.f64(0.0), grad_sq=wire.f64(4.0), lr=wire.f64(0.1)).close()
    [alert] = wait_for(trajd, "skipped")
    assert (alert["rule"], alert["step"], alert["value"], alert["limit"]) == ("skipped", 99, 1, 0.5)


def test_what_a_verdict_says_is_raised_too(daemon):
    """lr 0.1 where 2 over the largest smoothness is some 0.01; and at step 600,
    where the learning rate drops, another law begins."""
    trajd = daemon()
    wanderer = Wanderer(1)

    def lr(k):
        wanderer.L1 = 0.7 if k < 599 else 0.2
        return 0.1 if k < 600 else 0.01

    wanderer.send(trajd, "r", 1200, lr=lr)
    found = trajd.wait(lambda: alerts(trajd, "r", rule="l1_jump"), "a jump")
    assert [(a["step"], a["limit"]) for a in found] == [(600, 2)]
    assert found[0]["value"] == pytest.approx(0.7 / 0.2, rel=0.3)
    Wanderer(2).send(trajd, "s", 600)
    [alert] = trajd.wait(lambda: alerts(trajd, "s", rule="lr_over_limit"), "the learning rate")
    said = trajd.json("/api/v1/runs/s/advice")["data"]["advice"]
    assert alert["value"] == pytest.approx(said["lr_over_limit"], rel=0.3) and alert["value"] > 1


def test_no_more_than_32_of_a_rule_are_raised(daemon):
    trajd = daemon()
    send(trajd, "r", ([math.nan] + [1.0] * 100) * 40).close()
    found = wait_for(trajd, "r", 32, 60.0, rule="non_finite")
    assert [a["step"] for a in found] == [101 * i for i in range(31, -1, -1)]
    assert found[0]["sentence"].endswith(" (the last of this rule: more are not raised)")
    time.sleep(2.5)  # two more looks
    assert len(alerts(trajd, "r", rule="non_finite")) == 32


def test_a_restart_raises_nothing_again_and_goes_on(daemon):
    trajd = daemon()
    peer = send(trajd, "r", [1.0] * 10 + [math.nan] * 10)
    before = wait_for(trajd, "r")
    for end in (trajd.stop, trajd.kill):
        end()
        trajd.start()
        peer.connect()
        peer.send_hello()
        add(peer, [1.0] * 150, len(peer.records))
        add(peer, [math.nan], len(peer.records))
        peer.deliver()
        before = wait_for(trajd, "r", len(before) + 1)
        assert before[0]["step"] == len(peer.records) - 1
    peer.close()
    assert [a["step"] for a in before] == [321, 170, 10]
    assert_whole(trajd.db)


def test_alerts_are_queried_shown_and_deleted_with_their_run(daemon):
    trajd = daemon()
    send(trajd, "r", ([math.nan] + [1.0] * 100) * 7).close()
    wait_for(trajd, "r", 7)
    rows = subprocess.run([BUILD / "traj", "query", "--db", trajd.db, "--format", "json",
                           "SELECT run, step, rule, value, sentence FROM alerts WHERE step = 101"],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(rows) == [{"run": "r", "step": 101, "rule": "non_finite", "value": None,
                                 "sentence": "the loss is NaN at step 101"}]
    show = [BUILD / "traj", "show", "r", "--url", f"http://{trajd.http}"]
    shown = subprocess.run(show, capture_output=True, text=True, check=True, timeout=60).stdout
    assert shown.count("error non_finite: the loss is NaN at step ") == 5
    assert "\nalerts     error non_finite: the loss is NaN at step 606 (" in shown
    both = subprocess.run([*show, "--json"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(both)["alerts"] == alerts(trajd, "r")[:5]
    assert query(trajd.db, "SELECT count(*) FROM alert") == [(7,)]
    request = f"DELETE /api/v1/runs/r HTTP/1.1\r\nHost: {trajd.http}\r\nConnection: close\r\n\r\n"
    assert b" 204 " in raw(trajd, request)
    assert query(trajd.db, "SELECT count(*) FROM alert") == [(0,)]
    assert_whole(trajd.db)


# ---- of many ranks

WORLD = 256


def ranks_of(name, steps, world=WORLD, **options):
    """All ranks of a run, with a loss for each of the steps."""
    ranks = [Rank(name, rank, world, **options) for rank in range(world)]
    for rank in ranks:
        for k in range(steps):
            rank.step(k, loss=1.0)
    return ranks


@pytest.fixture
def fleet(daemon):
    trajd = daemon()
    fleet = Fleet(trajd.ingest)
    yield trajd, fleet
    fleet.close()


def test_the_rank_that_is_not_finite_is_named_though_all_are_a_step_later(daemon):
    """Replicas: rank 17's NaN is in the reduced gradient, and so in all of them."""
    hook = Webhook(200)
    trajd = daemon("--alert-webhook", hook.url)
    fleet = Fleet(trajd.ingest)
    ranks = ranks_of("r", 50)
    for rank, one in enumerate(ranks):
        one.step(50, loss=math.nan if rank == 17 else 1.0)
        for k in range(51, 60):
            one.step(k, loss=math.nan)
    stream = Stream(trajd.http, "/api/v1/events")
    fleet.deliver(ranks)
    [alert] = wait_for(trajd, "r")
    stream.read_until(lambda s: s.of("alert"), "an event")
    assert stream.of("alert") == [alert]
    stream.close()
    assert (alert["rank"], alert["step"], alert["attempt"], alert["severity"]) == (17, 50, 1, "error")
    assert alert["sentence"] == "rank 17: the loss is NaN at step 50; 255 more within 10 steps"
    trajd.wait(lambda: hook.bodies, "the webhook")
    assert [json.loads(body) for body in hook.bodies] == [alert]
    assert alerts(trajd, "r", rank=17) == [alert]
    assert alerts(trajd, "r", rank=16) == []
    rows = subprocess.run([BUILD / "traj", "query", "--db", trajd.db, "--format", "json",
                           "SELECT run, rank, step FROM alerts"],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    assert json.loads(rows) == [{"run": "r", "rank": 17, "step": 50}]
    shown = subprocess.run([BUILD / "traj", "show", "r", "--url", f"http://{trajd.http}"],
                           capture_output=True, text=True, check=True, timeout=60).stdout
    assert "\nalerts     error non_finite: rank 17: the loss is NaN at step 50; 255 more within 10 steps (" in shown
    # Nothing of it again after a restart, and then what is new.
    trajd.kill()
    trajd.start()
    for one in ranks:
        for k in range(60, 200):
            one.step(k, loss=1.0)
    ranks[200].step(200, loss=math.inf)
    fleet.deliver(ranks)
    newest, before = wait_for(trajd, "r", 2)
    assert (newest["rank"], newest["step"], newest["value"]) == (200, 200, "Infinity")
    assert before == alert
    hook.close()
    fleet.close()
    assert_whole(trajd.db)


def test_what_all_ranks_have_at_one_step_is_one_alert_of_the_run(fleet):
    trajd, fleet = fleet
    ranks = ranks_of("r", 50)
    for one in ranks:
        one.step(50, loss=math.nan)
    fleet.deliver(ranks)
    [alert] = wait_for(trajd, "r")
    assert (alert["rank"], alert["step"]) == (None, 50)
    assert alert["sentence"] == "all 256 ranks: the loss is NaN at step 50"
    time.sleep(3)  # other ranks' time is over
    assert alerts(trajd, "r") == [alert]


def test_the_spike_of_one_rank_names_it(fleet):
    trajd, fleet = fleet
    ranks = [Rank("r", rank, 4) for rank in range(4)]
    for one in ranks:
        for k in range(96):
            one.step(k, loss=ripple(k))
    ranks[2].step(96, loss=2.0)
    fleet.deliver(ranks)
    [alert] = wait_for(trajd, "r")
    assert (alert["rule"], alert["rank"], alert["step"]) == ("spike", 2, 96)
    assert alert["value"] == pytest.approx(1 / (1.482602218505602 * 0.1), rel=1e-9)
    assert alert["sentence"].startswith("rank 2: loss 2 at step 96 is 6.74 robust standard deviations ")


def test_a_rank_that_falls_silent_while_the_others_go_on_is_named(daemon):
    trajd = daemon("--lost-after", "4")
    peers = [Peer(trajd.ingest, "r", rank=rank, world=3) for rank in range(3)]

    def step(*who):
        for rank in who:
            add(peers[rank], [1.0], len(peers[rank].records))
            peers[rank].deliver()
        return [a for a in alerts(trajd, "r") if a["rule"] == "stall"]

    step(0, 1, 2)
    trajd.wait(lambda: trajd.run("r")["state"] == "live", "live")
    time.sleep(1.5)  # a look at it
    step(0, 1, 2)
    [alert] = trajd.wait(lambda: step(0, 2), "a stall", 30.0)
    assert (alert["rank"], alert["severity"], alert["limit"]) == (1, "error", 4)
    assert alert["step"] == len(peers[1].records) - 1
    assert alert["sentence"].startswith("rank 1: nothing was heard of the trainer for ")
    assert trajd.run("r")["state"] == "live"
    # Then all of them: of the run, for the others are further.
    for _ in range(12):
        step(0, 2)
    for peer in peers:
        peer.close()
    found = wait_for(trajd, "r", 2, 30.0, rule="stall")
    assert found[1] == alert
    assert (found[0]["rank"], found[0]["step"]) == (1, len(peers[0].records) - 1)
    assert f"; rank 1 is behind, at step {alert['step']}" in found[0]["sentence"]


def test_of_more_records_of_all_ranks_than_a_look_takes_the_newest_are_seen(fleet):
    trajd, fleet = fleet
    ranks = ranks_of("r", 300)
    ranks[100].step(300, loss=math.nan)
    trajd.stop()
    trajd.start()
    fleet.deliver(ranks)
    trajd.stop()
    trajd.start()  # all of them are there at its first look
    ranks[0].step(300, loss=1.0)
    fleet.deliver(ranks[:1])
    [alert] = wait_for(trajd, "r")
    assert (alert["rank"], alert["step"]) == (100, 300)
    assert trajd.metrics()["alert_records_skipped_total"] >= 300 * WORLD - 65536 - WORLD


def raw(trajd, request):
    host, port = trajd.http.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request.encode())
        return connection.recv(65536)


# ---- sent to a command

def script(folder, text):
    path = folder / "command"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_a_command_gets_the_json_and_nothing_else(daemon, tmp_path):
    out = tmp_path / "out"
    os.mkdir(out)
    command = script(tmp_path, f"""
ls -l /proc/self/fd > {out}/fds
echo "$# $TRAJD_ALERT_RULE $TRAJD_ALERT_RUN" > {out}/words
grep SigBlk /proc/self/status > {out}/signals
cat > {out}/part; echo noise; mv {out}/part {out}/json
""")
    trajd = daemon("--alert-command", command)
    send(trajd, "r", [1.0, math.nan]).close()
    [alert] = wait_for(trajd, "r")
    trajd.wait(lambda: (out / "json").exists(), "the command's file")
    assert json.loads((out / "json").read_text()) == alert
    assert (out / "words").read_text() == "0 non_finite r\n"
    # What ls has: three files, and the folder it reads.
    names = [line.split()[8] for line in (out / "fds").read_text().splitlines()[1:]]
    assert names == ["0", "1", "2", "3"]
    assert (out / "signals").read_text().split() == ["SigBlk:", "0" * 16]
    trajd.wait(lambda: trajd.metrics()["alert_notices_sent_total"] == 1, "sent")
    assert trajd.stop() == 0
    assert "noise" not in trajd.log()


def test_a_command_that_fails_is_logged_and_the_next_one_runs(daemon, tmp_path):
    command = script(tmp_path, f"echo x >> {tmp_path}/runs; exit 3\n")
    trajd = daemon("--alert-command", command)
    send(trajd, "a", [math.nan]).close()
    trajd.wait(lambda: trajd.metrics()["alert_notices_failed_total"] == 1, "failed")
    assert 'event=alert_not_sent by=command run=a rule=non_finite error="exit status 3"' in trajd.log()
    send(trajd, "b", [math.nan]).close()
    trajd.wait(lambda: trajd.metrics()["alert_notices_failed_total"] == 2, "failed")
    assert (tmp_path / "runs").read_text() == "x\nx\n"
    command.unlink()
    send(trajd, "c", [math.nan]).close()
    trajd.wait(lambda: trajd.metrics()["alert_notices_failed_total"] == 3, "failed")


def test_a_hanging_command_is_killed_with_its_children(daemon, tmp_path):
    command = script(tmp_path, f"sleep 1000 & echo $! > {tmp_path}/pid; wait\n")
    trajd = daemon("--alert-command", command)
    send(trajd, "r", [math.nan]).close()
    trajd.wait((tmp_path / "pid").exists, "the command")
    began = time.monotonic()
    trajd.wait(lambda: trajd.metrics()["alert_notices_failed_total"] == 1, "killed", 30)
    assert 8 < time.monotonic() - began < 20
    assert "took too long and was killed" in trajd.log()
    child = int((tmp_path / "pid").read_text())
    trajd.wait(lambda: not is_running(child), "its child")


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_stopping_does_not_wait_for_a_command_that_hangs(daemon, tmp_path):
    command = script(tmp_path, f"echo x > {tmp_path}/begun; exec sleep 1000\n")
    trajd = daemon("--alert-command", command)
    for name in ("a", "b", "c"):
        send(trajd, name, [math.nan]).close()
        wait_for(trajd, name)
    trajd.wait((tmp_path / "begun").exists, "the command")
    began = time.monotonic()
    assert trajd.stop() == 0
    assert time.monotonic() - began < 6
    assert "event=alert_dropped run=" in trajd.log()


# ---- sent to a webhook

class Webhook:
    """Answers with these statuses, the last one for ever."""

    def __init__(self, *statuses, headers=()):
        self.bodies = []
        self.types = []
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                hook.types.append(self.headers["Content-Type"])
                self.send_response(statuses[min(len(hook.bodies), len(statuses)) - 1])
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_a_webhook_that_fails_twice_gets_it_the_third_time(daemon):
    hook = Webhook(500, 503, 204)
    trajd = daemon("--alert-webhook", hook.url)
    send(trajd, "r", [math.nan]).close()
    trajd.wait(lambda: trajd.metrics()["alert_notices_sent_total"] == 1, "sent", 30)
    [alert] = wait_for(trajd, "r")
    assert [json.loads(body) for body in hook.bodies] == [alert] * 3
    assert hook.types == ["application/json"] * 3
    assert trajd.metrics()["alert_notices_failed_total"] == 0
    hook.close()


def test_a_webhook_is_tried_three_times_and_redirects_are_not_followed(daemon):
    elsewhere = Webhook(200)
    hook = Webhook(302, headers=[("Location", elsewhere.url)])
    trajd = daemon("--alert-webhook", hook.url)
    send(trajd, "r", [math.nan]).close()
    trajd.wait(lambda: trajd.metrics()["alert_notices_failed_total"] == 1, "failed", 30)
    assert (len(hook.bodies), elsewhere.bodies) == (3, [])
    assert 'by=webhook run=r rule=non_finite error="answered 302"' in trajd.log()
    hook.close()
    elsewhere.close()


def test_after_a_restart_nothing_is_sent_again(daemon):
    hook = Webhook(200)
    trajd = daemon("--alert-webhook", hook.url)
    peer = send(trajd, "r", [math.nan] * 5)
    trajd.wait(lambda: len(hook.bodies) == 1, "sent")
    trajd.kill()
    trajd.start()
    peer.connect()
    peer.send_hello()
    add(peer, [math.nan] * 5, 5)
    peer.deliver()
    add(peer, [1.0] * 100 + [math.nan], 10)
    peer.deliver()
    peer.close()
    trajd.wait(lambda: len(hook.bodies) == 2, "sent")
    assert [json.loads(body)["step"] for body in hook.bodies] == [0, 110]
    hook.close()
