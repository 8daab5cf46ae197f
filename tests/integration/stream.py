"""A client of an event stream: what comes, as (event, data, id)."""
import json
import socket
import time


class Stream:
    """GET path as text/event-stream over a socket of its own."""

    def __init__(self, http, path, last_event_id=None, receive_buffer=None):
        host, port = http.rsplit(":", 1)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(20)
        self.socket.connect((host, int(port)))
        extra = "" if last_event_id is None else f"Last-Event-ID: {last_event_id}\r\n"
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {http}\r\n{extra}\r\n".encode())
        self.raw = b""       # of the connection, not looked at yet
        self.body = b""      # of the stream, not looked at yet
        self.ended = False
        self.events = []
        self.comments = []
        self.last_id = None
        self._read_head()

    def close(self):
        self.socket.close()

    def _more(self):
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError
        self.raw += piece

    def _read_head(self):
        while b"\r\n\r\n" not in self.raw:
            self._more()
        head, self.raw = self.raw.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        self.status = int(lines[0].split()[1])
        self.headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}

    def _read_chunk(self):
        while b"\r\n" not in self.raw:
            self._more()
        size, rest = self.raw.split(b"\r\n", 1)
        n = int(size, 16)
        while len(rest) < n + 2:
            self._more()
            rest = self.raw.split(b"\r\n", 1)[1]
        self.raw = rest[n + 2:]
        self.ended = n == 0
        self.body += rest[:n]

    def _parse(self):
        while b"\n\n" in self.body:
            block, self.body = self.body.split(b"\n\n", 1)
            fields = {}
            for line in block.decode().split("\n"):
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
            if "" in fields:
                self.comments.append(fields[""])
            if "event" in fields:
                self.last_id = fields["id"]
                self.events.append((fields["event"], json.loads(fields["data"])))

    def read_until(self, condition, what, timeout_s=20.0):
        """Reads till condition(self); the events since the start are in
        self.events."""
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            assert not self.ended, f"{what}: the stream ended"
            assert time.monotonic() < deadline, f"{what}: not within {timeout_s} s: {self.events[-3:]}"
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            self._read_chunk()
            self._parse()

    def read_to_the_end(self, timeout_s=20.0):
        self.socket.settimeout(timeout_s)
        while not self.ended:
            self._read_chunk()
            self._parse()

    def of(self, name):
        return [data for event, data in self.events if event == name]

    def rows(self, column):
        """A column of all step rows so far, in order; not of step 0, which the
        daemon may acknowledge just before it is shown."""
        return [value for data in self.of("rows")
                for step, value in zip(data["step"]["step"], data["step"][column]) if step > 0]
