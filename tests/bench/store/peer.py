"""What all peers have in common: a server process, batches of bytes posted by
threads (one for each writer, each waiting for its answer), a kill, a count."""
import http.client
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def http_call(port, method, path, body=None, headers=None, timeout=600):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        data = reply.read()
    finally:
        connection.close()
    if reply.status >= 300:
        raise RuntimeError(f"{method} {path}: {reply.status} {data[:300]!r}")
    return data


class Peer:
    """A server in a folder of its own. name, command(), ready(), write_batch()
    and so on are the subclass's."""
    name = None
    batch_rows = 5000
    settle_s = 0

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.process = None
        self.cpu_s = 0.0

    # ---- the server

    def prepare(self):
        """Once, before the first start."""

    def start(self):
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                            cwd=self.folder, env=self.environment(),
                                            start_new_session=True, preexec_fn=self.before_exec)
        end = time.monotonic() + 60
        while not self._is_ready():
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError(f"{self.name} does not start: see {self.folder}/server.log")
            time.sleep(0.05)

    def environment(self):
        return dict(os.environ)

    def before_exec(self):
        pass

    def _is_ready(self):
        try:
            self.ready()
            return True
        except (OSError, RuntimeError, http.client.HTTPException):
            return False

    def stop(self, number=signal.SIGTERM):
        """Returns when it has ended; counts its CPU time and its children's."""
        os.kill(self.process.pid, number)
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0  # waited for here
        self.process = None
        self.cpu_s += usage.ru_utime + usage.ru_stime

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        os.wait4(self.process.pid, 0)
        self.process.returncode = -9
        self.process = None

    def size(self):
        """Bytes on disk of what was written, the server stopped."""
        files = (self.folder / "data").rglob("*")
        return sum(f.stat().st_blocks * 512 for f in files if f.is_file())

    # ---- writing

    def encode_all(self, work):
        """The batches of each writer as bytes, made before the clock runs."""
        batches = [[] for _ in range(work.writers)]
        for writer, begin, end in work.batches(self.batch_rows):
            batches[writer].append((self.encode(work, writer, begin, end),
                                    (end - begin) * (1 + work.layers)))
        return batches

    def write(self, work, stop_after=None):
        """Every batch, each writer on a connection of its own. Returns seconds
        and acknowledged rows; with stop_after, kills the server when that many
        are acknowledged and returns what was."""
        batches = self.encode_all(work)
        acked = [0] * work.writers
        errors = []
        barrier = threading.Barrier(work.writers + 1)

        def writer(w):
            connection = self.connect()
            barrier.wait()
            try:
                for payload, rows in batches[w]:
                    self.send(connection, payload)
                    acked[w] += rows
            except Exception as e:  # pylint: disable=broad-except
                errors.append(e)  # of the killed server, or told below

        threads = [threading.Thread(target=writer, args=(w,)) for w in range(work.writers)]
        for t in threads:
            t.start()
        barrier.wait()
        start = time.monotonic()
        if stop_after is not None:
            while sum(acked) < stop_after and any(t.is_alive() for t in threads):
                time.sleep(0.001)
            self.kill()
        for t in threads:
            t.join()
        seconds = time.monotonic() - start
        if errors and stop_after is None:
            raise errors[0]
        return seconds, sum(acked)

    def connect(self):
        return None

    def send(self, connection, payload):
        raise NotImplementedError


def timed(function):
    start = time.monotonic()
    result = function()
    return time.monotonic() - start, result
