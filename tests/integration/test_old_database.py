"""A database of an earlier version (old_database.py says what is in it) is
brought to this version when trajd opens it: nothing of it changes, and it goes
on. Each of them is brought here by every migration that came after it."""
import gzip
from collections import Counter

import pytest

import old_database
import wire
from care import assert_whole, done, findings, query
from trajd import Trajd, comparable, export_rows

NOW = 5  # the version that it is brought to
STEPS = {1: 40, 2: 29, 3: 29, 4: 29}  # of 100 records


@pytest.fixture(params=old_database.KINDS, ids=lambda version: f"version-{version}")
def version(request):
    return request.param


@pytest.fixture
def old(tmp_path, version):
    packed = (wire.ROOT / f"tests/vectors/database-{version}.db.gz").read_bytes()
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


def expected(attempt, version):
    return [(kind, comparable(kind, fields))
            for kind, fields in old_database.records(attempt, version)]


def counts(version):
    """{kind: records of one attempt}."""
    return Counter(kind for kind, _ in old_database.records(1, version))


def group_probes(attempt, version):
    """As its trajd counted them: before version 3 not at all."""
    return 0 if version < 3 else sum(
        kind == wire.PROBE and fields.get("group", 0) != 0
        for kind, fields in old_database.records(attempt, version))


def test_the_file_is_of_its_version_with_chunks_and_a_log(old, version):
    assert query(old.db, "PRAGMA user_version") == [(version,)]
    assert query(old.db, "SELECT kind, records FROM chunk ORDER BY kind") == sorted(
        counts(version).items())
    assert query(old.db, "SELECT sum(last_seq - first_seq + 1) FROM log") == [(100,)]


def test_check_says_that_it_is_old_and_looks_at_its_structure(old, version):
    found, checked = findings(old.db)
    assert (found, checked["old_version"], checked["records"]) == ([], version, 0)


def test_every_record_of_it_reads_back_exactly(old, version):
    old.start()
    assert rows_of(old) == {1: expected(1, version), 2: expected(2, version)}
    run = old.run(old_database.RUN)
    assert run["records"] == {name: 2 * counts(version)[kind]
                              for kind, name in wire.KIND_NAMES.items()}
    assert run["records"]["step"] == 2 * STEPS[version]
    assert (run["name"], run["config"], run["tags"]) == ("an old run", {"lr": 0.5}, ["old"])
    assert (run["attempts"], run["lost_records"], run["dropped_records"]) == (2, 0, 0)
    layers = old.json(f"/api/v1/runs/{old_database.RUN}/layers")["data"]
    assert [(layer["group"], layer["name"], layer["size"]) for layer in layers] == [
        (1, "embed", 1000)]


def test_it_is_whole_when_it_has_been_brought_here(old):
    old.start()
    assert_whole(old.db)
    assert query(old.db, "PRAGMA user_version") == [(NOW,)]
    assert old.stop() == 0
    assert_whole(old.db)
    assert query(old.db, "SELECT sum(chunk_bytes) FROM stream_progress") == query(
        old.db, "SELECT sum(length(body)) FROM chunk")


def test_its_open_stream_goes_on_with_the_new_kinds(old, version):
    old.start()
    peer = old_database.peer(old.ingest, 2, version)
    new = [(wire.SHARPNESS, {"step": 101, "wall_ns": 1, "value": wire.f64(-3.5)}),
           (wire.GROUP, {"step": 101, "wall_ns": 2, "group": 1, "grad_sq": wire.f64(0.1)}),
           (wire.GROUP, {"step": 102, "wall_ns": 3, "group": 1, "grad_nan": 7}),
           (wire.PROBE, {"step": 102, "wall_ns": 4, "group": 1, "smoothness": wire.f64(2.0)})]
    for kind, fields in new:
        peer.record(kind, **fields)
    peer.deliver()
    assert rows_of(old)[2] == expected(2, version) + new
    before = counts(version)
    assert query(old.db, "SELECT attempt, sharpness, groups, steps FROM streams "
                         "ORDER BY attempt") == [
        (1, before[wire.SHARPNESS], before[wire.GROUP], before[wire.STEP]),
        (2, before[wire.SHARPNESS] + 1, before[wire.GROUP] + 2, before[wire.STEP])]
    assert query(old.db, "SELECT attempt, group_probes FROM streams ORDER BY attempt") == [
        (1, group_probes(1, version)), (2, group_probes(2, version) + 1)]
    assert_whole(old.db)


# Random bits count elements of the parameters that are not finite: what trajd 4 raised of it.
RAISED = {"run": old_database.RUN, "rule": "non_finite", "severity": "error", "attempt": 1, "rank": None,
          "step": 2, "value": "Infinity", "limit": None, "sentence": "a parameter is infinite at step 2",
          "wall_ns": "1795676094032730230"}


def test_its_runs_get_alerts_and_keep_those_they_have(old, version):
    columns = {1: 0, 2: 0, 3: 0, 4: 10}[version]
    assert query(old.db, "SELECT count(*) FROM pragma_table_info('alert')") == [(columns,)]
    old.start()
    assert old.json("/api/v1/alerts")["data"] == ([RAISED] if version == 4 else [])
    peer = old_database.peer(old.ingest, 2, version)
    assert peer.ask(peer.send_hello)["status"] == wire.OK
    old.wait(lambda: query(old.db, "SELECT run, attempt, rank, rule FROM alerts WHERE rule = 'non_finite'") == [
        (old_database.RUN, 1, None, "non_finite")], "an alert")
    # Another trouble, in the records that come now, is told; the old one is not.
    for k in range(101, 202):
        peer.record(wire.STEP, step=k, loss=wire.f64(1.0))
    peer.record(wire.STEP, step=202, loss=wire.f64(float("nan")))
    peer.deliver()
    old.wait(lambda: len(old.json("/api/v1/alerts?rule=non_finite")["data"]) > 1, "another")
    newest, oldest = old.json("/api/v1/alerts?rule=non_finite")["data"]
    assert (newest["attempt"], newest["step"], newest["rank"]) == (2, 202, None)
    assert version < 4 or oldest == RAISED
    assert_whole(old.db)


@pytest.mark.parametrize("name", ["compact", "repair"])
def test_a_command_brings_it_here_too(old, version, name):
    done(name, old.db)
    assert_whole(old.db)
    assert query(old.db, "SELECT step, rule, value, rank, wall_ns FROM alerts") == (
        [(2, "non_finite", float("inf"), None, 1795676094032730230)] if version == 4 else [])
    old.start()
    assert rows_of(old) == {1: expected(1, version), 2: expected(2, version)}


def test_a_backup_of_it_stays_old(old, version, tmp_path):
    copy = tmp_path / "copy.db"
    done("backup", old.db, copy)
    assert query(copy, "PRAGMA user_version") == [(version,)]
    assert findings(copy)[0] == []
