"""The longest of everything that traj.h takes is what trajd takes too, and it
comes back as it was given; one more is refused before anything is recorded."""
import os
import subprocess

import wire
from trajd import BUILD, export_rows


def test_the_longest_of_everything_is_taken_and_one_more_refused(trajd, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    done = subprocess.run([BUILD / "integration/longest", tmp_path / "spools", trajd.ingest],
                          capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    run_id = "r" * 64
    run = trajd.run(run_id)
    assert (run["state"], run["project"], run["name"]) == ("finished", "p" * 100, "n" * 200)
    assert run["tags"] == [f"{i:02}" + "t" * 98 for i in range(64)]
    assert (run["streams"][0]["rank"], run["attempts"], run["ranks"]) == (65535, 1, 1)
    config = run["config"]["a"]
    for _ in range(30):
        config, = config
    assert config == 1
    assert run["hello"]["optimizer"] == "o" * 200
    layers = trajd.json(f"/api/v1/runs/{run_id}/layers")["data"]
    assert layers == [{"group": k + 1, "name": f"{k:04}" + "g" * 60, "size": str(1 << 53),
                       "rows": (1 << 32) - 1, "cols": (1 << 32) - 1, "norm": 2, "combine": 2,
                       "ranks": 1, "size_sum": str(1 << 53)}
                      for k in range(4096)]
    (_, _, _, metric), = export_rows(trajd, run_id, wire.METRIC)
    assert metric["name"] == "m" * 200
    event = export_rows(trajd, run_id, wire.EVENT)[0][3]
    assert event["text"] == "e" * 65535
