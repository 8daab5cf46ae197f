"""A run is complete and exact: what the trainer recorded is in the export, bit
for bit, none lost, none twice, whatever was killed or stopped in between."""
import os
import re
import signal
import threading

import pytest

import wire
from emitter import Emitter, assert_exact, exported, layers_of, sync
from peer import Peer
from test_ingest import garbage, steps
from trajd import Trajd


@pytest.mark.parametrize("struct", ["traj_step", "traj_probe", "traj_sharpness",
                                    "traj_group_step", "traj_moments"])
def test_every_field_of_the_api_is_among_what_is_recorded(struct):
    header = (wire.ROOT / "client/traj.h").read_text()
    body = re.search(rf"struct {struct} \{{\n(.*?)\n\}};", header, re.S)[1]
    body = re.sub(r"/\*.*?\*/", "", body, flags=re.S)
    fields = {re.match(r"\w+", name.split()[-1])[0] for line in body.split(";") if line.strip()
              for name in line.split(",")} - {"size", "moments"}
    emitter = (wire.ROOT / "tests/integration/emitter.c").read_text()
    recorded = set(re.findall(rf"\({struct}, (\w+)\)", emitter))
    variable = struct.removeprefix("traj_")
    recorded |= set(re.findall(rf"\b{variable}\.(\w+)(?:\[i\])? =", emitter))
    assert len(fields) >= 7 and recorded == fields


def test_a_normal_run(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 10000).wait()
    assert_exact(trajd, emitter, "r")
    run = trajd.run("r")
    assert (run["state"], run["exit_code"], run["last_step"]) == ("finished", 0, 9999)
    assert (run["lost_records"], run["dropped_records"], run["late_records"]) == (0, 0, 0)
    assert (run["complete"], run["gaps"]) == (True, [])
    assert sum(run["records"].values()) == emitter.recorded_lines() + 1


def test_a_run_of_4096_groups_comes_through_a_killed_daemon(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 48, end="wait", groups=4096)
    trajd.wait(lambda: trajd.get("/api/v1/runs/r")[0] == 200, "the HELLO")
    trajd.kill()
    trajd.start()
    trajd.wait(lambda: emitter.recorded_lines() >= 3 * 4096 + 48 + 5 + 2 + 7 + 1, "all recorded", 60)
    trajd.wait(lambda: sum(trajd.run("r")["records"].values()) == emitter.recorded_lines(), "all", 60)
    trajd.kill()
    trajd.start()
    assert_exact(trajd, emitter.kill(), "r", finished=False)
    assert trajd.json("/api/v1/runs/r/layers")["data"] == layers_of(4096)
    rows = exported(trajd, "r")
    assert [fields["group"] for _, kind, fields in rows if kind == wire.GROUP] == 3 * list(
        range(1, 4097))
    assert any(fields.get("group", 0) > 3 for _, kind, fields in rows if kind == wire.PROBE)
    records = trajd.run("r")["records"]
    assert (records["group"], records["step"], records["sharpness"]) == (3 * 4096, 48, 2)


def test_a_run_that_fails(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 500, end="fail").wait()
    assert_exact(trajd, emitter, "r")
    assert (trajd.run("r")["state"], trajd.run("r")["exit_code"]) == ("failed", 3)


def test_trajd_killed_three_times_during_the_run(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 15000, pause_us=100)
    for part in (1, 2, 3):
        trajd.wait(lambda part=part: emitter.recorded_lines() > 4000 * part, "progress", 60)
        trajd.kill()
        trajd.start()
    emitter.wait()
    assert_exact(trajd, emitter, "r")
    assert trajd.run("r")["state"] == "finished"


def test_the_trainer_killed_then_synced(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 1000000, pause_us=20)
    trajd.wait(lambda: emitter.recorded_lines() > 5000, "progress")
    emitter.kill()
    sync(emitter.spools, trajd.ingest)
    assert_exact(trajd, emitter, "r", finished=False, killed=True)
    run = trajd.run("r")
    assert (run["state"], run["exit_code"], run["lost_records"]) == ("lost", None, 0)
    assert run["streams"][0]["closed"]
    assert (run["complete"], run["gaps"], run["late_records"]) == (True, [], 0)


def test_trajd_absent_for_the_whole_run_then_synced(tmp_path):
    trajd = Trajd(tmp_path).start()
    assert trajd.stop() == 0
    emitter = Emitter(tmp_path, trajd.ingest, "r", 5000, end="close").wait()
    trajd.start()
    sync(emitter.spools, trajd.ingest)
    assert_exact(trajd, emitter, "r", finished=False)
    sync(emitter.spools, trajd.ingest)
    assert_exact(trajd, emitter, "r", finished=False)
    assert trajd.run("r")["lost_records"] == 0
    trajd.end()


def test_trajd_stopped_for_ten_seconds(trajd, tmp_path):
    """Slow: SIGSTOP, then SIGCONT 10 s later."""
    emitter = Emitter(tmp_path, trajd.ingest, "r", 22000, pause_us=500)
    trajd.wait(lambda: emitter.recorded_lines() > 1000, "progress")
    os.kill(trajd.process.pid, signal.SIGSTOP)
    before = emitter.recorded_lines()
    threading.Event().wait(10)
    assert emitter.recorded_lines() > before + 1000, "the trainer waited for the daemon"
    os.kill(trajd.process.pid, signal.SIGCONT)
    emitter.wait()
    assert_exact(trajd, emitter, "r")
    assert trajd.run("r")["state"] == "finished"


def test_a_second_attempt_after_the_trainer_was_killed(trajd, tmp_path):
    first = Emitter(tmp_path, trajd.ingest, "r", 1000000, pause_us=50)
    trajd.wait(lambda: first.recorded_lines() > 3000, "progress")
    first.kill()
    second = Emitter(tmp_path, trajd.ingest, "r", 2000, first=1500).wait()
    trajd.wait(lambda: all(s["closed"] for s in trajd.run("r")["streams"]), "both ends")
    assert_exact(trajd, first, "r", attempt=1, finished=False, killed=True)
    assert_exact(trajd, second, "r", attempt=2)
    run = trajd.run("r")
    assert (run["attempts"], run["state"], run["last_step"]) == (2, "finished", 3499)
    # Each step once: the second attempt's from where it began.
    page = trajd.json("/api/v1/runs/r/steps?fields=step,loss&from=1400&to=1600&limit=1000")["data"]
    assert page["step"] == list(range(1400, 1601))
    assert page["attempt"] == [1] * 100 + [2] * 101


def test_broken_frames_in_between_harm_nothing(trajd, tmp_path):
    emitter = Emitter(tmp_path, trajd.ingest, "r", 10000, pause_us=50)
    peer = Peer(trajd.ingest, "other")
    steps(peer, 64)
    peer.ask(peer.send_hello)
    n_refused = n_unsupported = 0
    good = wire.data(peer.uid, peer.records, 1)
    broken = garbage(peer)
    for i in range(200):
        for raw in broken:
            peer.send_raw(raw)
            n_refused += 1
        flipped = bytearray(good)
        flipped[i * 7919 % len(good)] ^= 1 << i % 8
        for raw in (good[:i * 31 % len(good)], bytes(flipped), good + bytes(i + 1)):
            peer.send_raw(raw)
            n_refused += 1
        peer.send_raw(wire.message(wire.DATA, peer.uid, b"", version=i % 250 + 2))
        n_unsupported += 1
    for _ in range(n_unsupported):
        assert peer.receive()["status"] == wire.REFUSED
    emitter.wait()
    assert_exact(trajd, emitter, "r")
    metrics = trajd.metrics()
    assert metrics["ingest_refused_total"] == n_refused
    assert metrics["ingest_unsupported_total"] == n_unsupported
    assert trajd.run("other")["records"]["step"] == 0
    assert trajd.run("r")["lost_records"] == 0


def test_two_trainers_of_one_run_at_once_are_two_attempts(trajd, tmp_path):
    emitters = []
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        emitters.append(Emitter(tmp_path / part, trajd.ingest, "r", 3000, pause_us=20))
    for emitter in emitters:
        emitter.wait()
    run = trajd.run("r")
    assert run["attempts"] == 2
    assert sum(run["records"].values()) == sum(e.recorded_lines() + 1 for e in emitters)
    for attempt in (1, 2):
        assert_exact(trajd, emitters[0], "r", attempt=attempt)  # the same random bits
