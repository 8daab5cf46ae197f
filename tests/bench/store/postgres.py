"""PostgreSQL over its socket: binary COPY, 5,000 rows a transaction, durable."""
import glob
import io
import os
import pwd
import shutil
import signal
import struct
import subprocess

import numpy

from peer import Peer, free_port

HEAD = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TAIL = struct.pack(">h", -1)
BIN = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1:]


class PostgreSQL(Peer):
    name = "PostgreSQL COPY, 5,000 rows a transaction"

    def prepare(self):
        """As the user postgres: it refuses to be root."""
        self.port = free_port()
        self.user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        subprocess.run([f"{BIN[0]}/initdb", "-D", f"{self.folder}/data", "-A", "trust", "-U", "bench"],
                       check=True, stdout=subprocess.DEVNULL, preexec_fn=self.before_exec,
                       cwd=self.folder)
        self.empty_bytes = self.base_bytes()

    def before_exec(self):
        if self.user:
            os.setgroups([])
            os.setgid(self.user.pw_gid)
            os.setuid(self.user.pw_uid)

    def command(self):
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "max_connections": 300,
                    "unix_socket_directories": self.folder, "shared_buffers": "1GB",
                    "max_wal_size": "4GB", "logging_collector": "off"}
        return [f"{BIN[0]}/postgres", "-D", f"{self.folder}/data",
                *(f"--{key}={value}" for key, value in settings.items())]

    def connect(self):
        import psycopg2  # here: the other peers do without
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="bench", dbname="postgres")
        connection.autocommit = True
        return connection

    def ready(self):
        try:
            self.connect().close()
        except Exception as e:  # psycopg2's own
            raise RuntimeError(str(e)) from e

    def query(self, text):
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(text)
            rows = cursor.fetchall() if cursor.description else None
        connection.close()
        return rows

    def create(self, work):
        metrics = ", ".join(f"m{c} float8" for c in range(work.doubles))
        self.query(f"CREATE TABLE steps (run int4, step int8, {metrics}, PRIMARY KEY (run, step))")
        if work.layers:
            metrics = ", ".join(f"m{c} float8" for c in range(8))
            self.query(f"CREATE TABLE layers (run int4, step int8, layer int4, {metrics}, "
                       "PRIMARY KEY (run, layer, step))")

    @staticmethod
    def _copy(keys, columns):
        """Binary COPY of (values, bytes) keys and float8 columns."""
        fields = [("n", ">i2")]
        for i, (_, size) in enumerate(keys):
            fields += [(f"kl{i}", ">i4"), (f"k{i}", f">i{size}")]
        for i in range(len(columns)):
            fields += [(f"vl{i}", ">i4"), (f"v{i}", ">f8")]
        rows = numpy.zeros(len(columns[0]), dtype=fields)
        rows["n"] = len(keys) + len(columns)
        for i, (values, size) in enumerate(keys):
            rows[f"kl{i}"] = size
            rows[f"k{i}"] = values
        for i, values in enumerate(columns):
            rows[f"vl{i}"] = 8
            rows[f"v{i}"] = values
        return HEAD + rows.tobytes() + TAIL

    def encode(self, work, writer, begin, end):
        steps = self._copy([(writer, 4), (numpy.arange(begin, end), 8)],
                           work.step_columns(writer, begin, end))
        if not work.layers:
            return steps, None
        step, layer, columns = work.layer_columns(writer, begin, end)
        return steps, self._copy([(writer, 4), (step, 8), (layer, 4)], columns)

    def send(self, connection, payload):
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            for table, body in zip(("steps", "layers"), payload):
                if body is not None:
                    cursor.copy_expert(f"COPY {table} FROM STDIN (FORMAT binary)", io.BytesIO(body))
            cursor.execute("COMMIT")

    def size(self):
        """Of its table files alone: its log is of a fixed size and reused."""
        return self.base_bytes() - self.empty_bytes

    def base_bytes(self):
        files = (self.folder / "data" / "base").rglob("*")
        return sum(f.stat().st_blocks * 512 for f in files if f.is_file())

    def stop(self, number=signal.SIGTERM):
        super().stop(signal.SIGINT)  # fast shutdown: connections are cut

    def count(self, work):
        n = self.query("SELECT count(*) FROM steps")[0][0]
        return n + (self.query("SELECT count(*) FROM layers")[0][0] if work.layers else 0)

    def read_all(self, work):
        out = io.BytesIO()
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.copy_expert("COPY (SELECT step, m7 FROM steps WHERE run = 0 ORDER BY step) "
                               "TO STDOUT (FORMAT binary)", out)
        connection.close()
        return (out.tell() - len(HEAD) - len(TAIL)) // 26

    def read_buckets(self, work, width):
        return len(self.query(f"SELECT step / {width}, min(m7), max(m7), count(*) "
                              "FROM steps WHERE run = 0 GROUP BY 1 ORDER BY 1"))
