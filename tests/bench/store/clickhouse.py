"""ClickHouse over HTTP, RowBinary, MergeTree ordered by (run, step)."""
import http.client
import time

import numpy

from peer import Peer, free_port, http_call

CONFIG = """<?xml version="1.0"?>
<yandex>
  <logger><level>warning</level><console>1</console></logger>
  <http_port>{http}</http_port><tcp_port>{tcp}</tcp_port>
  <listen_host>127.0.0.1</listen_host><max_connections>1024</max_connections>
  <path>{folder}/data/</path><tmp_path>{folder}/tmp/</tmp_path>
  <users_config>users.xml</users_config>
  <default_profile>default</default_profile><default_database>default</default_database>
  <mark_cache_size>268435456</mark_cache_size>
  <max_concurrent_queries>512</max_concurrent_queries>
  <keep_alive_timeout>600</keep_alive_timeout>
</yandex>
"""
USERS = """<?xml version="1.0"?>
<yandex>
  <profiles><default><max_memory_usage>8000000000</max_memory_usage></default></profiles>
  <users><default><password></password><networks><ip>127.0.0.1</ip></networks>
    <profile>default</profile><quota>default</quota></default></users>
  <quotas><default></default></quotas>
</yandex>
"""


class ClickHouse(Peer):
    name = "ClickHouse, 5,000 rows a post"

    def prepare(self):
        self.http = free_port()
        (self.folder / "config.xml").write_text(
            CONFIG.format(http=self.http, tcp=free_port(), folder=self.folder))
        (self.folder / "users.xml").write_text(USERS)

    def command(self):
        return ["clickhouse-server", f"--config-file={self.folder}/config.xml"]

    def ready(self):
        self.query("SELECT 1")

    def query(self, text):
        return http_call(self.http, "POST", "/", text.encode())

    def create(self, work):
        metrics = ", ".join(f"m{c} Float64" for c in range(work.doubles))
        self.query(f"CREATE TABLE steps (run UInt32, step UInt64, {metrics}) "
                   "ENGINE = MergeTree ORDER BY (run, step)")
        if work.layers:
            metrics = ", ".join(f"m{c} Float64" for c in range(8))
            self.query(f"CREATE TABLE layers (run UInt32, step UInt64, layer UInt32, {metrics}) "
                       "ENGINE = MergeTree ORDER BY (run, layer, step)")

    def encode(self, work, writer, begin, end):
        """(steps, layers) as RowBinary."""
        fields = [("run", "<u4"), ("step", "<u8")]
        fields += [(f"m{c}", "<f8") for c in range(work.doubles)]
        rows = numpy.zeros(end - begin, dtype=fields)
        rows["run"] = writer
        rows["step"] = numpy.arange(begin, end)
        for c, values in enumerate(work.step_columns(writer, begin, end)):
            rows[f"m{c}"] = values
        if not work.layers:
            return rows.tobytes(), None
        step, layer, columns = work.layer_columns(writer, begin, end)
        fields = [("run", "<u4"), ("step", "<u8"), ("layer", "<u4")]
        fields += [(f"m{c}", "<f8") for c in range(8)]
        layers = numpy.zeros(len(step), dtype=fields)
        layers["run"] = writer
        layers["step"] = step
        layers["layer"] = layer
        for c, values in enumerate(columns):
            layers[f"m{c}"] = values
        return rows.tobytes(), layers.tobytes()

    def connect(self):
        """A connection that a thread of the server has taken: it keeps 64 waiting
        and resets the others, so with 256 writers some have to knock twice. That
        is before the clock runs and before a row is posted."""
        end = time.monotonic() + 60
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=600)
            try:
                connection.request("GET", "/ping")
                connection.getresponse().read()
                return connection
            except (ConnectionError, http.client.HTTPException):
                connection.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def send(self, connection, payload):
        for table, body in zip(("steps", "layers"), payload):
            while body is not None and not self._post(connection, table, body):
                time.sleep(0.05)

    def _post(self, connection, table, body):
        """False: it has not taken a row of it, being behind with its merges, and
        is to be asked again."""
        connection.request("POST", f"/?query=INSERT+INTO+{table}+FORMAT+RowBinary", body)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 200 and b"Too many parts" not in text:
            raise RuntimeError(f"ClickHouse: {text[:300]!r}")
        return reply.status == 200

    def count(self, work):
        n = int(self.query("SELECT count() FROM steps"))
        return n + (int(self.query("SELECT count() FROM layers")) if work.layers else 0)

    def read_all(self, work):
        data = self.query("SELECT step, m7 FROM steps WHERE run = 0 ORDER BY step FORMAT RowBinary")
        return len(data) // 16

    def read_buckets(self, work, width):
        text = self.query(f"SELECT intDiv(step, {width}) AS b, min(m7), max(m7), argMax(step, m7), "
                          "argMax(m7, step), count() FROM steps WHERE run = 0 GROUP BY b ORDER BY b")
        return len(text.splitlines())


class ClickHouseBig(ClickHouse):
    name = "ClickHouse, 50,000 rows a post"
    batch_rows = 50000
