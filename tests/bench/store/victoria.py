"""VictoriaMetrics over HTTP, InfluxDB's line protocol; the step is the time in
ms since 2020. It keeps what it has acknowledged in memory for seconds."""
import http.client
import json
import urllib.parse

from influxdb import lines
from peer import Peer, free_port, http_call

EPOCH_MS = 1577836800000


class VictoriaMetrics(Peer):
    name = "VictoriaMetrics, 5,000 rows a post"
    settle_s = 10  # till what was acknowledged is on disk and to be seen

    def prepare(self):
        self.http = free_port()

    def command(self):
        return ["victoria-metrics", f"-storageDataPath={self.folder}/data", "-retentionPeriod=100y",
                f"-httpListenAddr=127.0.0.1:{self.http}", "-search.maxPointsPerTimeseries=20000000",
                "-search.maxSamplesPerQuery=2000000000", "-search.latencyOffset=0s",
                "-search.maxUniqueTimeseries=10000000"]

    def ready(self):
        http_call(self.http, "GET", "/health")

    def create(self, work):
        pass

    def encode(self, work, writer, begin, end):
        return lines(work, writer, begin, end, lambda step: EPOCH_MS + step)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.http, timeout=600)

    def send(self, connection, payload):
        connection.request("POST", "/write?precision=ms", payload)
        reply = connection.getresponse()
        text = reply.read()
        if reply.status != 204:
            raise RuntimeError(f"VictoriaMetrics: {text[:300]!r}")

    def _export(self, match, extra=""):
        what = urllib.parse.urlencode({"match[]": match, "start": EPOCH_MS / 1000 - 1})
        return http_call(self.http, "GET", f"/api/v1/export?{what}{extra}")

    def count(self, work):
        n = 0
        for table in ("steps", "layers") if work.layers else ("steps",):
            for line in self._export(f"{table}_m0").splitlines():
                n += len(json.loads(line)["timestamps"])
        return n

    def read_all(self, work):
        data = self._export('steps_m7{run="w0"}')
        return sum(len(json.loads(line)["values"]) for line in data.splitlines()) if len(data) < 1e6 \
            else data.count(b",") // 2

    def read_buckets(self, work, width):
        """One of what the others give (the maximum) times what it is: its query
        language has no argmax."""
        what = urllib.parse.urlencode({
            "query": f'max_over_time(steps_m7{{run="w0"}}[{width}ms])',
            "start": (EPOCH_MS + width) / 1000, "end": (EPOCH_MS + work.each) / 1000,
            "step": f"{width}ms"})
        data = json.loads(http_call(self.http, "GET", f"/api/v1/query_range?{what}"))
        return len(data["data"]["result"][0]["values"])
