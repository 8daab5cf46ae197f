"""check, repair, compact and backup of a real trajd's database."""
import os
import re
import resource
import signal
import subprocess
import sys
import threading

import pytest

import care
import wire
from care import assert_whole, done, findings, query
from peer import Peer
from test_ingest import run_trajd
from trajd import BUILD, Trajd, comparable, export_rows

NOW = 1_700_000_000_000_000_000


def steps(peer, n):
    """With a probe among ten records, and an event at the end."""
    for i in range(n):
        if i % 10 == 9:
            peer.record(wire.PROBE, step=i, estimator=3, smoothness=wire.f64(1 + i),
                        grad_sq=wire.f64(4.0))
        else:
            peer.record(wire.STEP, step=i, wall_ns=NOW + i, loss=wire.f64(1 / (i + 1)))
    peer.record(wire.EVENT, step=n, event=0, text="größe", severity=1)


def expected(peer, kind):
    attempt, rank = peer.hello["attempt"], peer.hello["rank"]
    return [(attempt, rank, r.seq, comparable(kind, r.fields))
            for r in peer.records if r.kind == kind]


def killed_at_file_size(size, *arguments):
    return subprocess.run(
        [BUILD / "trajd", *arguments], capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))


@pytest.fixture
def stopped(trajd):
    """(trajd, [peer]): two finished runs of 6,001 records, and one of 501 that
    goes on; trajd has ended."""
    peers = []
    for name, n in (("a", 6000), ("b", 6000), ("c", 500)):
        fork = {"fork_of": "a", "fork_step": "100"} if name == "c" else {}
        peer = Peer(trajd.ingest, name, **fork)
        steps(peer, n)
        peer.deliver(frame=512)
        peers.append(peer)
    for peer in peers[:2]:
        peer.finish()
    assert trajd.stop() == 0
    yield trajd, peers
    for peer in peers:
        peer.close()


def assert_all_there(trajd, peers):
    trajd.start()
    for peer in peers:
        for kind in (wire.STEP, wire.PROBE, wire.EVENT):
            assert export_rows(trajd, peer.hello["run_id"], kind) == expected(peer, kind)
    assert trajd.stop() == 0


# ---- check -------------------------------------------------------------------


def test_check_looks_at_all_of_a_database(stopped):
    trajd, peers = stopped
    found, checked = findings(trajd.db)
    assert found == []
    assert (checked["runs"], checked["streams"]) == (3, 3)
    assert checked["records"] == sum(len(peer.records) for peer in peers)
    assert "3 runs, 3 streams" in done("check", trajd.db)


def test_check_works_while_trajd_writes(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 20000)
    peer.deliver(frame=1024, between=lambda _: assert_whole(trajd.db)
                 if peer.sent in (4096, 16384) else None)
    assert_whole(trajd.db)
    peer.close()


# A summary of records of the same kind.
ANOTHER = "(SELECT summary FROM chunk WHERE id > 1 AND kind = 1 AND length(summary) > 0 LIMIT 1)"


@pytest.mark.parametrize("sql, finding, about", [
    ("UPDATE chunk SET body = CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB) "
     "WHERE id = 2",
     "chunk", {"run": "a", "attempt": 1, "rank": 0}),
    ("UPDATE chunk SET body = x'' WHERE id = 2", "chunk", {"run": "a"}),
    ("UPDATE chunk SET records = records + 1 WHERE id = 1", "chunk", {"run": "a"}),
    ("UPDATE chunk SET most_step = most_step + 1 WHERE id = 1", "chunk", {"run": "a"}),
    ("UPDATE chunk SET first_seq = 2 WHERE id = 1", "chunk", {"run": "a"}),
    (f"UPDATE chunk SET summary = {ANOTHER} WHERE id = 1", "summary",
     {"run": "a", "first_seq": 1}),
    ("INSERT INTO chunk SELECT NULL, stream, kind, first_seq, last_seq, least_step, most_step, "
     "records, summary, body FROM chunk WHERE id = 1", "overlap", {"run": "a", "first_seq": 1}),
    ("DELETE FROM chunk WHERE id = 1", "gap", {"run": "a", "first_seq": 1}),
    ("INSERT INTO chunk SELECT NULL, stream, 9, first_seq, last_seq, least_step, most_step, "
     "records, summary, body FROM chunk WHERE id = 1", "chunk", {"run": "a"}),
    ("UPDATE log SET frame = CAST(substr(frame, 1, 60) || x'7f7f' || substr(frame, 63) AS BLOB)", "log",
     {"run": "c", "attempt": 1, "rank": 0}),
    ("UPDATE log SET last_seq = last_seq + 1", "log", {"run": "c"}),
    ("DELETE FROM log", "gap", None),
    ("UPDATE stream_progress SET steps = steps + 1 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET committed_seq = committed_seq + 1 WHERE stream = 2", "count",
     {"run": "b"}),
    ("UPDATE stream_progress SET lost_records = 1 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET log_bytes = 1 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET chunk_bytes = 1 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET finished = 0 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET group_probes = 1 WHERE stream = 2", "count", {"run": "b"}),
    ("UPDATE stream_progress SET last_step = 1 WHERE stream = 2", "count", {"run": "b"}),
    ("DELETE FROM stream_progress WHERE stream = 2", "count", {"run": "b"}),
    ("DELETE FROM run_progress WHERE run = 2", "run", {"run": "b"}),
    ("UPDATE run SET name = 'another' WHERE id = 2", "run", {"run": "b"}),
    ("UPDATE run SET config = '{\"lr\":2}' WHERE id = 2", "run", {"run": "b"}),
    ("UPDATE run SET tags = '[' WHERE id = 2", "run", {"run": "b"}),
    ("UPDATE run SET fork_of = 'b' WHERE id = 3", "run", {"run": "c"}),
    ("UPDATE run SET fork_step = 5 WHERE id = 3", "run", {"run": "c"}),
    ("INSERT INTO run_tag VALUES ('x', 1, 2)", "run", {"run": "b"}),
    ("INSERT INTO alert VALUES (1, 2, 1, 5, 'spikes', 'error', 1, 2.5, NULL, 's', NULL)", "run", {"run": "b"}),
    ("INSERT INTO alert VALUES (1, 2, 1, 5, 'spike', 'bad', 1, 2.5, NULL, 's', NULL)", "run", {"run": "b"}),
    ("INSERT INTO alert VALUES (1, 99, 1, 5, 'spike', 'error', 1, 2.5, NULL, 's', NULL)", "reference", {"run": None}),
    ("UPDATE stream SET hello = '{' WHERE id = 2", "run", {"run": "b", "attempt": 1}),
    ("UPDATE stream SET rank = 5 WHERE id = 2", "run", {"run": "b", "rank": 5}),
    ("UPDATE stream SET world = 5 WHERE id = 2", "run", {"run": "b", "attempt": 1}),
    ("PRAGMA foreign_keys = OFF; DELETE FROM stream WHERE id = 3", "reference", {"run": None}),
], ids=lambda value: value[:60] if isinstance(value, str) else "")
def test_check_says_what_is_wrong_and_where(stopped, sql, finding, about):
    trajd, _ = stopped
    for statement in sql.split("; "):
        query(trajd.db, statement)
    found, _ = findings(trajd.db)
    kinds = {f["finding"] for f in found}
    assert finding in kinds, found
    first = next(f for f in found if f["finding"] == finding)
    assert {k: first[k] for k in about or {}} == (about or {})
    assert first["text"]


def test_repair_makes_all_of_it_from_the_records_and_the_hellos(stopped):
    trajd, peers = stopped
    query(trajd.db, "UPDATE stream_progress SET steps = steps + 1, lost_records = 7")
    query(trajd.db, "UPDATE stream SET hello = '{', rank = -5 WHERE id = 2")
    query(trajd.db, "UPDATE run SET tags = '[' WHERE id IN (1, 3)")
    query(trajd.db, "DELETE FROM run_progress")
    query(trajd.db, "UPDATE chunk SET kind = 9, records = 1, first_seq = 5")
    query(trajd.db, "INSERT INTO chunk SELECT NULL, stream, kind, first_seq, last_seq, least_step, "
                    "most_step, records, summary, body FROM chunk WHERE id = 1")
    query(trajd.db, "INSERT INTO log SELECT NULL, stream, first_seq, last_seq, frame FROM log "
                    "ORDER BY id DESC LIMIT 1")
    query(trajd.db, "INSERT INTO alert VALUES (1, 2, 1, 5, 'spikes', 'error', 1, 2.5, NULL, 's', NULL), "
                    "(2, 99, 1, 5, 'spike', 'error', 1, 2.5, NULL, 's', NULL), "
                    "(3, 2, 1, 6, 'spike', 'error', 1, 2.5, NULL, 's', 17)")
    done("repair", trajd.db)
    assert_whole(trajd.db)
    assert query(trajd.db, "SELECT run, step, rank FROM alerts") == [("b", 6, 17)]
    assert query(trajd.db, "SELECT uid, fork_of, fork_step FROM run ORDER BY uid") == [
        ("a", None, None), ("b", None, None), ("c", "a", 100)]
    assert_all_there(trajd, peers)


def test_a_quick_check_leaves_the_values_out(stopped):
    trajd, _ = stopped
    body = query(trajd.db, "SELECT body FROM chunk WHERE id = 1")[0][0]
    query(trajd.db, f"UPDATE chunk SET summary = {ANOTHER} WHERE id = 1")
    assert findings(trajd.db, "--quick")[0] == []
    assert [f["finding"] for f in findings(trajd.db)[0]] == ["summary"]
    assert body[:4] == b"CHK1"
    query(trajd.db, "UPDATE chunk SET body = zeroblob(length(body)) WHERE id = 1")
    assert [f["finding"] for f in findings(trajd.db, "--quick")[0]] == ["chunk"]


def commit_ends(wal):
    """Where the commits of a log end: frames of 24 bytes and a page, the first
    32 bytes before them, a size of the database in those that end one."""
    frame = 24 + int.from_bytes(wal[8:12], "big")
    starts = range(32, len(wal) - frame + 1, frame)
    return [at + frame for at in starts
            if wal[at + 8:at + 16] == wal[16:24] and any(wal[at + 4:at + 8])]


def killed_with_a_log(trajd):
    """The log of a trajd that was killed: (its file, its bytes, where its commits end)."""
    peer = Peer(trajd.ingest, "r")
    steps(peer, 300)
    peer.deliver(frame=10, window=1)
    peer.close()
    trajd.kill()
    wal = trajd.folder / "trajd.db-wal"
    whole = wal.read_bytes()
    ends = commit_ends(whole)
    assert len(ends) > 10
    return wal, whole, ends


def damaged_at(whole, at):
    return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:]


def test_check_sees_commits_behind_damage_in_the_log(trajd):
    """SQLite reads what is before it and calls that whole. What a crash may leave
    is no damage: a last commit that was not synced."""
    wal, whole, ends = killed_with_a_log(trajd)
    assert_whole(trajd.db)
    for behind, said in ((1, []), (2, ["2 commits"]), (9, ["9 commits"])):
        wal.write_bytes(damaged_at(whole, ends[-behind] - 100))  # in the page that ends it
        found = [f["text"] for f in findings(trajd.db)[0] if "damaged frame" in f["text"]]
        assert [text.split(": ")[1].split(" lie")[0] for text in found] == said
    wal.write_bytes(whole[:ends[-1]] + b"\x55" * 9000)
    assert_whole(trajd.db)


def said_of_damage(trajd):
    return re.findall(r"event=log_damaged commits_not_read=(\d+) (\S+)=(\S+)", trajd.log())


def test_commits_that_damage_hides_are_kept_and_told_once(trajd):
    """SQLite writes over them: what they hold is then nowhere else."""
    wal, whole, ends = killed_with_a_log(trajd)
    damaged = damaged_at(whole, ends[-9] - 100)
    wal.write_bytes(damaged)
    for command in (("compact",), ("prune", "--keep-days", "1")):
        result = care.command(command[0], trajd.db, *command[1:])
        assert result.returncode == 1
        assert "9 commits lie behind a damaged frame and would be lost" in result.stderr
    assert wal.read_bytes() == damaged
    for _ in range(2):  # the log goes on behind the damage and is as damaged
        trajd.start()
        trajd.kill()
    copies = list(wal.parent.glob("*.damaged-*"))
    assert said_of_damage(trajd) == [("9", "kept", f'"{copies[0]}"')]
    assert [copy.read_bytes() for copy in copies] == [damaged]
    trajd.start()
    assert trajd.stop() == 0


def test_a_damaged_log_that_cannot_be_kept_is_told_of(trajd):
    wal, whole, ends = killed_with_a_log(trajd)
    wal.write_bytes(damaged_at(whole, ends[-9] - 100))
    salts = whole[16:24].hex()
    (wal.parent / f"trajd.db-wal.damaged-{salts}-tmp").mkdir()
    trajd.start()
    [(commits, what, why)] = said_of_damage(trajd)
    assert (commits, what) == ("9", "not_kept")
    assert trajd.stop() == 0


def test_a_log_that_cannot_be_looked_at_is_not_called_damaged(trajd):
    assert trajd.stop() == 0
    wal = trajd.folder / "trajd.db-wal"
    wal.symlink_to(wal.name)  # of itself: nobody can open it
    result = run_trajd("--db", str(trajd.db), "--http", "127.0.0.1:0", "--ingest", "tcp://127.0.0.1:0")
    assert result.returncode == 1
    assert "event=log_not_checked error=" in result.stderr
    assert "log_damaged" not in result.stderr


def test_a_log_that_a_crash_explains_is_not_told_of(trajd):
    wal, whole, ends = killed_with_a_log(trajd)
    wal.write_bytes(damaged_at(whole, ends[-1] - 100))
    trajd.start()
    assert "log_damaged" not in trajd.log()
    assert list(wal.parent.glob("*.damaged-*")) == []
    assert trajd.stop() == 0


def test_check_of_what_is_no_database_exits_with_2(tmp_path):
    other = tmp_path / "other.db"
    query(other, "CREATE TABLE t (a)")
    text = tmp_path / "text.db"
    text.write_text("this is no database at all\n" * 300)
    for path, why in ((tmp_path / "none.db", "No such file"), (other, "not a database of trajd"),
                      (text, "not a SQLite database")):
        result = care.command("check", path)
        assert (result.returncode, result.stdout) == (2, "")
        assert why in result.stderr
        assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("arguments", [
    ["check", "--nothing"], ["backup"], ["check", "--force"], ["repair", "x"], ["prune", "--json"],
    ["prune"], ["prune", "--dry-run"], ["prune", "--keep-days", "0"]])
def test_wrong_arguments_exit_with_2_and_say_how(arguments, tmp_path):
    query(tmp_path / "trajd.db", "CREATE TABLE t (a)")
    result = subprocess.run([BUILD / "trajd", *arguments], cwd=tmp_path, capture_output=True,
                            text=True)
    assert result.returncode == 2
    assert f"usage: trajd {arguments[0]} " in result.stderr


@pytest.mark.parametrize("arguments", [
    ["check", "--db", "trajd.db"], ["check", "--json", "--db", "trajd.db"], ["backup", "--help"],
    ["--help"], ["--version"], ["--print-config"]])
def test_what_cannot_be_said_is_no_success(arguments, tmp_path):
    Trajd(tmp_path).start().end()
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([BUILD / "trajd", *arguments], cwd=tmp_path, stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (
        1, "trajd: standard output: No space left on device\n")


# ---- what needs the database for itself --------------------------------------


@pytest.mark.parametrize("name", ["repair", "compact", "prune"])
def test_a_running_trajd_keeps_its_database(trajd, name):
    policy = ["--keep-days", "1"] if name == "prune" else []
    result = care.command(name, trajd.db, *policy)
    assert result.returncode == 1
    assert f"in use by another trajd (pid {trajd.process.pid})" in result.stderr


def test_a_database_has_one_trajd_by_whatever_name(trajd):
    link = trajd.folder / "link.db"
    link.symlink_to("trajd.db")
    second = subprocess.run([BUILD / "trajd", "--db", link, "--http", "127.0.0.1:0", "--ingest",
                             "tcp://127.0.0.1:0"], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert f"in use by another trajd (pid {trajd.process.pid})" in second.stderr
    pruned = care.command("prune", link, "--keep-days", "1000")
    assert "in use by another trajd" in pruned.stderr


def test_a_link_to_nothing_is_where_the_database_will_be(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "trajd.db").symlink_to("disk/real.db")
    trajd = Trajd(tmp_path).start()
    assert (tmp_path / "disk/real.db.lock").exists()
    peer = Peer(trajd.ingest, "r")
    steps(peer, 100)
    peer.deliver()
    peer.close()
    assert trajd.stop() == 0
    assert_whole(tmp_path / "disk/real.db")


def test_a_link_to_itself_is_an_error_of_the_start(tmp_path):
    (tmp_path / "trajd.db").symlink_to("trajd.db")
    result = subprocess.run([BUILD / "trajd", "--db", tmp_path / "trajd.db"], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 1
    assert "trajd.db: a link that leads nowhere" in result.stderr


@pytest.mark.parametrize("name", ["repair", "compact"])
def test_what_a_link_leads_to_is_replaced_and_not_the_link(trajd, name):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 3000)
    peer.deliver(frame=512)
    trajd.kill()
    link = trajd.folder / "link.db"
    link.symlink_to("trajd.db")
    before = trajd.db.stat().st_ino
    done(name, link)
    assert link.is_symlink()
    assert trajd.db.stat().st_ino != before
    assert_all_there(trajd, [peer])
    peer.close()


@pytest.mark.parametrize("name", ["repair", "compact"])
def test_a_file_that_another_process_reads_is_not_replaced(stopped, name):
    trajd, _ = stopped
    reads = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); " \
            "print(*db.execute('SELECT count(*) FROM run').fetchone(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", reads, trajd.db], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "3\n"
        result = care.command(name, trajd.db)
        reader.communicate("\n")
    assert result.returncode == 1
    assert f"open in another process (pid {reader.pid})" in result.stderr
    assert_whole(trajd.db)


# ---- repair ------------------------------------------------------------------


def test_repair_counts_what_is_lost_and_says_where(stopped):
    trajd, peers = stopped
    (lost, first, last), = query(
        trajd.db, "SELECT records, first_seq, last_seq FROM chunk WHERE id = 1")
    query(trajd.db, "UPDATE chunk SET body = zeroblob(length(body)) WHERE id = 1")
    damaged = trajd.db.read_bytes()
    said = done("repair", trajd.db)
    assert f"run=\"a\" attempt=1 rank=0: {lost} records lost" in said
    assert f"of seq {first}-{last}: {lost} are not there" in said
    assert_whole(trajd.db)
    kept, = trajd.folder.glob("trajd.db.damaged-*Z")
    assert kept.read_bytes() == damaged
    trajd.start()
    run = trajd.run("a")
    assert run["lost_records"] == lost
    assert run["records"]["step"] == len(expected(peers[0], wire.STEP)) - lost
    rows = export_rows(trajd, "a", wire.STEP)
    assert rows == [row for row in expected(peers[0], wire.STEP) if row[2] > last]
    for kind in (wire.STEP, wire.PROBE, wire.EVENT):
        assert export_rows(trajd, "b", kind) == expected(peers[1], kind)


def test_a_stream_that_nothing_names_any_more_gets_a_name(stopped):
    """Neither the HELLO nor the run's row is one that a trainer could send."""
    trajd, peers = stopped
    query(trajd.db, "UPDATE stream SET hello = 'x', rank = 7, attempt = 0 WHERE id = 2")
    query(trajd.db, "UPDATE run SET uid = 'a/../b' WHERE id = 2")
    done("repair", trajd.db)
    assert_whole(trajd.db)
    assert query(trajd.db, "SELECT uid, project FROM run ORDER BY uid") == [
        ("a", "default"), ("c", "default"), ("recovered-2", "recovered")]
    trajd.start()
    assert export_rows(trajd, "recovered-2", wire.STEP) == expected(peers[1], wire.STEP)


def test_a_hello_that_does_not_read_is_made_anew_of_its_row(stopped):
    trajd, peers = stopped
    query(trajd.db, "UPDATE stream SET hello = 'x', rank = 7 WHERE id = 2")
    done("repair", trajd.db)
    assert_whole(trajd.db)
    trajd.start()
    assert export_rows(trajd, "b", wire.PROBE) == [
        (attempt, 7, *rest) for attempt, _, *rest in expected(peers[1], wire.PROBE)]


def test_a_count_that_does_not_add_up_is_not_believed(stopped):
    trajd, peers = stopped
    query(trajd.db, "UPDATE stream_progress SET committed_seq = committed_seq + (1 << 50)")
    said = done("repair", trajd.db)
    assert f"how far it went is lost; records up to seq {len(peers[0].records)} are there" in said
    assert query(trajd.db, "SELECT sum(lost_records) FROM stream_progress") == [(0,)]
    assert_all_there(trajd, peers)


def test_a_stream_goes_on_behind_a_repair(stopped):
    trajd, peers = stopped
    done("repair", trajd.db)
    trajd.start()
    peer = peers[2]
    peer.endpoint = trajd.ingest
    peer.connect()
    steps(peer, 100)
    peer.deliver()
    assert export_rows(trajd, "c", wire.STEP) == expected(peer, wire.STEP)
    assert trajd.run("c")["lost_records"] == 0


def test_repair_takes_in_what_a_killed_trajd_left_in_its_log(trajd):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 3000)
    peer.deliver(frame=512)
    trajd.kill()
    wal = trajd.folder / "trajd.db-wal"
    assert wal.stat().st_size > 0
    with open(wal, "ab") as torn:
        torn.write(b"\x55" * 3000)
    done("repair", trajd.db)
    assert not wal.exists()
    assert (trajd.folder / next(trajd.folder.glob("*.damaged-*Z")).name).exists()
    assert list(trajd.folder.glob("trajd.db.damaged-*Z-wal"))
    assert_all_there(trajd, [peer])
    peer.close()


def test_each_repair_keeps_what_it_replaced(stopped):
    trajd, _ = stopped
    for _ in range(3):
        done("repair", trajd.db)
    assert len(list(trajd.folder.glob("trajd.db.damaged-*Z*"))) == 3
    assert_whole(trajd.db)


def test_repair_does_not_look_at_tables_of_others(stopped):
    trajd, peers = stopped
    query(trajd.db, "CREATE TABLE mine AS SELECT * FROM chunk")
    query(trajd.db, "UPDATE mine SET stream = 99")
    done("repair", trajd.db)
    assert query(trajd.db, "SELECT count(*) FROM run") == [(3,)]
    assert_all_there(trajd, peers)


# ---- compact -----------------------------------------------------------------


@pytest.mark.parametrize("bytes_of", [b"", b"a text, not a database\n" * 1000, None])
def test_what_has_no_run_of_trajd_is_left_alone(tmp_path, bytes_of):
    other = tmp_path / "other.db"
    if bytes_of is None:
        query(other, "CREATE TABLE bookmarks (url TEXT)")
    else:
        other.write_bytes(bytes_of)
    before = other.read_bytes()
    result = care.command("repair", other)
    assert result.returncode == 1
    assert "no run of trajd can be read in it" in result.stderr
    assert other.read_bytes() == before
    assert {f.name for f in tmp_path.iterdir()} == {"other.db", "other.db.lock"}


def test_a_database_of_a_newer_version_is_left_alone(stopped):
    trajd, peers = stopped
    [(version,)] = query(trajd.db, "PRAGMA user_version")
    query(trajd.db, f"PRAGMA user_version = {version + 1}")
    result = care.command("repair", trajd.db)
    assert result.returncode == 1
    assert f"version {version + 1}, made by a newer trajd" in result.stderr
    query(trajd.db, f"PRAGMA user_version = {version}")
    assert_all_there(trajd, peers)


def test_compact_seals_and_gives_back_what_is_unused(stopped):
    trajd, peers = stopped
    query(trajd.db, "CREATE TABLE big AS SELECT randomblob(3000000) AS b")
    query(trajd.db, "DROP TABLE big")
    before = trajd.db.stat().st_size
    mode = trajd.db.stat().st_mode
    said = done("compact", trajd.db)
    after = trajd.db.stat().st_size
    assert f"{before} bytes before, {after} now" in said
    assert after < before - 2_500_000
    assert trajd.db.stat().st_mode == mode
    assert query(trajd.db, "SELECT count(*) FROM log") == [(0,)]
    assert query(trajd.db, "PRAGMA freelist_count") == [(0,)]
    assert_whole(trajd.db)
    assert_all_there(trajd, peers)


def test_compact_of_a_damaged_database_leaves_it_alone(stopped):
    trajd, _ = stopped
    query(trajd.db, "UPDATE chunk SET body = zeroblob(length(body)) WHERE id = 1")
    result = care.command("compact", trajd.db)
    assert result.returncode == 1
    assert "the copy is not whole, and was not used" in result.stderr
    assert list(trajd.folder.glob("*-tmp*")) == []
    assert [f["finding"] for f in findings(trajd.db)[0]] == ["chunk"]


def test_an_interrupted_compact_leaves_the_database(stopped):
    """Killed by the kernel where a file of its would grow beyond a size."""
    trajd, peers = stopped
    whole = trajd.db.read_bytes()
    for size in (4096, len(whole) // 8, len(whole) // 4, len(whole) // 2):
        trajd.db.write_bytes(whole)
        result = killed_at_file_size(size, "compact", "--db", trajd.db)
        assert result.returncode == -signal.SIGXFSZ
        assert_whole(trajd.db)
    assert_all_there(trajd, peers)
    done("compact", trajd.db)
    assert list(trajd.folder.glob("*-tmp*")) == []


def test_there_must_be_room_for_the_copy(stopped):
    """A file of more than is free: a hole of a petabyte at its end."""
    trajd, _ = stopped
    os.truncate(trajd.db, 1 << 42)
    result = care.command("compact", trajd.db)
    assert result.returncode == 1
    assert "bytes for a copy" in result.stderr


# ---- backup ------------------------------------------------------------------


def test_a_backup_under_load_has_all_that_was_acknowledged_before_it(trajd, tmp_path):
    peer = Peer(trajd.ingest, "r")
    steps(peer, 60000)
    backups = []

    def back_up():
        for i in range(4):
            before = peer.committed
            to = tmp_path / f"backup-{i}.db"
            done("backup", trajd.db, to)
            backups.append((before, to))

    worker = threading.Thread(target=back_up)

    def start(_):
        if peer.sent == 8192:  # two windows: something is acknowledged
            worker.start()

    peer.deliver(frame=256, between=start)
    worker.join()
    assert len(backups) == 4
    for before, path in backups:
        assert_whole(path)
        (there,), = query(path, "SELECT committed_seq FROM stream_progress")
        assert before <= there <= len(peer.records)
    first = Trajd(tmp_path)
    first.db = backups[0][1]
    first.start()
    (there,), = query(first.db, "SELECT committed_seq FROM stream_progress")
    assert export_rows(first, "r", wire.STEP) == [
        row for row in expected(peer, wire.STEP) if row[2] <= there]
    first.end()
    peer.close()


def test_a_backup_is_not_written_over_but_by_force(stopped, tmp_path):
    trajd, _ = stopped
    to = tmp_path / "copy.db"
    to.write_text("precious")
    result = care.command("backup", trajd.db, to)
    assert (result.returncode, to.read_text()) == (1, "precious")
    done("backup", trajd.db, to, "--force")
    assert_whole(to)
    for same in (trajd.db, tmp_path / "link.db"):
        if not same.exists():
            os.link(trajd.db, same)
        result = care.command("backup", trajd.db, same, "--force")
        assert (result.returncode, "is the database" in result.stderr) == (1, True)


def test_a_backup_of_a_damaged_database_is_none(stopped, tmp_path):
    trajd, _ = stopped
    query(trajd.db, "UPDATE chunk SET body = zeroblob(length(body)) WHERE id = 1")
    to = tmp_path / "copy.db"
    result = care.command("backup", trajd.db, to)
    assert result.returncode == 1
    assert "not whole, see trajd check" in result.stderr
    assert list(tmp_path.glob("copy.db*")) == []


def test_a_killed_backup_leaves_no_destination_and_the_next_one_works(stopped, tmp_path):
    trajd, _ = stopped
    to = tmp_path / "copy.db"
    result = killed_at_file_size(trajd.db.stat().st_size // 2, "backup", "--db", trajd.db, to)
    assert result.returncode == -signal.SIGXFSZ
    assert not to.exists()
    assert (tmp_path / "copy.db.backup-tmp").exists()
    done("backup", trajd.db, to)
    assert_whole(to)
    assert not (tmp_path / "copy.db.backup-tmp").exists()
