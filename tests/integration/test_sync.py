"""traj sync, as a user calls it: what it says, its exit status, what it leaves."""
import struct
import subprocess

import pytest

from example import BUILD, environment, run

HEAD = 192
FIRST_SEQ, COMMITTED, LAST_SEQ = 64, 128, 64  # of a segment's head, and of the state
RECORDS = 401  # of `minimal`: 200 steps, 200 probes, its end


def sync(*words, endpoint="tcp://127.0.0.1:9"):
    return subprocess.run([BUILD / "traj", "sync", "--endpoint", endpoint, *words], timeout=60,
                          capture_output=True, text=True, check=False)


class Spool:
    """What `minimal` left of run r, and the one segment of it."""

    def __init__(self, folder):
        run("minimal", env=environment(folder, TRAJ_MODE="offline", TRAJ_RUN_ID="r"))
        self.dir = folder / "spool"
        self.stream = self.dir / "r/a0001-r00000"
        self.segment = self.stream / "00000000.seg"
        self.aside = self.dir / "r/a0001-r00000-00000000.damaged"
        self.records = self._records()

    def _records(self):
        """{seq: (offset, length)}"""
        data, at, found = self.segment.read_bytes(), HEAD, {}
        while at < struct.unpack_from("<Q", data, COMMITTED)[0]:
            length, _, seq = struct.unpack_from("<IIQ", data, at)
            found[seq] = (at, length)
            at += length
        return found

    def write(self, path, at, data):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data)

    def flip(self, seq):
        at = self.records[seq][0] + 50
        byte = self.segment.read_bytes()[at]
        self.write(self.segment, at, bytes([byte ^ 4]))


@pytest.fixture
def spool(tmp_path):
    spool = Spool(tmp_path)
    assert len(spool.records) == RECORDS
    return spool


def counted(run_of):
    return run_of["complete"], run_of["gaps"], run_of["lost_records"], sum(run_of["records"].values())


def test_a_whole_spool_is_sent_and_gone(spool, trajd):
    done = sync(spool.dir, endpoint=trajd.ingest)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"r/a0001-r00000: {RECORDS} records sent, all acknowledged\n"
    assert counted(trajd.run("r")) == (True, [], 0, RECORDS)
    assert not spool.stream.exists()
    again = sync(spool.dir, endpoint=trajd.ingest)
    assert (again.returncode, again.stdout) == (0, f"{spool.dir}: nothing to send\n")


def test_a_flipped_bit_costs_its_record_and_is_said(spool, trajd):
    spool.flip(100)
    spool.flip(101)
    spool.flip(300)
    before = spool.segment.read_bytes()
    done = sync(spool.dir, endpoint=trajd.ingest)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout == (
        f"r/a0001-r00000: {RECORDS - 3} records sent, all that can be read acknowledged\n"
        "  lost: 3 records of run r, rank 0, cannot be read\n"
        "  kept: r/a0001-r00000-00000000.damaged\n")
    assert counted(trajd.run("r")) == (False, ["lost_records"], 3, RECORDS - 3)
    assert spool.aside.read_bytes() == before
    assert not spool.stream.exists()
    again = sync(spool.dir, endpoint=trajd.ingest)
    assert (again.returncode, again.stdout) == (0, f"{spool.dir}: nothing to send\n")
    assert spool.aside.read_bytes() == before


def test_what_a_power_cut_took_from_the_end_is_said(spool, trajd):
    at, _ = spool.records[RECORDS - 9]
    spool.write(spool.segment, at, bytes(spool.segment.stat().st_size - at))
    done = sync(spool.dir, endpoint=trajd.ingest)
    assert done.returncode == 1
    # One more goes: the event that tells of it.
    assert f": {RECORDS - 10 + 1} records sent" in done.stdout
    assert "  lost: 10 records of run r, rank 0, cannot be read\n" in done.stdout
    assert counted(trajd.run("r")) == (False, ["lost_records"], 10, RECORDS - 9)
    told = trajd.export("r", "event", "csv").decode()
    assert "the spool was damaged: its last 10 records or more are lost" in told


def test_a_record_that_was_being_written_is_no_damage(spool, trajd):
    """As SIGKILL leaves it: bytes behind the end that was committed."""
    at, length = spool.records[RECORDS]
    spool.write(spool.segment, at + length - 8, b"\x55" * 8)
    spool.write(spool.segment, COMMITTED, struct.pack("<Q", at))
    spool.write(spool.stream / "state", LAST_SEQ, struct.pack("<Q", RECORDS - 1))
    done = sync(spool.dir, endpoint=trajd.ingest)
    assert done.stdout == f"r/a0001-r00000: {RECORDS - 1} records sent, all acknowledged\n"
    assert done.returncode == 0
    assert counted(trajd.run("r")) == (True, [], 0, RECORDS - 1)
    assert not spool.aside.exists()


def test_damage_is_said_at_each_attempt_and_nothing_moves_before_the_rest_is_sent(spool, trajd):
    spool.flip(7)
    before = spool.segment.read_bytes()
    failed = sync("--timeout", "1", spool.stream)
    assert failed.returncode == 1
    assert failed.stdout == (
        f"r/a0001-r00000: 0 records sent, no answer from tcp://127.0.0.1:9: {RECORDS - 1} kept\n"
        "  lost: 1 record of run r, rank 0, cannot be read\n")
    assert spool.segment.read_bytes() == before
    done = sync(spool.stream, endpoint=trajd.ingest)
    assert done.returncode == 1
    assert "  lost: 1 record of run r, rank 0, cannot be read\n  kept: r/a0001" in done.stdout
    assert counted(trajd.run("r")) == (False, ["lost_records"], 1, RECORDS - 1)


def test_a_trainer_that_goes_on_with_the_run_keeps_the_file_too(spool, trajd, tmp_path):
    spool.flip(7)
    before = spool.segment.read_bytes()
    where = environment(tmp_path, TRAJ_RUN_ID="r")
    run("minimal", env=dict(where, TRAJ_URL=trajd.ingest))
    assert counted(trajd.run("r")) == (False, ["lost_records"], 1, 2 * RECORDS - 1)
    assert spool.aside.read_bytes() == before


def test_the_rank_is_named(tmp_path, trajd):
    where = environment(tmp_path, TRAJ_MODE="offline", TRAJ_RUN_ID="two")
    for rank in 0, 1:
        run("mlp", "--steps", 40, "--ranks", 2, "--rank", rank, env=where)
    segment = tmp_path / "spool/two/a0001-r00001/00000000.seg"
    data = bytearray(segment.read_bytes())
    data[HEAD + 50] ^= 1
    segment.write_bytes(data)
    done = sync(tmp_path / "spool", endpoint=trajd.ingest)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("two/a0001-r00000: ") and lines[0].endswith(", all acknowledged")
    assert lines[1].startswith("two/a0001-r00001: ")
    assert lines[2:] == ["  lost: 1 record of run two, rank 1, cannot be read",
                         "  kept: two/a0001-r00001-00000000.damaged"]


def test_a_state_that_cannot_be_read_leaves_all_as_it_is(spool, trajd):
    spool.write(spool.stream / "state", 0, b"x")
    done = sync(spool.dir, endpoint=trajd.ingest)
    assert done.returncode == 1
    assert done.stdout == ("r/a0001-r00000: 0 records sent, unreadable: "
                           "state is not of a stream of this version\n")
    assert len(spool.records) == RECORDS and spool.segment.exists()
    assert not trajd.has_run("r")
