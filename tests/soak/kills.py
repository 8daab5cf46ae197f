#!/usr/bin/env python3
"""The long campaign of random kills (tests/integration/kill_round.py): as many
kills as asked for, then `trajd check` of the one database they all hit.

    kills.py [KILLS [SEED]]
"""
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from kill_round import Campaign  # noqa: E402
from trajd import BUILD  # noqa: E402


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else time.time_ns() % 2**32
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="trajd-kills-") as folder:
        campaign = Campaign(pathlib.Path(folder), seed)
        while campaign.kills < kills:
            campaign.round()
            if campaign.rounds % 50 == 0:
                print(f"{campaign.rounds} rounds, {campaign.kills} kills, {campaign.torn} torn tails",
                      flush=True)
        campaign.end()
        subprocess.run([BUILD / "trajd", "check", "--db", campaign.trajd.db], check=True)
    print(f"{campaign.rounds} rounds, {campaign.kills} kills, {campaign.torn} torn tails: "
          "every record there, none twice")


if __name__ == "__main__":
    main()
