"""The table `fits` of traj query against GET /fits and GET /verdict on the same run."""
import json
import math
import os
import subprocess

import pytest

import trajd as rig
from law import MANY, send_law
from test_verdict import Wanderer


def rows_of(trajd, sql):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    shown = subprocess.run([rig.BUILD / "traj", "query", "--db", trajd.db, "--format", "json", sql],
                           capture_output=True, text=True, timeout=60, check=False, env=clean)
    assert (shown.returncode, shown.stderr) == (0, "")
    return json.loads(shown.stdout)


def assert_interval(row, said):
    for name, column in (("L0", "L0"), ("L1", "L1"), ("centroid", "centroid")):
        assert row["centroid" if column == "centroid" else f"{column}_estimate"] == said[name]["estimate"]
        for part in ("se", "low", "high"):
            assert row[f"{column}_{part}"] == said[name][part]
    assert [row[c] for c in ("level", "dof", "x_mean", "corr")] == [said[c] for c in ("level", "dof", "x_mean", "corr")]


def assert_fit(row, said):
    """What of GET /fits is a column."""
    for column in ("regressor", "estimator", "n", "n_excluded", "every", "window", "spearman", "ceiling_ratio", "reason"):
        assert row[column] == said[column], column
    assert row["spearman_step"] == said["spearman_step_x"]
    assert bool(row["from_states"]) == said["from_states"]
    assert [row["x_min"], row["x_max"]] == said["x_range"] and [row["y_min"], row["y_max"]] == said["y_range"]
    for column in ("slope", "intercept", "theil_sen"):
        assert row[f"loglog_{column}"] == said["loglog"][column]
    assert row["loglog_pearson"] == said["loglog"]["pearson_r"]
    power = said["power"] or {"rho": None, "L0": None, "L1": None, "scores": None}
    assert [row["power_rho"], row["power_L0"], row["power_L1"]] == [power["rho"], power["L0"], power["L1"]]
    assert json.loads(row["power_scores"] or "null") == power["scores"]
    assert json.loads(row["warnings"]) == said["warnings"]
    assert json.loads(row["frontier"]) == said["frontier"]
    assert json.loads(row["rivals"] or "null") == said["rivals"] and row["rivals_absent"] == said["rivals_absent"]
    assert row["score_ratio"] == (said["rivals"] or {"score_ratio": None})["score_ratio"]


def test_the_table_has_what_the_api_says_of_the_pairs(trajd):
    Wanderer(1).send(trajd, "law", 1000)
    rows = rows_of(trajd, "SELECT * FROM fits('law')")
    said = trajd.json("/api/v1/runs/law/fits")["data"]
    phase = trajd.json("/api/v1/runs/law/verdict?from=0")["data"]["phases"]
    assert len(phase) == 1 and len(rows) == 10
    assert [(r["method"], r["tau"], r["L0"], r["L1"]) for r in rows] == [
        (f["method"], f["tau"], f["L0"], f["L1"]) for f in said["fits"]]
    for row in rows:
        assert_fit(row, said)
        assert_interval(row, phase[0]["interval"])
        assert row["interval_absent"] is None
        for column in ("tau_int", "n_eff", "slope_p", "partial_spearman", "partial_p", "difference_spearman",
                       "difference_p"):
            assert row[column] == phase[0][column], column
    assert rows[0]["L1_low"] < Wanderer.L1 < rows[0]["L1_high"] and rows[0]["power_rho"] == 1


@pytest.mark.parametrize("n, why", [(20, "few_samples"), (200, "few_blocks")])
def test_what_is_not_there_says_why(trajd, n, why):
    Wanderer(1).send(trajd, "few", n)
    row = rows_of(trajd, "SELECT * FROM fits('few')")[0]
    said = trajd.json("/api/v1/runs/few/verdict?from=0")["data"]["phases"][0]
    assert row["interval_absent"] == said["interval_absent"]
    assert (row["L1_low"] is None) == (said["interval"] is None)
    assert n > 20 or (row["reason"], row["interval_absent"]) == ("too_few_pairs", why)


def test_the_table_of_many_pairs_has_what_the_api_says_of_their_states(trajd):
    send_law(trajd, "r", MANY, 8)
    said = trajd.json(f"/api/v1/runs/r/fits?to={MANY}")["data"]
    assert said["from_states"] and said["n"] == MANY
    rows = rows_of(trajd, "SELECT * FROM fits('r')")
    assert [(r["method"], r["tau"], r["L0"], r["L1"]) for r in rows] == [
        (f["method"], f["tau"], f["L0"], f["L1"]) for f in said["fits"]]
    for row in rows:
        assert_fit(row, said)
        assert_interval(row, said["interval"])
        assert row["n_eff"] == pytest.approx(MANY, rel=0.5) and row["slope_p"] < 1e-9
        assert row["tau_int"] * row["n_eff"] == pytest.approx(MANY) and not math.isnan(row["tau_int"])
        assert row["partial_p"] is None and row["difference_p"] is None
