"""InfluxDB over HTTP, line protocol; the step is the time in ns. The write
answers after its write-ahead log is synced (wal-fsync-delay = 0)."""
import http.client
import json
import urllib.parse

from peer import Peer, free_port, http_call

CONFIG = """reporting-disabled = true
bind-address = "127.0.0.1:{backup}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data/tsm"
  wal-dir = "{folder}/data/wal"
  wal-fsync-delay = "0s"
  cache-snapshot-write-cold-duration = "1s"
  cache-max-memory-size = 0
  max-series-per-database = 0
  max-values-per-tag = 0
[coordinator]
  write-timeout = "600s"
[http]
  bind-address = "127.0.0.1:{http}"
  log-enabled = false
  max-body-size = 0
[monitor]
  store-enabled = false
"""


def lines(work, writer, begin, end, time_of):
    """Rows as line protocol, numbers so that they read back exactly."""
    out = []
    columns = [c.tolist() for c in work.step_columns(writer, begin, end)]
    text = f"steps,run=w{writer} " + ",".join(f"m{c}=%r" for c in range(work.doubles)) + " %d"
    for i, values in enumerate(zip(*columns)):
        out.append(text % (*values, time_of(begin + i)))
    if work.layers:
        step, layer, columns = work.layer_columns(writer, begin, end)
        text = f"layers,run=w{writer},layer=%d " + ",".join(f"m{c}=%r" for c in range(8)) + " %d"
        for s, name, *values in zip(step.tolist(), layer.tolist(), *[c.tolist() for c in columns]):
            out.append(text % (name, *values, time_of(s)))
    return ("\n".join(out) + "\n").encode()


class InfluxDB(Peer):
    name = "InfluxDB, 5,000 rows a post"
    settle_s = 5  # till its log has become files that are to stay

    def prepare(self):
        self.http = free_port()
        (self.folder / "influxdb.conf").write_text(
            CONFIG.format(http=self.http, backup=free_port(), folder=self.folder))

    def command(self):
        return ["influxd", "-config", f"{self.folder}/influxdb.conf"]

    def ready(self):
        http_call(self.http, "GET", "/ping")

    def create(self, work):
        self.query("CREATE DATABASE bench", "POST")

    def query(self, text, method="GET"):
        what = urllib.parse.urlencode({"db": "bench", "q": text, "epoch": "ns"})
        return http_call(self.http, method, f"/query?{what}")

    def encode(self, work, writer, begin, end):
        return lines(work, writer, begin, end, lambda step: step)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.http, timeout=600)

    def send(self, connection, payload):
        connection.request("POST", "/write?db=bench&precision=ns", payload)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 204:
            raise RuntimeError(f"InfluxDB: {text[:300]!r}")

    def count(self, work):
        n = 0
        for table in ("steps", "layers") if work.layers else ("steps",):
            series = json.loads(self.query(f"SELECT count(m0) FROM {table}"))["results"][0]
            n += series["series"][0]["values"][0][1] if "series" in series else 0
        return n

    def read_all(self, work):
        data = self.query("SELECT m7 FROM steps WHERE run = 'w0'")
        return data.count(b"],[") + 1

    def read_buckets(self, work, width):
        data = self.query("SELECT min(m7), max(m7), last(m7), count(m7) FROM steps WHERE run = 'w0' "
                          f"AND time >= 0 AND time < {work.each} GROUP BY time({width}ns)")
        return data.count(b"],[") + 1
