"""trajd, end to end: libtraj in a process for each writer, acknowledged."""
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import time

import numpy

from peer import Peer, free_port, http_call

BUILD = pathlib.Path(__file__).resolve().parents[3] / "build"
WRITER = BUILD / "bench" / "store_writer"
STEP_FIELDS = ("loss", "lr", "grad_sq", "param_sq", "delta_sq", "grad_delta", "dgrad_sq",
               "dgrad_delta")


def arguments(work):
    return [str(x) for x in (work.writers, work.each, work.doubles, work.layers, work.kind)]


class Trajd(Peer):
    name = "trajd, synchronous=FULL"
    durability = "commit"

    def prepare(self):
        self.http, self.ingest = free_port(), free_port()
        (self.folder / "data").mkdir()
        (self.folder / "runs").mkdir()

    def command(self):
        return [str(BUILD / "trajd"), "--db", f"{self.folder}/data/bench.db",
                "--http", f"127.0.0.1:{self.http}", "--ingest", f"tcp://127.0.0.1:{self.ingest}",
                "--durability", self.durability, "--log-level", "warn"]

    def ready(self):
        http_call(self.http, "GET", "/healthz")

    def create(self, work):
        pass

    def _acked(self, work):
        data = (self.folder / "runs" / "acked").read_bytes()
        return sum(struct.unpack(f"<{work.writers}Q", data))

    def write(self, work, stop_after=None):
        trainers = subprocess.Popen(
            [WRITER, "traj", f"tcp://127.0.0.1:{self.ingest}", f"{self.folder}/runs",
             *arguments(work)], stdout=subprocess.PIPE, start_new_session=True)
        if stop_after is not None:
            acked = self.folder / "runs" / "acked"
            while not acked.exists() or acked.stat().st_size < 8 * work.writers \
                    or self._acked(work) < stop_after:
                time.sleep(0.001)
            self.kill()
            os.killpg(trainers.pid, signal.SIGKILL)
            trainers.wait()
            trainers.stdout.close()
            return 0.0, self._acked(work)
        out = json.loads(trainers.communicate()[0])
        if trainers.returncode or out["failed"]:
            raise RuntimeError("a trainer failed")
        return out["seconds"], work.rows

    def count(self, work):
        n = 0
        for w in range(work.writers):
            run = json.loads(http_call(self.http, "GET", f"/api/v1/runs/w{w}"))
            n += run["records"]["step"] + run["records"]["group"]
        return n

    def read_all(self, work):
        body = http_call(self.http, "GET", f"/api/v1/runs/w0/array?kind=step&fields=step,{STEP_FIELDS[7]}")
        file = io.BytesIO(body)
        numpy.lib.format.read_magic(file)
        _, _, dtype = numpy.lib.format.read_array_header_1_0(file)
        return len(numpy.frombuffer(body, dtype, offset=file.tell()))

    def read_buckets(self, work, width):
        data = json.loads(http_call(self.http, "GET", f"/api/v1/runs/w0/series?metric="
                                                      f"{STEP_FIELDS[7]}&buckets={work.each // width + 2}"))
        return len(data["data"]["metrics"][STEP_FIELDS[7]]["count"])


class TrajdRelaxed(Trajd):
    """Synced every second, not before an acknowledgement: more than what the
    peers that never sync promise, and the nearest to it."""
    name = "trajd, relaxed"
    durability = "relaxed"


class SqliteRows(Peer):
    """What experiment trackers do. No server: the writer is one process, and its
    readers are others; 1,000 steps a transaction, synchronous=NORMAL."""
    name = "SQLite, a row a metric"

    def start(self):
        (self.folder / "data").mkdir(exist_ok=True)

    def stop(self, number=signal.SIGTERM):
        pass

    def create(self, work):
        pass

    def write(self, work, stop_after=None):
        writer = subprocess.Popen([WRITER, "sqlite", f"{self.folder}/data/rows.db", "-",
                                   *arguments(work)], stdout=subprocess.PIPE, text=True)
        steps = 0
        seconds = 0.0
        for line in writer.stdout:
            if line.startswith("{"):
                seconds = json.loads(line)["seconds"]
            else:
                steps = int(line)
            if stop_after is not None and steps * (1 + work.layers) >= stop_after:
                writer.kill()
                break
        writer.wait()
        writer.stdout.close()
        return seconds, steps * (1 + work.layers) if stop_after is not None else work.rows

    def _query(self, text):
        import sqlite3
        return sqlite3.connect(self.folder / "data" / "rows.db").execute(text).fetchone()[0]

    def count(self, work):
        return self._query("SELECT count(*) FROM metric") // work.doubles if not work.layers else \
            self._query("SELECT count(*) FROM metric WHERE name LIKE '%metric0'")

    def _read(self):
        return json.loads(subprocess.run([WRITER, "sqlite-read", f"{self.folder}/data/rows.db"],
                                         check=True, capture_output=True).stdout)

    def read_all(self, work):
        return self._read()["rows"]

    def read_buckets(self, work, width):
        return self._read()["buckets"]
