#!/usr/bin/env python3
"""bench-store: the same steps into trajd and into the stores that a user would
pick instead, on this machine, one after the other.

    run.py [--quick | --full] [--only NAME]... [--work TEXT]... [--no-kills] [--table FILE]

Of each: steps (or rows) a second till acknowledged, CPU seconds of server and
client, bytes a step on disk, time to read one metric of all steps and to draw
it in 2,000 buckets, and what of the acknowledged SIGKILL lost. Medians of
three. A line of JSON per measurement goes to build/bench-store.jsonl; the table
in FILE is of all that is there, the newest of each, so that hours of measuring
may be spent in parts. `rm` begins anew.
"""
import argparse
import json
import pathlib
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time

from clickhouse import ClickHouse, ClickHouseBig
from influxdb import InfluxDB
from ours import SqliteRows, Trajd, TrajdRelaxed
from peer import timed
from postgres import PostgreSQL
from victoria import VictoriaMetrics
from workload import Workload

PEERS = (Trajd, TrajdRelaxed, ClickHouseBig, ClickHouse, PostgreSQL, VictoriaMetrics, InfluxDB, SqliteRows)
REPEATS = 3
LOG = pathlib.Path("build/bench-store.jsonl")
BUCKETS = 2000

QUICK = (Workload(1, 100_000), Workload(8, 100_000), Workload(1, 500, layers=200))
USUAL = (
    Workload(1, 1_000_000), Workload(1, 1_000_000, kind="full"), Workload(1, 1_000_000, doubles=16),
    Workload(8, 1_000_000), Workload(64, 1_000_000), Workload(256, 1_000_000),
    Workload(1, 5_000, layers=200), Workload(8, 5_000, layers=200),
)
FULL = USUAL + (Workload(1, 10_000_000), Workload(8, 10_000_000, doubles=16),
                Workload(64, 10_000_000), Workload(256, 10_000_000),
                Workload(64, 6_400, layers=200))
KILLED = Workload(1, 3_000_000)


def client_cpu():
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def measure(peer_class, work, folder):
    peer = peer_class(folder)
    try:
        return measure_peer(peer, work)
    finally:
        if peer.process is not None:
            peer.kill()


def measure_peer(peer, work):
    peer.prepare()
    peer.start()
    peer.create(work)
    before = client_cpu()
    seconds, acked = peer.write(work)
    client = client_cpu() - before
    time.sleep(peer.settle_s)
    peer.stop()
    server = peer.cpu_s
    size = peer.size()
    peer.start()
    result = {"seconds": seconds, "rows": acked, "server_cpu_s": server, "client_cpu_s": client,
              "bytes": size, "rows_stored": peer.count(work)}
    if not work.layers and work.writers == 1:
        width = 1 << max(0, (work.each - 1) // BUCKETS).bit_length()
        reads = [timed(lambda: peer.read_all(work)) for _ in range(3)]
        draws = [timed(lambda: peer.read_buckets(work, width)) for _ in range(3)]
        result.update(read_s=min(s for s, _ in reads), read_rows=reads[0][1],
                      draw_s=min(s for s, _ in draws), drawn=draws[0][1])
    peer.stop()
    return result


def kill(peer_class, work, folder):
    """Acknowledged rows that are gone after SIGKILL in the middle."""
    peer = peer_class(folder)
    peer.prepare()
    peer.start()
    peer.create(work)
    _, acked = peer.write(work, stop_after=work.rows // 3)
    peer.start()
    time.sleep(peer.settle_s)
    stored = peer.count(work)
    peer.stop()
    return {"acked": acked, "stored": stored, "lost": max(0, acked - stored)}


def median_of(results, key):
    values = [r[key] for r in results if key in r]
    return statistics.median(values) if values else None


def row_of(peer_class, work, results):
    seconds = median_of(results, "seconds")
    return {"bench": "store_peers", "peer": peer_class.name, "work": work.title,
            "rows_per_s": work.rows / seconds, "bytes_per_row": median_of(results, "bytes") / work.rows,
            "server_cpu_s": median_of(results, "server_cpu_s"),
            "client_cpu_s": median_of(results, "client_cpu_s"),
            "read_ms": (median_of(results, "read_s") or 0) * 1e3,
            "draw_ms": (median_of(results, "draw_s") or 0) * 1e3,
            "missing": work.rows - min(r["rows_stored"] for r in results), "repeats": len(results)}


def measured():
    """(rows of works, rows of kills): what LOG has, the newest of each, in its order."""
    newest = {}
    for line in LOG.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        newest[row["bench"], row["peer"], row.get("work")] = row
    return ([row for row in newest.values() if row["bench"] == "store_peers"],
            [row for row in newest.values() if row["bench"] == "store_kill"])


def table_of_work(work, rows):
    reads = any(r["read_ms"] for r in rows)
    out = [f"## {work}", "", "| store | rows/s | CPU s | bytes/row |"
           + (" read one metric, ms | 2,000 buckets, ms |" if reads else ""),
           "|---|---|---|---|" + ("---|---|" if reads else "")]
    for r in rows:
        out.append(f"| {r['peer']} | {r['rows_per_s']:,.0f} | {r['server_cpu_s']:.1f} / "
                   f"{r['client_cpu_s']:.1f} | {r['bytes_per_row']:.1f} |"
                   + (f" {r['read_ms']:,.0f} | {r['draw_ms']:,.0f} |" if reads else ""))
    return out + [""]


def table_of_kills(kills):
    return ["## SIGKILL in the middle", "", "| store | acknowledged | of these gone |", "|---|---|---|",
            *(f"| {k['peer']} | {k['acked']:,} | {k['lost']:,} |" for k in kills), ""]


def table():
    rows, kills = measured()
    out = ["# Stores side by side", "",
           f"`make bench-store` on {platform.processor() or platform.machine()}, "
           f"{time.strftime('%Y-%m-%d')}; medians of {min((r['repeats'] for r in rows), default=0)}. "
           "A row is a step, or with layers a step or one layer of it. CPU is of the server / of the "
           "client.", ""]
    for work in dict.fromkeys(r["work"] for r in rows):
        out += table_of_work(work, [r for r in rows if r["work"] == work])
    return "\n".join(out + (table_of_kills(kills) if kills else []))


def add(row, file):
    with LOG.open("a", encoding="utf-8") as log:
        print(json.dumps(row), file=log)
    if file:
        file.write_text(table(), encoding="utf-8")


def measure_all(works, peers, repeats, folder, file):
    for work in works:
        results = {p: [] for p in peers}
        for _ in range(repeats):
            for peer in peers:  # in turns: a slow minute is everyone's
                results[peer].append(measure(peer, work, folder))
                print(f"{work.title}: {peer.name}: {results[peer][-1]}", file=sys.stderr)
        for peer in peers:
            add(row_of(peer, work, results[peer]), file)


def kill_all(peers, repeats, folder, file):
    for peer in peers:
        some = [kill(peer, KILLED, folder) for _ in range(repeats)]
        worst = max(some, key=lambda k: k["lost"])
        add({"bench": "store_kill", "peer": peer.name, **worst}, file)


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--quick", action="store_true", help="small, once: does it all work?")
    options.add_argument("--full", action="store_true", help="also 1e7 steps")
    options.add_argument("--only", action="append", help="stores whose name contains this")
    options.add_argument("--work", action="append", help="workloads whose title contains this")
    options.add_argument("--no-kills", action="store_true", help="no SIGKILL at the end")
    options.add_argument("--table", type=pathlib.Path, help="where the table goes")
    chosen = options.parse_args()
    works = QUICK if chosen.quick else FULL if chosen.full else USUAL
    works = [w for w in works if not chosen.work or any(text in w.title for text in chosen.work)]
    peers = [p for p in PEERS
             if not chosen.only or any(text.lower() in p.name.lower() for text in chosen.only)]
    repeats = 1 if chosen.quick else REPEATS
    folder = tempfile.mkdtemp(prefix="bench-store-")
    pathlib.Path(folder).chmod(0o755)  # PostgreSQL is another user
    try:
        measure_all(works, peers, repeats, f"{folder}/store", chosen.table)
        if not chosen.no_kills:
            kill_all(peers, repeats, f"{folder}/store", chosen.table)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(table())


if __name__ == "__main__":
    main()
