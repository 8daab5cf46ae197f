"""The disk is full, read only or on a network: trajd says so, acknowledges
nothing that it cannot keep, loses nothing, and goes on when there is room."""
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import time

import pytest

import wire
from peer import Peer
from test_ingest import assert_exact, run_trajd, steps
from trajd import BUILD, Trajd

UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
ANY_PORTS = ("--http", "127.0.0.1:0", "--ingest", "tcp://127.0.0.1:0")


def limit_files(trajd, limit):
    """No file may grow beyond: what a full disk looks like to SQLite."""
    resource.prlimit(trajd.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


def unlimit_files(trajd):
    resource.prlimit(trajd.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)


def wal_bytes(trajd):
    return os.path.getsize(f"{trajd.db}-wal")


def hold_log(trajd):
    """A reader that keeps the log from beginning again: it can only grow."""
    reader = sqlite3.connect(trajd.db, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM run").fetchall()
    return reader


def texts(peer, n):
    """n records of 2,000 bytes that do not compress away."""
    for _ in range(n):
        peer.record(wire.EVENT, step=1, wall_ns=time.time_ns(), event=0, severity=0,
                    text=os.urandom(1000).hex(), exit_code=wire.i64(0))


def fill(peer):
    """Sends texts until one frame of them is put off; what was sent up to there
    is acknowledged or with the peer."""
    peer.ask(peer.send_hello)
    while True:
        texts(peer, 50)
        peer.send_records(peer.committed + 1, 50)
        if peer.receive_until(lambda ack: True)["status"] == wire.BUSY:
            return


def assert_in_trouble(trajd, said):
    status, _, body = trajd.get("/readyz")
    assert status == 503
    assert said in json.loads(body)["detail"]
    assert said in trajd.json("/api/v1/self")["problem"]
    metrics = trajd.metrics()
    assert metrics["store_commits_fail"] == 1
    assert metrics["ingest_busy_total"] >= 1
    assert "event=commits_fail error=" in trajd.log()
    assert trajd.get("/healthz")[0] == 200


def assert_well(trajd):
    assert trajd.get("/readyz")[0] == 200
    assert trajd.json("/api/v1/self")["problem"] is None
    assert trajd.metrics()["store_commits_fail"] == 0
    assert "event=commits_succeed_again" in trajd.log()


def assert_kept(trajd, peer, end):
    assert_exact(trajd, peer, wire.EVENT)
    assert_exact(trajd, peer, wire.STEP)
    assert end() == 0
    with sqlite3.connect(trajd.db) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT committed_seq FROM stream_progress").fetchall() == [
            (len(peer.records),)]


def test_ingest_and_sealing_survive_a_limit_and_lose_nothing(tmp_path):
    trajd = Trajd(tmp_path).start()
    peer = Peer(trajd.ingest, "r")
    steps(peer, 2000)
    peer.deliver()
    reader = hold_log(trajd)
    limit_files(trajd, wal_bytes(trajd) + 100_000)
    fill(peer)
    assert_in_trouble(trajd, "the database cannot be written: ")
    assert trajd.run("r")["streams"][0]["committed_seq"] == peer.committed
    steps(peer, 3000, first=2000)  # there is a chunk to seal when there is room
    unlimit_files(trajd)
    reader.close()
    peer.deliver()
    assert_well(trajd)
    trajd.wait(lambda: trajd.metrics()["store_chunks_sealed_total"] >= 1, "a chunk")
    assert_kept(trajd, peer, trajd.stop)


def test_a_log_at_its_limit_makes_room_for_itself(tmp_path):
    """When the reader has gone: though no file may grow."""
    trajd = Trajd(tmp_path).start()
    peer = Peer(trajd.ingest, "r")
    reader = hold_log(trajd)
    texts(peer, 50)
    peer.deliver()
    limit_files(trajd, 4_000_000)
    fill(peer)
    assert wal_bytes(trajd) > 3_500_000
    assert_in_trouble(trajd, "the database cannot be written: ")
    reader.close()
    peer.deliver()
    assert_well(trajd)
    unlimit_files(trajd)
    assert_kept(trajd, peer, trajd.stop)


def test_it_recovers_though_the_sender_has_gone(tmp_path):
    trajd = Trajd(tmp_path).start()
    peer = Peer(trajd.ingest, "r")
    texts(peer, 50)
    peer.deliver()
    reader = hold_log(trajd)
    limit_files(trajd, wal_bytes(trajd) + 4096)
    fill(peer)
    peer.close()
    assert_in_trouble(trajd, "the database cannot be written: ")
    unlimit_files(trajd)
    reader.close()
    trajd.wait(lambda: trajd.get("/readyz")[0] == 200, "ready")
    assert_well(trajd)
    assert trajd.stop() == 0


def assert_put_off(peer):
    texts(peer, 50)
    peer.ask(peer.send_hello)
    assert peer.ask(peer.send_records, peer.committed + 1, 50)["status"] == wire.BUSY


def assert_misses_its_file(trajd):
    """Nothing that reads the database can answer then."""
    status, _, body = trajd.get("/readyz")
    assert status == 503
    assert "the database was moved, deleted or replaced" in json.loads(body)["detail"]
    assert "event=commits_fail error=" in trajd.log()


def test_a_database_that_was_moved_takes_nothing_till_it_is_back(tmp_path):
    """What goes into a file that no longer has its name would be acknowledged,
    and not be there after the next start."""
    trajd = Trajd(tmp_path).start()
    peer = Peer(trajd.ingest, "r")
    steps(peer, 500)
    peer.deliver()
    trajd.db.rename(tmp_path / "elsewhere.db")
    assert_put_off(peer)
    assert peer.committed == 500
    assert_misses_its_file(trajd)
    assert not trajd.db.exists()
    (tmp_path / "elsewhere.db").rename(trajd.db)
    peer.deliver()
    assert_well(trajd)
    assert_kept(trajd, peer, trajd.stop)


def test_a_database_that_was_deleted_or_replaced_takes_nothing(tmp_path):
    trajd = Trajd(tmp_path).start()
    peer = Peer(trajd.ingest, "r")
    steps(peer, 500)
    peer.deliver()
    trajd.db.unlink()
    assert_put_off(peer)
    trajd.db.write_bytes(b"")
    assert_put_off(peer)
    assert peer.committed == 500
    assert_misses_its_file(trajd)
    assert trajd.stop() == 0
    assert trajd.db.read_bytes() == b""


# ---- file systems of our own: root only ----------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder],
                             capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("may not mount")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def trajd_on(disk):
    """Its log is elsewhere: it is to be read."""
    trajd = Trajd(disk)
    trajd.log_path = disk.parent / "trajd.log"
    return trajd.start()


def test_a_disk_that_is_full_loses_nothing_of_ingest_sealing_and_checkpoint(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_500_000))
    trajd = trajd_on(small_disk)
    peer = Peer(trajd.ingest, "r")
    steps(peer, 3000)
    peer.deliver()
    fill(peer)
    assert_in_trouble(trajd, "disk is full")
    # Checkpoints fail too, every second, and harm nothing.
    trajd.wait(lambda: trajd.metrics()["store_checkpoint_errors_total"] >= 1, "a checkpoint")
    assert trajd.run("r")["streams"][0]["committed_seq"] == peer.committed
    ballast.unlink()
    peer.deliver()
    assert_well(trajd)
    trajd.wait(lambda: trajd.metrics()["store_chunks_sealed_total"] >= 1, "a chunk")
    assert_kept(trajd, peer, trajd.stop)


def test_it_ends_and_starts_again_on_a_full_disk(small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_500_000))
    trajd = trajd_on(small_disk)
    peer = Peer(trajd.ingest, "r")
    fill(peer)
    assert trajd.stop() == 0
    ballast.unlink()
    trajd.start()
    peer.deliver()
    assert_kept(trajd, peer, trajd.stop)


@pytest.mark.parametrize("command, status", [(("prune", "--keep-days", "1"), 1), (("check",), 2),
                                             (ANY_PORTS, 1)])
def test_where_there_is_no_room_at_all_that_is_said(small_disk, command, status):
    """SQLite calls it an error of the disk: it cannot make its files beside the database."""
    trajd = trajd_on(small_disk)
    assert trajd.stop() == 0
    with open(small_disk / "ballast", "wb", buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(bytes(4096))
    result = run_trajd(*command, "--db", str(trajd.db))
    assert result.returncode == status
    assert "No space left on device" in result.stderr


def test_a_read_only_disk_is_an_error_of_the_start(small_disk):
    trajd = Trajd(small_disk).start()
    trajd.end()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    result = run_trajd("--db", str(trajd.db), *ANY_PORTS)
    assert result.returncode == 1
    assert "Read-only file system" in result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="may not be somebody else")
def test_a_database_that_may_not_be_written_is_an_error_of_the_start(tmp_path):
    tmp_path.chmod(0o777)
    db = tmp_path / "trajd.db"
    db.touch(0o644)
    (tmp_path / "trajd.db.lock").touch()
    (tmp_path / "trajd.db.lock").chmod(0o666)
    for folder in list(tmp_path.parents)[:-2]:  # others must get here
        folder.chmod(folder.stat().st_mode | 0o011)
    program = shutil.copy(BUILD / "trajd", tmp_path)  # others may not get to where that is
    result = subprocess.run([program, "--db", db, *ANY_PORTS], capture_output=True,
                            text=True, timeout=20, user=65534, check=False)
    assert result.returncode == 1
    assert f"{db}: cannot be written" in result.stderr


# ---- a network ------------------------------------------------------------------


STATFS = """
#include <sys/vfs.h>
int statfs(const char *path, struct statfs *out)
{
    (void)path;
    *out = (struct statfs){ .f_type = 0x6969 };
    return 0;
}
"""


def test_a_database_on_a_network_is_warned_of(tmp_path):
    source = tmp_path / "nfs.c"
    library = tmp_path / "nfs.so"
    source.write_text(STATFS)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source],
                   check=True)
    os.environ["LD_PRELOAD"] = str(library)
    try:
        trajd = Trajd(tmp_path).start()
    finally:
        del os.environ["LD_PRELOAD"]
    assert 'event=network_file_system kind="NFS"' in trajd.log()
    assert trajd.stop() == 0


def test_a_local_disk_is_not_warned_of(trajd):
    assert "network_file_system" not in trajd.log()
