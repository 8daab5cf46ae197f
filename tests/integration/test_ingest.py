"""trajd on the wire, message by message: what it answers, counts and keeps."""
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request

import pytest
import zmq

import wire
from peer import Peer
from trajd import BUILD, Trajd, comparable, export_rows


def steps(peer, n, first=0):
    for i in range(first, first + n):
        peer.record(wire.STEP, step=i, wall_ns=time.time_ns(), loss=wire.f64(1 / (i + 1)))


def assert_exact(trajd, peer, kind=wire.STEP, attempt=1):
    """The export is what the peer recorded: each record once, bit for bit."""
    run_id, rank = peer.hello["run_id"], peer.hello["rank"]
    got = [row for row in export_rows(trajd, run_id, kind) if row[:2] == (attempt, rank)]
    assert got == [(attempt, rank, r.seq, comparable(kind, r.fields))
                   for r in peer.records if r.kind == kind]


# ---- the protocol ------------------------------------------------------------


def test_data_before_hello_is_answered_need_hello_and_not_stored(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 3)
    ack = peer.ask(peer.send_records, 1, 3)
    assert (ack["status"], ack["attempt"], ack["committed_seq"]) == (wire.NEED_HELLO, 0, 0)
    assert trajd.metrics()["ingest_unknown_stream_total"] == 1
    assert trajd.get("/api/v1/runs/r")[0] == 404


def test_an_acknowledgement_says_what_is_committed(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 5)
    ack = peer.ask(peer.send_hello)
    assert (ack["status"], ack["attempt"], ack["committed_seq"]) == (wire.OK, 1, 0)
    assert ack["window"] == 64
    ack = peer.ask(peer.send_records, 1, 5)
    assert (ack["status"], ack["committed_seq"]) == (wire.OK, 5)
    assert_exact(trajd, peer)


def test_sending_twice_changes_nothing(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 10)
    peer.ask(peer.send_hello)
    peer.ask(peer.send_records, 1, 6)
    for first, count in ((1, 6), (4, 5), (1, 10), (3, 2)):
        ack = peer.ask(peer.send_records, first, count)
        assert ack["status"] == wire.OK
    assert ack["committed_seq"] == 10
    ack = peer.ask(peer.send_hello)
    assert (ack["status"], ack["committed_seq"], ack["attempt"]) == (wire.OK, 10, 1)
    assert_exact(trajd, peer)
    assert trajd.metrics()["ingest_duplicate_rows_total"] == 6 + 3 + 8 + 2


def test_a_message_ahead_is_answered_gap_and_not_stored(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 10)
    peer.ask(peer.send_hello)
    peer.ask(peer.send_records, 1, 3)
    ack = peer.ask(peer.send_records, 5, 2)
    assert (ack["status"], ack["committed_seq"]) == (wire.ACK_GAP, 3)
    assert trajd.metrics()["ingest_gap_total"] == 1
    assert trajd.run("r")["records"]["step"] == 3


def test_records_lost_at_source_are_counted_at_the_run(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 10)
    peer.ask(peer.send_hello)
    peer.ask(peer.send_records, 1, 3)
    ack = peer.ask(peer.send_records, 6, 5, wire.GAP)
    assert (ack["status"], ack["committed_seq"]) == (wire.OK, 10)
    run = trajd.run("r")
    assert (run["lost_records"], run["records"]["step"]) == (2, 8)


def test_a_keepalive_is_a_sign_of_life(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.ask(peer.send_hello)
    before = int(trajd.run("r")["streams"][0]["heard_wall_ns"])

    def heard_again():
        ack = peer.ask(lambda: peer.send_raw(wire.data(peer.uid, [], 1)))
        assert (ack["status"], ack["committed_seq"]) == (wire.OK, 0)
        return int(trajd.run("r")["streams"][0]["heard_wall_ns"]) > before

    trajd.wait(heard_again, "a keepalive written down")


def test_a_bye_ahead_of_the_records_is_a_gap(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 2)
    peer.ask(peer.send_hello)
    ack = peer.ask(peer.send_bye)
    assert (ack["status"], ack["committed_seq"]) == (wire.ACK_GAP, 0)
    assert not trajd.run("r")["streams"][0]["closed"]
    peer.deliver()
    assert peer.ask(peer.send_bye)["status"] == wire.ACK_BYE
    assert trajd.run("r")["streams"][0]["closed"]


@pytest.mark.parametrize("hello", [
    '{"run_id":"a/b","attempt":1}', '{"run_id":"r"}', '{"run_id":"r","attempt":0}', "[]", "{",
    '{"run_id":"r","attempt":1,"rank":2,"world":2}', '{"run_id":"..","attempt":1}',
    json.dumps({"run_id": "r", "attempt": 1, "tags": ["t"] * 65}),
])
def test_a_wrong_hello_is_refused_and_makes_no_run(trajd, hello):
    peer = Peer(trajd.ingest, "r")
    ack = peer.ask(lambda: peer.send_raw(wire.hello(peer.uid, hello)))
    assert ack["status"] == wire.REFUSED
    assert trajd.metrics()["ingest_hellos_refused_total"] == 1
    assert trajd.json("/api/v1/runs")["data"] == []


def test_too_many_groups_are_refused_and_the_log_says_so(trajd):
    for n, status in ((4096, wire.OK), (4097, wire.REFUSED)):
        groups = [{"name": str(k), "size": 1} for k in range(n)]
        peer = Peer(trajd.ingest, f"r{n}", groups=groups)
        assert peer.ask(peer.send_hello)["status"] == status
    assert "groups: not an array of at most 4096" in trajd.log()
    assert [run["id"] for run in trajd.json("/api/v1/runs")["data"]] == ["r4096"]


def test_a_message_of_another_version_is_answered_refused(trajd):
    peer = Peer(trajd.ingest, "r")
    for raw in (wire.message(wire.DATA, peer.uid, b"", version=2),
                wire.message(77, peer.uid, b""), wire.bye(peer.uid, 0, flags=64)):
        assert peer.ask(peer.send_raw, raw)["status"] == wire.REFUSED
    assert trajd.metrics()["ingest_unsupported_total"] == 3


def garbage(peer):
    """Messages that nothing can be trusted of."""
    good = wire.data(peer.uid, peer.records[:4], 1)
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    return [b"", b"x", good[:-1], good[:31], good + bytes(8), bytes(flipped), b"\xff" * 4096,
            wire.message(wire.ACK, peer.uid, bytes(40)), bytes((1 << 20) + 8),
            wire.message(wire.HELLO, peer.uid, b" " * (wire.HELLO_MAX + 1))]


def test_what_cannot_be_trusted_is_counted_and_not_answered(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 4)
    peer.ask(peer.send_hello)
    for raw in garbage(peer):
        peer.send_raw(raw)
    peer.socket.send_multipart([wire.bye(peer.uid, 0), b"a second part"])
    ack = peer.ask(peer.send_records, 1, 4)
    assert (ack["status"], ack["committed_seq"]) == (wire.OK, 4)
    assert trajd.metrics()["ingest_refused_total"] == len(garbage(peer)) + 1
    assert_exact(trajd, peer)


def test_a_message_far_too_large_costs_its_sender_the_connection(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 100)
    peer.deliver()
    peer.send_raw(bytes(64 << 20))
    steps(peer, 100, first=100)
    peer.deliver()
    assert_exact(trajd, peer)


def test_two_senders_of_one_stream_are_both_answered(trajd):
    """The trainer, and `traj sync` beside it."""
    peer = Peer(trajd.ingest, "r")
    steps(peer, 20)
    other = Peer(trajd.ingest, "r", uid=peer.uid)
    other.records = peer.records
    peer.ask(peer.send_hello)
    other.ask(other.send_hello, wire.SYNC)
    peer.send_records(1, 20)
    other.send_records(1, 20, wire.SYNC)
    assert peer.receive()["committed_seq"] == 20
    assert other.receive()["committed_seq"] == 20
    assert_exact(trajd, peer)


# ---- streams beside each other -----------------------------------------------


def test_sixteen_streams_interleaved_are_each_exact(trajd):
    peers = [Peer(trajd.ingest, f"run-{i // 4}", rank=i % 4, world=4) for i in range(16)]
    for i, peer in enumerate(peers):
        steps(peer, 300 + i)
        peer.send_hello()
    for first in range(1, 320, 7):
        for peer in peers:
            if first <= len(peer.records):
                peer.send_records(first, min(7, len(peer.records) - first + 1))
    for peer in peers:
        peer.receive_until(lambda ack, peer=peer: ack["committed_seq"] == len(peer.records))
    # Not before all is there: the two forms of an export are two requests, and
    # what other ranks of the run add between them is in one of them only.
    for peer in peers:
        assert_exact(trajd, peer)


def test_a_second_attempt_keeps_what_the_first_one_said(trajd):
    first = Peer(trajd.ingest, "r", attempt=1)
    steps(first, 50)
    first.deliver()
    second = Peer(trajd.ingest, "r", attempt=2)
    steps(second, 40, first=30)
    second.finish()
    assert_exact(trajd, first, attempt=1)
    assert_exact(trajd, second, attempt=2)
    run = trajd.run("r")
    assert (run["attempts"], run["state"], run["last_step"]) == (2, "finished", 69)


def test_an_attempt_that_is_taken_becomes_the_next_free_one(trajd):
    first, second = Peer(trajd.ingest, "r"), Peer(trajd.ingest, "r")
    assert first.ask(first.send_hello)["attempt"] == 1
    assert second.ask(second.send_hello)["attempt"] == 2


def test_deleting_a_run_forgets_its_streams(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 10)
    peer.deliver()
    request = urllib.request.Request(
        f"http://{trajd.http}/api/v1/runs/r", method="DELETE")
    with urllib.request.urlopen(request, timeout=10) as reply:
        assert reply.status == 204
    assert trajd.get("/api/v1/runs/r")[0] == 404
    ack = peer.ask(lambda: peer.send_raw(wire.data(peer.uid, [], 11)))
    assert ack["status"] == wire.NEED_HELLO


# ---- crashes, full disks -----------------------------------------------------


def test_sigkill_loses_nothing_that_was_acknowledged(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 6000)
    kills = {20, 45, 70}
    sent = []

    def kill_sometimes(_):
        sent.append(1)
        if len(sent) in kills:
            trajd.kill()
            trajd.start()

    peer.deliver(window=8, between=kill_sometimes)
    assert len(sent) > max(kills)
    peer.finish()
    assert_exact(trajd, peer)
    assert trajd.run("r")["state"] == "finished"


def test_sigterm_commits_and_acknowledges_what_was_received(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 5000)
    peer.ask(peer.send_hello)
    for first in range(1, 5000, 50):
        peer.send_records(first, 50)
    peer.receive()
    assert trajd.stop() == 0
    while peer.receive(0.2) is not None:
        pass
    acknowledged = peer.committed
    assert not trajd.db.with_name("trajd.db-wal").exists()
    trajd.start()
    assert trajd.run("r")["streams"][0]["committed_seq"] == acknowledged
    peer.deliver()
    assert_exact(trajd, peer)


def test_sigterm_says_bye_to_open_pages_and_leaves_one_file(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 10)
    peer.deliver()
    with urllib.request.urlopen(f"http://{trajd.http}/api/v1/runs/r/events", timeout=20) as page:
        trajd.send_signal(signal.SIGTERM)
        assert b"event: bye\n" in page.read()
    assert trajd.process.wait(10) == 0
    left = {path.name for path in trajd.folder.iterdir()}
    assert left == {"trajd.db", "trajd.db.lock", "trajd.log"}


@pytest.fixture
def held_up(trajd):
    """Stopping, and still writing down: another process has the database."""
    peer = Peer(trajd.ingest, "r")
    steps(peer, 100)
    peer.ask(peer.send_hello)
    lock = sqlite3.connect(trajd.db, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    peer.send_records(1, 100)
    trajd.wait(lambda: trajd.metrics()["ingest_frames_total"] >= 2, "the frame")
    trajd.send_signal(signal.SIGTERM)
    trajd.wait(lambda: "event=stopping" in trajd.log(), "stopping")
    yield trajd, peer, lock
    lock.close()


def test_while_it_drains_it_lives_and_is_not_ready(held_up):
    trajd, peer, lock = held_up
    trajd.wait(lambda: trajd.get("/readyz")[0] == 503, "not ready")
    status, headers, body = trajd.get("/readyz")
    assert (status, json.loads(body)["code"]) == (503, "not_ready")
    assert headers["Content-Type"] == "application/problem+json"
    assert trajd.get("/healthz")[0] == 200
    assert trajd.process.poll() is None
    lock.execute("ROLLBACK")
    assert peer.receive_until(lambda ack: True)["committed_seq"] == 100
    assert trajd.process.wait(10) == 0


def test_a_second_sigterm_ends_it_at_once_and_costs_nothing_acknowledged(held_up):
    trajd, peer, lock = held_up
    begin = time.monotonic()
    trajd.send_signal(signal.SIGTERM)
    assert trajd.process.wait(10) == -signal.SIGTERM
    assert time.monotonic() - begin < 2
    trajd.process.stdout.close()
    lock.execute("ROLLBACK")
    trajd.start()
    peer.deliver()
    assert_exact(trajd, peer)


def test_repeats_late_records_and_gaps_are_told_at_the_run(trajd):
    peer = Peer(trajd.ingest, "r", world=2)
    steps(peer, 20)
    peer.deliver()
    peer.ask(lambda: peer.send_records(11, 10))
    run = trajd.run("r")
    assert (run["repeated_records"], run["late_records"], run["complete"]) == (10, 0, False)
    assert run["gaps"] == ["stream_open", "rank_missing"]
    peer.ask(peer.send_bye)
    steps(peer, 5, first=20)
    peer.ask(lambda: peer.send_records(21, 5))
    run = trajd.run("r")
    assert (run["repeated_records"], run["late_records"]) == (10, 5)
    assert run["streams"][0]["late_records"] == 5
    peer.ask(peer.send_bye)
    assert trajd.run("r")["gaps"] == ["rank_missing"]
    assert trajd.json("/api/v1/runs")["data"][0]["gaps"] == ["rank_missing"]


def test_a_silent_run_is_lost_and_live_again_when_heard(tmp_path):
    trajd = Trajd(tmp_path, "--lost-after", "1").start()
    peer = Peer(trajd.ingest, "r")
    steps(peer, 5)
    peer.deliver()
    assert trajd.run("r")["state"] == "live"
    trajd.wait(lambda: trajd.run("r")["state"] == "lost", "lost")
    assert [run["id"] for run in trajd.json("/api/v1/runs?state=lost")["data"]] == ["r"]
    steps(peer, 5, first=5)
    peer.deliver()
    assert trajd.run("r")["state"] == "live"
    trajd.end()


def test_layers_of_a_damaged_hello_are_no_want_of_memory(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 1)
    peer.deliver()
    assert trajd.json("/api/v1/runs/r/layers")["data"] == []
    with sqlite3.connect(trajd.db) as db:
        db.execute("UPDATE stream SET hello = ?", ('{"groups":[',))
    status, _, body = trajd.get("/api/v1/runs/r/layers")
    assert status == 500
    assert json.loads(body)["code"] == "store" and b"HELLO is damaged" in body


def test_a_run_that_is_heard_but_makes_no_step_is_stalled(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 5)
    peer.deliver()
    assert trajd.run("r")["state"] == "live"
    with sqlite3.connect(trajd.db) as db:  # a minute goes by
        db.execute("UPDATE stream_progress SET stepped_wall_ns = stepped_wall_ns - 60000000000")
    peer.ask(lambda: peer.send_raw(wire.data(peer.uid, [], 6)))
    assert trajd.run("r")["state"] == "stalled"
    assert [run["id"] for run in trajd.json("/api/v1/runs?state=stalled")["data"]] == ["r"]
    steps(peer, 1, first=5)
    peer.deliver()
    assert trajd.run("r")["state"] == "live"


# ---- starting and ending -----------------------------------------------------


def run_trajd(*arguments, **environment):
    return subprocess.run([BUILD / "trajd", *arguments], capture_output=True, text=True,
                          timeout=20, env={**os.environ, **environment}, check=False)


def test_the_ready_line_is_all_of_stdout(trajd):
    assert trajd.get("/readyz")[0] == 200
    trajd.send_signal(signal.SIGTERM)
    assert trajd.process.stdout.read() == b""
    assert trajd.process.wait(10) == 0


def test_a_second_trajd_on_the_database_says_who_has_it(trajd):
    result = run_trajd("--db", str(trajd.db), "--http", "127.0.0.1:0",
                       "--ingest", "tcp://127.0.0.1:0")
    assert result.returncode == 1
    assert result.stdout == ""
    assert f"in use by another trajd (pid {trajd.process.pid})" in result.stderr


@pytest.mark.parametrize("which", ["--http", "--ingest"])
def test_a_taken_port_is_named(trajd, tmp_path, which):
    addresses = {"--http": "127.0.0.1:0", "--ingest": "tcp://127.0.0.1:0"}
    addresses[which] = trajd.http if which == "--http" else trajd.ingest
    result = run_trajd("--db", str(tmp_path / "other.db"),
                       *(text for pair in addresses.items() for text in pair))
    assert result.returncode == 1
    assert addresses[which].removeprefix("tcp://").rpartition(":")[2] in result.stderr
    assert "in use" in result.stderr


def test_a_database_that_cannot_be_made_is_an_error(tmp_path):
    path = tmp_path / "no" / "such" / "folder" / "trajd.db"
    result = run_trajd("--db", str(path), "--http", "127.0.0.1:0", "--ingest",
                       "tcp://127.0.0.1:0")
    assert result.returncode == 1
    assert str(path) in result.stderr


def test_a_database_of_a_newer_version_is_left_alone(trajd):
    assert trajd.stop() == 0
    path = trajd.db
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA user_version = 9999")
    before = path.read_bytes()
    result = run_trajd("--db", str(path), "--http", "127.0.0.1:0", "--ingest",
                       "tcp://127.0.0.1:0")
    assert result.returncode == 1
    assert "9999" in result.stderr
    assert path.read_bytes() == before


@pytest.mark.parametrize("arguments, said", [
    (["--nonsense"], "--nonsense"),
    (["--http"], "--http needs a value"),
    (["--http", "0.0.0.0:7010"], "this machine only"),
    (["--ingest", "tcp://*:7011"], "this machine only"),
    (["--durability", "maybe"], "none of commit, group, relaxed"),
    (["--config", "/nonexistent.conf"], "/nonexistent.conf"),
])
def test_wrong_flags_exit_2_and_say_why(arguments, said):
    result = run_trajd(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_print_config_is_a_file_that_gives_the_same(tmp_path):
    first = run_trajd("--db", "some.db", "--durability=relaxed", "--print-config", TRAJD_WINDOW="7")
    path = tmp_path / "trajd.conf"
    path.write_text(first.stdout)
    second = run_trajd("--config", str(path), "--print-config")
    assert first.returncode == second.returncode == 0
    assert "db = some.db" in first.stdout and "window = 7" in first.stdout
    assert second.stdout == first.stdout
    assert run_trajd("--config", str(path), "--check-config").returncode == 0


def test_bytes_that_are_no_zeromq_harm_nobody(trajd):
    host, port = trajd.ingest.removeprefix("tcp://").split(":")
    with socket.create_connection((host, int(port))) as raw:
        raw.sendall(b"GET / HTTP/1.0\r\n\r\n" + b"\xff\x00" * 1000)
        peer = Peer(trajd.ingest, "r")
        steps(peer, 10)
        peer.deliver()
    assert_exact(trajd, peer)


def test_a_sender_that_vanishes_is_no_trouble(trajd):
    for i in range(20):
        peer = Peer(trajd.ingest, f"r{i}")
        steps(peer, 3)
        peer.send_hello()
        peer.send_records(1, 3)
        peer.socket.setsockopt(zmq.LINGER, 1000)
        peer.close()
    trajd.wait(lambda: trajd.metrics()["ingest_rows_total"] == 60, "all rows")
