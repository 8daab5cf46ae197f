"""The retention policy of a real trajd, and trajd prune."""
import json
import subprocess

import pytest

import wire
from care import assert_whole, command, done, query
from peer import Peer
from trajd import BUILD, Trajd, export_rows

DAY_NS = 86_400_000_000_000
STEPS = 6000


def add_run(trajd, name, exit_code=0):
    peer = Peer(trajd.ingest, name)
    for i in range(STEPS):
        peer.record(wire.STEP, step=i, wall_ns=i, loss=wire.f64(1 / (i + 1)))
        if i % 100 == 99:
            peer.record(wire.PROBE, step=i, estimator=3, smoothness=wire.f64(1.0 + i),
                        grad_sq=wire.f64(4.0 + i))
    peer.deliver(frame=512)
    if exit_code is not None:
        peer.finish(exit_code, STEPS)
    return peer


def age(trajd, name, days):
    """The run ended so many days ago."""
    run = f"(SELECT id FROM run WHERE uid = '{name}')"
    query(trajd.db, f"UPDATE run_progress SET updated_wall_ns = updated_wall_ns - {days * DAY_NS} "
                    f"WHERE run = {run}")
    query(trajd.db, f"UPDATE stream_progress SET heard_wall_ns = heard_wall_ns - {days * DAY_NS} "
                    f"WHERE stream IN (SELECT id FROM stream WHERE run = {run})")


@pytest.fixture
def aged(trajd):
    """Stopped, with runs that ended 40, 20 and 0 days ago."""
    for name, days in (("old", 40), ("middle", 20), ("new", 0)):
        add_run(trajd, name).close()
    assert trajd.stop() == 0
    for name, days in (("old", 40), ("middle", 20)):
        age(trajd, name, days)
    return trajd


def start(trajd, *flags):
    trajd.flags = list(flags)
    return trajd.start()


def ids(trajd):
    return {run["id"] for run in trajd.json("/api/v1/runs")["data"]}


def exported(trajd, name):
    """As `traj export` does it, in CSV."""
    return subprocess.run([BUILD / "traj", "export", name, "--url", f"http://{trajd.http}"], check=True,
                          capture_output=True, text=True, timeout=60)


def trailer(trajd, name, kind="step"):
    return json.loads(trajd.export(name, kind, "ndjson").splitlines()[-1])["trailer"]


def test_without_a_policy_nothing_goes(aged):
    start(aged)
    assert ids(aged) == {"old", "middle", "new"}
    metrics = aged.metrics()
    assert metrics["retention_runs_deleted_total"] == 0
    assert metrics["retention_chunks_thinned_total"] == 0


def test_runs_of_more_than_keep_days_are_deleted(aged):
    start(aged, "--keep-days", "30")
    aged.wait(lambda: aged.metrics()["retention_runs_deleted_total"] == 1, "deleted")
    assert ids(aged) == {"middle", "new"}
    assert aged.json("/api/v1/self")["counters"]["retention_runs_deleted_total"] == 1
    assert 'event=run_expired run=old why=keep_days' in aged.log()
    assert_whole(aged.db)


def test_runs_of_more_than_thin_days_keep_what_a_law_is_fitted_to(aged):
    start(aged)
    before = export_rows(aged, "old", wire.PROBE)
    scatter = aged.json("/api/v1/runs/old/scatter")
    aged.stop()
    start(aged, "--thin-days", "30")
    aged.wait(lambda: "event=run_thinned run=old" in aged.log(), "thinned")
    run = aged.run("old")
    assert (run["records"]["step"], run["thinned_records"]) == (STEPS, STEPS)
    assert export_rows(aged, "old", wire.PROBE) == before
    assert aged.json("/api/v1/runs/old/scatter") == scatter
    assert trailer(aged, "old") == {**trailer(aged, "old"), "rows": 0, "thinned": STEPS}
    assert trailer(aged, "new")["thinned"] == trailer(aged, "old", "probe")["thinned"] == 0
    assert aged.run("middle")["thinned_records"] == 0
    assert aged.metrics()["retention_rows_thinned_total"] == STEPS
    assert f"retention has thinned {STEPS} records of this run" in exported(aged, "old").stderr
    assert exported(aged, "new").stderr == ""
    assert_whole(aged.db)


def test_a_live_run_is_thinned_by_its_size_alone(trajd):
    trajd.flags = ["--run-bytes", "20K", "--keep-days", "1", "--thin-days", "1", "--keep-bytes",
                   "1"]
    trajd.stop()
    trajd.start()
    peer = add_run(trajd, "live", exit_code=None)
    trajd.stop()
    trajd.start()  # a plan is made at the start
    trajd.wait(lambda: trajd.run("live")["thinned_records"] > 0, "thinned")
    trajd.wait(lambda: "event=run_thinned run=live why=run_bytes" in trajd.log(), "done")
    (left,), = query(trajd.db, "SELECT sum(chunk_bytes) FROM stream_progress")
    run = trajd.run("live")
    rows = export_rows(trajd, "live", wire.STEP)
    assert left <= 20 * 1024
    assert len(rows) + run["thinned_records"] == run["records"]["step"] == STEPS
    assert rows[-1][3]["step"] == STEPS - 1
    assert_whole(trajd.db)
    peer.close()


def test_prune_shows_what_the_policy_would_do_and_does_it(aged):
    policy = ["--keep-days", "30", "--thin-days", "10"]
    before = query(aged.db, "SELECT count(*), sum(length(body)) FROM chunk")
    said = done("prune", aged.db, "--dry-run", *policy).splitlines()
    assert [line.split(" bytes=")[0] for line in said[:-1]] == [
        'would delete run="old" why=keep_days', 'would thin run="middle" why=thin_days']
    assert said[-1].startswith("2 runs; the file uses ")
    assert query(aged.db, "SELECT count(*), sum(length(body)) FROM chunk") == before
    said = done("prune", aged.db, *policy).splitlines()
    assert [line.split(" bytes=")[0] for line in said] == [
        'deleted run="old" why=keep_days', 'thinned run="middle" why=thin_days']
    assert done("prune", aged.db, *policy) == ""
    assert_whole(aged.db)
    start(aged)
    assert ids(aged) == {"middle", "new"}
    assert aged.run("middle")["thinned_records"] == STEPS
    assert aged.run("new")["thinned_records"] == 0


def test_prune_makes_room_from_the_oldest_on_until_there_is_enough(aged):
    (pages,), = query(aged.db, "SELECT (SELECT * FROM pragma_page_count()) - "
                               "(SELECT * FROM pragma_freelist_count())")
    said = done("prune", aged.db, "--keep-bytes", str(pages * 4096 * 9 // 10))
    assert said.startswith('thinned run="old" why=keep_bytes')
    assert '"new"' not in said
    said = done("prune", aged.db, "--keep-bytes", "1")
    assert [line.split()[1] for line in said.splitlines() if line.startswith("deleted")] == [
        'run="old"', 'run="middle"', 'run="new"']
    assert query(aged.db, "SELECT count(*) FROM run") == [(0,)]
    assert_whole(aged.db)


def test_prune_takes_its_policy_from_the_file_of_settings(aged, tmp_path):
    settings = tmp_path / "trajd.conf"
    settings.write_text(f"[store]\ndb = {aged.db}\n[retention]\nkeep_days = 30\n")
    result = command("prune", aged.db, "--dry-run", "--config", settings)
    assert result.stdout.startswith('would delete run="old"')
