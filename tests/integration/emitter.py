"""The emitter (emitter.c) as a child process, and what it says it recorded."""
import os
import subprocess

import wire
from trajd import BUILD, comparable, export_rows

OF_THE_LIBRARY = {"wall_ns", "mono_ns"}


class Emitter:
    """One attempt of a run. The folder holds its spool and what it recorded."""

    def __init__(self, folder, endpoint, run_id, steps, first=0, pause_us=0, end="finish",
                 groups=3):
        self.folder = folder
        self.spools = folder / "spools"
        self.out = folder / f"recorded-{run_id}-{first}"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
        self.process = subprocess.Popen(
            [BUILD / "integration/emitter", self.spools, endpoint, run_id, str(steps),
             str(first), str(pause_us), end, str(groups), self.out],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)

    def wait(self, timeout_s=120):
        _, said = self.process.communicate(timeout=timeout_s)
        assert self.process.returncode == 0, said
        assert said == b""
        return self

    def kill(self):
        self.process.kill()
        self.process.communicate()
        return self

    def recorded_lines(self):
        return self.out.read_bytes().count(b"\n") if self.out.exists() else 0

    def records(self):
        """[(kind, fields)] in the order of recording, as export_rows has them."""
        out = []
        for line in self.out.read_text().splitlines():
            kind, *pairs = line.split(" ")
            fields = {}
            types = dict(wire.FIELDS[int(kind)])
            for pair in pairs:
                if ":" in pair:
                    name, value = pair.split(":")
                    value = bytes.fromhex(value)
                    value = value.decode() if types[name] == "TEXT" else value
                else:
                    name, value = pair.split("=")
                    value = int(value, 16)
                fields[name] = value
            out.append((int(kind), comparable(int(kind), fields)))
        return out


def layers_of(groups):
    """What /layers says of a run with that many groups."""
    return [{"group": k, "name": f"größe.{k}/weight", "size": 3 * k, "rows": k, "cols": 3,
             "norm": (k - 1) % 4, "combine": (k - 1) % 3, "ranks": 1, "size_sum": 3 * k}
            for k in range(1, groups + 1)]


def exported(trajd, run_id, attempt=1):
    """[(seq, kind, fields)] of rank 0 of an attempt, all kinds, by seq."""
    rows = [(seq, kind, fields) for kind in wire.KIND_NAMES
            for a, rank, seq, fields in export_rows(trajd, run_id, kind)
            if (a, rank) == (attempt, 0)]
    return sorted(rows, key=lambda row: row[0])


def assert_exact(trajd, emitter, run_id, attempt=1, finished=True, killed=False):
    """Every record that the emitter made is in the export, bit for bit, in
    order, once; and nothing else but the library's own FINISH. A killed
    emitter may have died between recording and saying so: one more."""
    rows = exported(trajd, run_id, attempt)
    assert [seq for seq, _, _ in rows] == list(range(1, len(rows) + 1))
    if finished:
        _, kind, fields = rows.pop()
        assert (kind, fields["event"]) == (wire.EVENT, 1)
    for _, _, fields in rows:
        assert fields["wall_ns"] > 1_600_000_000_000_000_000
    got = [(kind, {k: v for k, v in fields.items() if k not in OF_THE_LIBRARY})
           for _, kind, fields in rows]
    expected = emitter.records()
    if killed and len(got) == len(expected) + 1:
        got.pop()
    assert len(got) == len(expected)
    for i, (g, e) in enumerate(zip(got, expected)):
        assert g == e, f"record {i + 1}"


def sync(spools, endpoint, timeout_s=60):
    """`traj sync`; returns what it said."""
    result = subprocess.run(
        [BUILD / "traj", "sync", "--endpoint", endpoint, spools], capture_output=True,
        text=True, timeout=timeout_s, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
