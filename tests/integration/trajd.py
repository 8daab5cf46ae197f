"""A real trajd as a child process, and what its HTTP API says."""
import json
import os
import re
import signal
import struct
import subprocess
import time
import urllib.error
import urllib.request

import wire

BUILD = wire.ROOT / os.environ.get("TRAJ_BUILD", "build")


class Trajd:
    """start() and kill() as often as one likes: the ports stay the same."""

    def __init__(self, folder, *flags):
        self.folder = folder
        self.db = folder / "trajd.db"
        self.log_path = folder / "trajd.log"
        self.flags = list(flags)
        self.http = "127.0.0.1:0"
        self.ingest = "tcp://127.0.0.1:0"
        self.process = None

    def start(self):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "trajd", "--db", self.db, "--http", self.http, "--ingest", self.ingest,
                 *self.flags], stdout=subprocess.PIPE, stderr=log, env=environment)
        line = self.process.stdout.readline().decode()
        ready = re.fullmatch(
            r"trajd ready http=http://(\S+) ingest=(\S+) db=(.*) pid=(\d+)\n", line)
        assert ready, f"{line!r}\n{self.log()}"
        self.http, self.ingest = ready[1], ready[2]
        assert int(ready[4]) == self.process.pid
        return self

    def log(self):
        return self.log_path.read_text()

    def send_signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        """SIGKILL, and gone."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self, number=signal.SIGTERM, timeout_s=20):
        """Asks it to end; returns the exit status."""
        if self.process.poll() is None:
            self.send_signal(number)
        status = self.process.wait(timeout_s)
        self.process.stdout.close()
        return status

    def end(self):
        """Whatever state it is in; a sanitizer's report fails the test."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.send_signal(signal.SIGCONT)
            assert self.stop() == 0, self.log()
        log = self.log()
        assert "Sanitizer" not in log and "runtime error" not in log, log

    # ---- HTTP

    def get(self, path):
        """(status, headers, body)."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=30) as reply:
                return reply.status, reply.headers, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def json(self, path):
        status, _, body = self.get(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def run(self, run_id):
        return self.json(f"/api/v1/runs/{run_id}")

    def has_run(self, run_id):
        return self.get(f"/api/v1/runs/{run_id}")[0] == 200

    def metrics(self):
        """{name without labels: value}."""
        status, _, body = self.get("/metrics")
        assert status == 200
        return {m[1]: float(m[2]) for m in re.finditer(
            r"^trajd_(\w+)(?:\{[^}]*\})? (\S+)$", body.decode(), re.M)}

    def export(self, run_id, kind, form):
        status, _, body = self.get(f"/api/v1/runs/{run_id}/export?kind={kind}&format={form}")
        assert status == 200, (status, body)
        return body

    def wait(self, condition, what, timeout_s=20.0):
        """Polls condition() till it is true."""
        deadline = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s"
            time.sleep(0.05)


# ---- exports as rows -----------------------------------------------------------
#
# A row is (attempt, rank, seq, {field: value}), the values as in wire.Record:
# bits of numbers, but every NaN is "NaN", since text has no payload.


def _f64(bits):
    """The bits, or "NaN"."""
    return "NaN" if (bits & (1 << 63) - 1) > 0x7FF0000000000000 else bits


def comparable(kind, fields):
    """What a recorded {field: value} looks like as part of such a row."""
    types = dict(wire.FIELDS[kind])
    out = {}
    for name, value in fields.items():
        if types[name] == "F64":
            value = _f64(value)
        elif types[name] == "BLOB":
            value = [_f64(bits) for bits in struct.unpack(f"<{len(value) // 8}Q", value)]
        out[name] = value
    return out


def _number(of, text):
    return _f64(wire.f64(float(text))) if of == "F64" else wire.i64(int(text))


def _gammas(points):
    return [_number("F64", value) for point in points for value in point]


# Numbers stay texts: "-0" must not become an integer.
_json = json.JSONDecoder(parse_int=str, parse_float=str).decode


def ndjson_rows(body, kind):
    """Checks the trailer too."""
    types = dict(wire.FIELDS[kind])
    lines = body.decode().splitlines(keepends=True)
    trailer = _json(lines.pop())["trailer"]
    assert int(trailer["rows"]) == len(lines)
    if len(body) < 1 << 20:  # a checksum in Python takes its time
        assert int(trailer["crc32c"], 16) == wire.crc32c("".join(lines).encode())
    rows = []
    for line in lines:
        row = _json(line)
        key = tuple(int(row.pop(name)) for name in ("attempt", "rank", "seq"))
        fields = {}
        for name, value in row.items():
            if value is None:
                continue
            of = types[name]
            fields[name] = (value if of == "TEXT" else _gammas(value) if of == "BLOB"
                            else _number(of, value))
        rows.append((*key, fields))
    return rows


def csv_rows(body, kind):
    types = dict(wire.FIELDS[kind])
    # An empty text is quoted, an absent one is not: csv.reader cannot tell.
    cells = re.findall(r'(?:"((?:[^"]|"")*)"|([^",\n]*))([,\n])', body.decode())
    lines, line = [], []
    for quoted, plain, end in cells:
        line.append((quoted.replace('""', '"'), plain))
        if end == "\n":
            lines.append(line)
            line = []
    header = [plain for _, plain in lines.pop(0)]
    rows = []
    for line in lines:
        assert len(line) == len(header)
        fields = {}
        for name, (quoted, plain) in list(zip(header, line))[3:]:
            of = types[name]
            if of == "TEXT":
                fields[name] = quoted
            elif of == "BLOB" and quoted:
                fields[name] = _gammas(_json(quoted))
            elif plain:
                fields[name] = _number(of, plain)
        rows.append((*(int(plain) for _, plain in line[:3]), fields))
    return rows


def export_rows(trajd, run_id, kind):
    """Both forms, which must agree; texts that a CSV leaves out are in the
    NDJSON."""
    name = wire.KIND_NAMES[kind]
    rows = ndjson_rows(trajd.export(run_id, name, "ndjson"), kind)
    texts = {field for field, of in wire.FIELDS[kind] if of == "TEXT"}
    as_csv = csv_rows(trajd.export(run_id, name, "csv"), kind)
    assert [r[:3] for r in as_csv] == [r[:3] for r in rows]
    for (*_, c), (*_, n) in zip(as_csv, rows):
        assert c == {**{t: "" for t in texts}, **n}
    return rows
