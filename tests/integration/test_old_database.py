"""A database of version 1 (old_database.py says what is in it) is brought to
this version when trajd opens it: nothing of it changes, and it goes on."""
import gzip
import sqlite3

import pytest

import old_database
import wire
from trajd import Trajd, comparable, export_rows


@pytest.fixture
def old(tmp_path):
    packed = (wire.ROOT / "tests/vectors/database-1.db.gz").read_bytes()
    (tmp_path / "trajd.db").write_bytes(gzip.decompress(packed))
    trajd = Trajd(tmp_path)
    yield trajd
    trajd.end()


def rows_of(trajd):
    """{attempt: [(kind, fields) by seq]}, all kinds."""
    rows = sorted((attempt, seq, kind, fields) for kind in wire.KIND_NAMES
                  for attempt, _, seq, fields in export_rows(trajd, old_database.RUN, kind))
    assert [row[:2] for row in rows if row[0] == 1] == [(1, seq) for seq in range(1, 101)]
    return {a: [row[2:] for row in rows if row[0] == a] for a in (1, 2)}


def expected(attempt):
    return [(kind, comparable(kind, fields)) for kind, fields in old_database.records(attempt)]


def query(trajd, sql):
    db = sqlite3.connect(trajd.db)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_the_file_is_of_version_1_with_chunks_and_a_log(old):
    assert query(old, "PRAGMA user_version") == [(1,)]
    assert query(old, "SELECT kind, records FROM chunk ORDER BY kind") == [
        (1, 40), (2, 20), (3, 20), (4, 20)]
    assert query(old, "SELECT sum(last_seq - first_seq + 1) FROM log") == [(100,)]


def test_every_record_of_it_reads_back_exactly(old):
    old.start()
    assert rows_of(old) == {1: expected(1), 2: expected(2)}
    run = old.run(old_database.RUN)
    assert run["records"] == {"step": 80, "probe": 40, "metric": 40, "event": 40,
                              "sharpness": 0, "group": 0}
    assert (run["name"], run["config"], run["tags"]) == ("an old run", {"lr": 0.5}, ["old"])
    assert (run["attempts"], run["lost_records"], run["dropped_records"]) == (2, 0, 0)
    layers = old.json(f"/api/v1/runs/{old_database.RUN}/layers")["data"]
    assert [(layer["group"], layer["name"], layer["size"]) for layer in layers] == [
        (1, "embed", 1000)]


def test_its_open_stream_goes_on_with_the_new_kinds(old):
    old.start()
    peer = old_database.peer(old.ingest, 2)
    new = [(wire.SHARPNESS, {"step": 101, "wall_ns": 1, "value": wire.f64(-3.5)}),
           (wire.GROUP, {"step": 101, "wall_ns": 2, "group": 1, "grad_sq": wire.f64(0.1)}),
           (wire.GROUP, {"step": 102, "wall_ns": 3, "group": 1, "grad_nan": 7}),
           (wire.PROBE, {"step": 102, "wall_ns": 4, "group": 1, "smoothness": wire.f64(2.0)})]
    for kind, fields in new:
        peer.record(kind, **fields)
    peer.deliver()
    assert rows_of(old)[2] == expected(2) + new
    records = old.run(old_database.RUN)["records"]
    assert (records["sharpness"], records["group"], records["step"]) == (1, 2, 80)
    assert query(old, "PRAGMA user_version") == [(3,)]
    assert query(old, "SELECT attempt, sharpness, groups, probes, group_probes FROM streams "
                      "ORDER BY attempt") == [(1, 0, 0, 20, 0), (2, 1, 2, 21, 1)]
