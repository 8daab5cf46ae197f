"""Many streams of one run over one socket: what the ranks of a trainer send."""
import json
import os

import zmq

import wire


class Rank:
    """Records of one stream; index i has seq i + 1."""

    def __init__(self, run_id, rank, world, attempt=1, **hello):
        self.uid = os.urandom(16)
        self.hello = {"run_id": run_id, "attempt": attempt, "rank": rank, "world": world,
                      "host": f"node-{rank // 8}", "pid": 1000 + rank, **hello}
        self.records = []
        self.sent = 0

    def step(self, step, **fields):
        """fields: floats are doubles, ints are counts."""
        bits = {name: wire.f64(value) if isinstance(value, float) else value
                for name, value in fields.items()}
        self.records.append(wire.Record(wire.STEP, len(self.records) + 1, {"step": step, **bits}))


class Fleet:
    """deliver(ranks): all they have recorded is on the daemon's disk."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.connect(endpoint)

    def close(self):
        self.socket.close()

    def deliver(self, ranks, frame=512, burst=16):
        """Rank after rank in bursts, so that the daemon's queues hold them."""
        for start in range(0, len(ranks), burst):
            self._deliver(ranks[start:start + burst], frame)

    def _deliver(self, ranks, frame):
        waiting = {}
        for rank in ranks:
            self.socket.send(wire.hello(rank.uid, json.dumps(rank.hello)))
            for first in range(rank.sent, len(rank.records), frame):
                self.socket.send(wire.data(rank.uid, rank.records[first:first + frame]))
            rank.sent = len(rank.records)
            waiting[rank.uid] = rank.sent
        while waiting:
            assert self.socket.poll(20000), f"{len(waiting)} streams are not acknowledged"
            ack = wire.decode_ack(self.socket.recv())
            assert ack["status"] == wire.OK, ack
            if ack["committed_seq"] == waiting.get(ack["stream_uid"]):
                del waiting[ack["stream_uid"]]
