"""SQL on the database of a trajd that runs: traj query, and the extension in
the sqlite3 shell and in Python's sqlite3."""
import csv
import io
import json
import math
import os
import signal
import sqlite3
import subprocess

import pytest

import trajd as rig
import wire
from peer import Peer

TRAJ = rig.BUILD / "traj"
TABLES = {wire.STEP: "steps", wire.PROBE: "probes", wire.METRIC: "metrics",
          wire.EVENT: "events", wire.SHARPNESS: "sharpness", wire.GROUP: "groups"}
FOREVER = "WITH RECURSIVE a(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM a) SELECT x FROM a"
SILENT = FOREVER.replace(") SELECT x", ") SELECT max(x)")


def query(*words, environment=(), **kwargs):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    return subprocess.run([TRAJ, "query", *words], capture_output=True, text=True, timeout=60,
                          check=False, env={**clean, **dict(environment)}, **kwargs)


def rows_of(trajd, sql, *words):
    shown = query("--db", trajd.db, "--format", "json", *words, sql)
    assert (shown.returncode, shown.stderr) == (0, "")
    return json.loads(shown.stdout)


def connect(path):
    """Python's own SQLite, with the tables."""
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    db.enable_load_extension(True)
    db.load_extension(str(rig.BUILD / "trajd_tables"))
    return db


def shell(path, *statements):
    return subprocess.run(["sqlite3", path, "-cmd", f".load {rig.BUILD / 'trajd_tables'}",
                           *statements], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def runs(trajd):
    """Two runs with all kinds of records and values, the first half sealed."""
    for run_id in ("one", "two"):
        peer = Peer(trajd.ingest, run_id, project="p", groups=[{"name": "embed", "size": 3}])
        for k in range(3000):
            loss = math.nan if k == 5 else -math.inf if k == 6 else 1 / (k + 3)
            peer.record(wire.STEP, step=k, loss=wire.f64(loss), grad_sq=wire.f64(k / 7),
                        wall_ns=1_700_000_000_123_456_789 + k, tokens=(1 << 53) + k)
            if k % 30 == 0:
                g = 1.0 + k * 37 % 11
                peer.record(wire.PROBE, step=k, estimator=3, smoothness=wire.f64(2 + 3 * g),
                            grad_sq=wire.f64(g * g), delta_sq=wire.f64(1e-12))
        peer.record(wire.METRIC, step=1, name="a,b\"c", value=wire.f64(0.1))
        peer.record(wire.SHARPNESS, step=1, value=wire.f64(-2.5), converged=0)
        peer.record(wire.GROUP, step=1, group=1, grad_sq=wire.f64(0.1))
        peer.record(wire.EVENT, step=1, event=0, severity=0, text="line\nbreak \u00fc\x1b[31m")
        peer.deliver()
    return trajd


def as_exported(row, kind):
    """A row of a table as (attempt, rank, seq, fields) of rig.export_rows."""
    nan = json.loads(row["nan"] or "[]")
    fields = {}
    for name, of in wire.FIELDS[kind]:
        value = row[name]
        if name in nan:
            fields[name] = "NaN"
        elif value is not None:
            fields[name] = (wire.f64(value) if of == "F64" else value if of == "TEXT"
                            else wire.i64(value))
    return (row["attempt"], row["rank"], row["seq"], fields)


def test_the_tables_in_python_are_what_is_exported(runs):
    db = connect(runs.db)
    for kind, table in TABLES.items():
        for run_id in ("one", "two"):
            found = db.execute(f"SELECT * FROM {table} WHERE run = ?", (run_id,)).fetchall()
            assert [as_exported(row, kind) for row in found] == rig.export_rows(
                runs, run_id, kind)
    db.close()


def test_the_shell_has_the_same_tables(runs):
    shown = shell(runs.db, "SELECT run, count(*), min(step), max(step) FROM steps GROUP BY run",
                  "SELECT step, nan FROM steps WHERE run = 'one' AND nan IS NOT NULL",
                  "SELECT group_name, grad_sq FROM groups WHERE run = 'two'")
    assert shown.stderr == ""
    assert shown.stdout.splitlines() == ["one|3000|0|2999", "two|3000|0|2999", '5|["loss"]',
                                         "embed|0.1"]


def test_csv_and_json_read_back_exactly(runs):
    sql = "SELECT step, loss, grad_norm, wall_ns, tokens, nan FROM steps WHERE run = 'one'"
    as_json = rows_of(runs, sql)
    as_csv = list(csv.DictReader(io.StringIO(query("--db", runs.db, sql).stdout)))
    lines = query("--db", runs.db, "--format", "ndjson", sql).stdout.splitlines()
    assert [json.loads(line) for line in lines] == as_json
    assert len(as_json) == len(as_csv) == 3000
    for k, (j, c) in enumerate(zip(as_json, as_csv)):
        assert j["step"] == int(c["step"]) == k
        assert j["wall_ns"] == c["wall_ns"] == str(1_700_000_000_123_456_789 + k)
        assert j["tokens"] == c["tokens"] == str((1 << 53) + k)
        assert j["grad_norm"] == float(c["grad_norm"]) == math.sqrt(k / 7)
    for k in set(range(3000)) - {5, 6}:
        assert as_json[k]["loss"] == float(as_csv[k]["loss"]) == 1 / (k + 3)
    assert (as_json[5]["loss"], as_csv[5]["loss"]) == (None, "")
    assert as_json[5]["nan"] == as_csv[5]["nan"] == '["loss"]'
    assert as_json[6]["loss"] == as_csv[6]["loss"] == "-Infinity"


def test_texts_come_whole_and_do_no_harm_to_a_terminal(runs):
    sql = "SELECT name, '', NULL, x'00ff' AS b FROM metrics LIMIT 1"
    assert query("--db", runs.db, sql).stdout == "name,'',NULL,b\n" \
        '"a,b""c","",,00ff\n'
    sql = "SELECT text FROM events WHERE run = 'one'"
    assert rows_of(runs, sql) == [{"text": "line\nbreak \u00fc\x1b[31m"}]
    assert query("--db", runs.db, "--format", "table", sql).stdout == \
        "text\n-----------------\nline?break \u00fc?[31m\n"


def test_a_table_is_aligned(runs):
    shown = query("--db", runs.db, "--format", "table",
                  "SELECT run, step, loss, nan FROM steps WHERE run = 'two' AND step IN (1, 5, 6)"
                  " UNION ALL SELECT 'a longer text', 12345, 0.5, NULL ORDER BY step")
    assert shown.stdout.splitlines() == [
        "run            step   loss       nan",
        "-------------  -----  ---------  --------",
        "two                1       0.25  NULL",
        'two                5  NULL       ["loss"]',
        "two                6  -Infinity  NULL",
        "a longer text  12345        0.5  NULL"]


def test_a_long_table_goes_on_in_its_columns(runs):
    shown = query("--db", runs.db, "--format", "table", "SELECT seq, 'x' FROM steps").stdout
    lines = shown.splitlines()
    assert len(lines) == 6002
    assert {line[-1] for line in lines[2:]} == {"x"}
    assert lines[2] == "  1  x"
    assert lines[3000].split()[0] == lines[3000].strip()[:4]


def test_the_fits_are_those_of_the_api(runs):
    api = runs.json("/api/v1/runs/one/fits")["data"]
    found = rows_of(runs, "SELECT * FROM fits('one')")
    assert [{"method": r["method"], "tau": r["tau"], "L0": r["L0"], "L1": r["L1"]}
            for r in found] == api["fits"]
    assert {(r["regressor"], r["estimator"], r["n"], r["n_excluded"], r["spearman"])
            for r in found} == {(api["regressor"], api["estimator"], api["n"],
                                 api["n_excluded"], api["spearman"])}
    assert json.loads(found[0]["warnings"]) == api["warnings"]


def test_a_reader_sees_one_state_while_records_come(trajd):
    peer = Peer(trajd.ingest, "r")
    seen = []

    def look(_):
        row = rows_of(trajd, "SELECT count(*) AS n, count(DISTINCT step) AS d, "
                             "coalesce(max(seq), 0) AS last FROM steps")[0]
        assert row["n"] == row["d"] == row["last"]
        seen.append(row["n"])

    for k in range(6000):
        peer.record(wire.STEP, step=k, loss=wire.f64(k))
    peer.deliver(frame=300, between=look)
    look(peer)
    assert seen == sorted(seen) and seen[-1] == 6000


def test_an_open_statement_holds_up_no_writer(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=0)
    peer.deliver()
    db = connect(trajd.db)
    rows = db.execute("SELECT a.step FROM steps AS a, (VALUES (1), (2), (3))")
    assert rows.fetchone()[0] == 0
    for k in range(1, 5000):
        peer.record(wire.STEP, step=k)
    peer.deliver()
    assert len(rows.fetchall()) == 2
    assert db.execute("SELECT count(*) FROM steps").fetchone()[0] == 5000
    db.close()


def test_the_database_is_where_trajd_has_it(runs, tmp_path):
    sql = "SELECT count(*) AS n FROM runs"
    config = tmp_path / "trajd.conf"
    config.write_text(f"[store]\ndb = {runs.db}\n")
    for environment in ({"TRAJD_DB": str(runs.db)}, {"TRAJD_CONFIG": str(config)}):
        assert query(sql, environment=environment.items()).stdout == "n\n2\n"
    assert query(sql, cwd=runs.db.parent).stdout == "n\n2\n"
    missing = query(sql, cwd="/")
    assert missing.returncode == 1
    assert missing.stderr == "traj query: trajd.db: No such file or directory\n"
    broken = query(sql, environment={"TRAJD_CONFIG": "/nonexistent"}.items())
    assert (broken.returncode, broken.stdout) == (2, "")


def test_it_needs_no_trajd(runs):
    assert runs.stop() == 0
    assert rows_of(runs, "SELECT count(*) AS n FROM steps") == [{"n": 6000}]


def test_a_statement_comes_from_standard_input_too(runs):
    for words in ((), ("-",)):
        shown = query("--db", runs.db, *words, input="SELECT 1 AS a;\n-- and\n")
        assert shown.stdout == "a\n1\n"
    most = "SELECT 1 AS a --".ljust(1 << 20, "x")
    assert query("--db", runs.db, input=most).stdout == "a\n1\n"
    more = query("--db", runs.db, input=most + "x")
    assert (more.returncode, more.stdout) == (1, "")
    assert "longer than 1 MiB" in more.stderr


def test_a_limit_ends_what_goes_on(runs):
    shown = query("--db", runs.db, "--limit", "3", FOREVER)
    assert (shown.returncode, shown.stdout) == (0, "x\n1\n2\n3\n")
    assert rows_of(runs, FOREVER, "--limit", "1") == [{"x": 1}]


def test_what_fails_says_why_and_prints_no_rows(runs):
    for sql, why in (("DELETE FROM run", "only reading is allowed"),
                     ("SELECT 1; SELECT 2", "one statement at a time"),
                     ("SELECT 1 FROM steps('old')", "view is 'all' or 'newest'"),
                     ("SELECT nothing FROM nowhere", "syntax error"),
                     ("SELECT 1 FROM nowhere", "no such table")):
        shown = query("--db", runs.db, sql)
        assert (shown.returncode, shown.stdout) == (1, "")
        assert shown.stderr.startswith("traj query: ") and why in shown.stderr
        assert shown.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [
    ("--limit", "0", "SELECT 1"), ("--limit", "x", "SELECT 1"), ("--timeout", "-1", "SELECT 1"),
    ("--timeout", "86401", "SELECT 1"), ("--format", "xml", "SELECT 1"), ("SELECT 1", "SELECT 2"),
    ("--nonsense",)])
def test_wrong_usage_is_said(words):
    shown = query(*words)
    assert (shown.returncode, shown.stdout) == (2, "")
    assert "usage: traj query" in shown.stderr


def test_a_timeout_ends_a_statement_that_computes_and_one_that_waits(runs):
    counting = query("--db", runs.db, "--timeout", "1", SILENT)
    assert (counting.returncode, counting.stdout) == (1, "")
    assert counting.stderr == "traj query: not done after 1 s\n"
    with subprocess.Popen([TRAJ, "query", "--db", runs.db, "--timeout", "1", FOREVER],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as waiting:
        assert waiting.stderr.readline() == b"traj query: not done after 1 s\n"
        waiting.stdout.close()  # nobody has read a byte
        assert waiting.wait(20) != 0


def catches(process, number):
    """Whether the process handles the signal by now."""
    with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("SigCgt"))
    return int(line.split()[1], 16) >> (number - 1) & 1 == 1


@pytest.mark.parametrize("sql", [FOREVER, SILENT])
def test_an_interrupt_ends_a_statement_as_a_shell_expects(runs, sql):
    with subprocess.Popen([TRAJ, "query", "--db", runs.db, sql], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        runs.wait(lambda: catches(process, signal.SIGINT), "the handler")
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr.read() == b""


def test_a_damaged_chunk_is_named_in_each_way_to_ask(runs):
    assert runs.stop() == 0
    with sqlite3.connect(runs.db) as db:
        chunk = db.execute("SELECT min(id) FROM chunk WHERE kind = 1").fetchone()[0]
        db.execute("UPDATE chunk SET body = x'' WHERE id = ?", (chunk,))
    db.close()
    sql = "SELECT sum(loss) FROM steps"
    shown = query("--db", runs.db, sql)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr.startswith(f"traj query: chunk {chunk}: ")
    assert f"chunk {chunk}: " in shell(runs.db, sql).stderr
    db = connect(runs.db)
    with pytest.raises(sqlite3.DatabaseError, match=f"chunk {chunk}: "):
        db.execute(sql).fetchall()
    assert db.execute("SELECT count(*) FROM steps WHERE step > 2900").fetchone()[0] == 198
    db.close()


def test_the_extension_calls_no_sqlite_of_its_own():
    symbols = subprocess.run(["nm", "-D", rig.BUILD / "trajd_tables.so"], capture_output=True,
                             text=True, check=True).stdout.split("\n")
    assert [s.split()[-1] for s in symbols if "sqlite3" in s] == ["sqlite3_trajdtables_init"]


def test_the_extension_says_what_a_database_is_not(tmp_path):
    shown = shell(tmp_path / "other.db", "SELECT 1 FROM steps")
    assert "not a database of trajd" in shown.stderr
