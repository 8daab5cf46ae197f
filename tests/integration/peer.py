"""A sender of one stream in Python: what wire.md asks of a client, and no more.

Keeps every record until it is acknowledged, as libtraj's spool does.
"""
import json
import os
import time

import zmq

import wire


class Peer:
    """Records of one stream; deliver() until they are on the daemon's disk."""

    def __init__(self, endpoint, run_id, attempt=1, rank=0, world=1, uid=None, **hello):
        self.endpoint = endpoint
        self.uid = uid or os.urandom(16)
        self.hello = {"run_id": run_id, "attempt": attempt, "rank": rank, "world": world, **hello}
        self.records = []  # index i has seq i + 1
        self.committed = 0
        self.sent = 0
        self.acks = []
        self.socket = None
        self.connect()

    def connect(self):
        self.close()
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.connect(self.endpoint)

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def record(self, kind, **fields):
        self.records.append(wire.Record(kind, len(self.records) + 1, fields))

    # ---- messages

    def send_raw(self, raw):
        self.socket.send(raw)

    def send_hello(self, flags=0):
        self.send_raw(wire.hello(self.uid, json.dumps(self.hello), flags))

    def send_records(self, first_seq, count, flags=0):
        self.send_raw(wire.data(self.uid, self.records[first_seq - 1:first_seq - 1 + count],
                                first_seq, flags))
        self.sent = first_seq - 1 + count

    def send_bye(self, flags=0):
        self.send_raw(wire.bye(self.uid, len(self.records), flags))

    def receive(self, timeout_s=5.0):
        """The next ACK, or None."""
        if not self.socket.poll(int(timeout_s * 1000)):
            return None
        ack = wire.decode_ack(self.socket.recv())
        assert ack["stream_uid"] == self.uid
        self.acks.append(ack)
        if ack["status"] != wire.BUSY:
            self.committed = max(self.committed, ack["committed_seq"])
        return ack

    def receive_until(self, condition, timeout_s=10.0):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ack = self.receive(max(0.01, deadline - time.monotonic()))
            if ack is not None and condition(ack):
                return ack
        raise AssertionError(f"no such ACK in {timeout_s} s; the last: {self.acks[-3:]}")

    def ask(self, raw_sender, *args):
        """Sends by raw_sender and returns the answer."""
        raw_sender(*args)
        ack = self.receive(10.0)
        assert ack is not None, "no answer"
        return ack

    # ---- all of it, whatever happens to the daemon

    def deliver(self, frame=64, window=16, timeout_s=60.0, between=None):
        """Sends what is not acknowledged till all is; goes back to the last
        acknowledged record when acknowledgements stop. between(self) is called
        after each message."""
        deadline = time.monotonic() + timeout_s
        self.send_hello()
        heard = time.monotonic()
        self.sent = self.committed
        while self.committed < len(self.records):
            assert time.monotonic() < deadline, f"{self.committed} of {len(self.records)}"
            while self.sent < len(self.records) and self.sent - self.committed < frame * window:
                self.send_records(self.sent + 1, min(frame, len(self.records) - self.sent))
                if between is not None:
                    between(self)
            ack = self.receive(0.2)
            if ack is not None:
                heard = time.monotonic()
            if ack is not None and ack["status"] == wire.NEED_HELLO:
                self.send_hello()
            if ack is not None and ack["status"] in (wire.NEED_HELLO, wire.ACK_GAP, wire.BUSY):
                self.sent = self.committed
            if time.monotonic() - heard > 1.0:
                heard = time.monotonic()
                self.connect()
                self.send_hello()
                self.sent = self.committed

    def finish(self, exit_code=0, step=0):
        self.record(wire.EVENT, step=step, wall_ns=time.time_ns(), event=1, severity=0, text="",
                    exit_code=wire.i64(exit_code))
        self.deliver()
        self.send_bye()
        self.receive_until(lambda ack: ack["status"] == wire.ACK_BYE)
