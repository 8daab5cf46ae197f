"""A trainer for the browser tests: feeder.py INGEST_ENDPOINT RUN_ID.

Each line of standard input is a number of steps to record, `nan` for a step
whose loss is none, `say SEVERITY TEXT`, or `finish CODE`; each is answered with `committed N` when the daemon has all records on disk.
The steps are gradient descent on a sum of cosh, where the smoothness does
grow with the gradient norm, with noise in the step length.
"""
import math
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "integration"))
import wire  # noqa: E402
from peer import Peer  # noqa: E402

L1 = 2.0
DIMENSIONS = 20


def gradient(x):
    return [math.sinh(L1 * v) / L1 for v in x]


def loss(x):
    return sum(math.cosh(L1 * v) - 1 for v in x) / L1**2


def squared(v):
    return sum(a * a for a in v)


def minus(a, b):
    return [p - q for p, q in zip(a, b)]


class Trainer:
    def __init__(self):
        self.random = random.Random(7)
        self.x = [1.5 + 0.1 * i for i in range(DIMENSIONS)]
        self.k = 0

    def nan(self, peer):
        peer.record(wire.STEP, step=self.k, wall_ns=time.time_ns(), loss=wire.f64(math.nan))
        self.k += 1

    def step(self, peer):
        lr = 0.02 * self.random.uniform(0.5, 1.5)
        g = gradient(self.x)
        scale = min(1.0, 5.0 / math.sqrt(squared(g)))
        d = [-lr * scale * v + self.random.gauss(0, 0.002) for v in g]
        end = [p + q for p, q in zip(self.x, d)]
        mid = [p + q / 2 for p, q in zip(self.x, d)]
        g_end, g_mid = gradient(end), gradient(mid)
        now = time.time_ns()
        peer.record(wire.STEP, step=self.k, wall_ns=now, loss=wire.f64(loss(self.x)), lr=wire.f64(lr),
                    grad_sq=wire.f64(squared(g)), delta_sq=wire.f64(squared(d)),
                    param_sq=wire.f64(squared(self.x)), clip_threshold=wire.f64(5.0))
        change = squared(minus(g_end, g))
        peer.record(wire.PROBE, step=self.k, wall_ns=now, estimator=1, dtype=2,
                    smoothness=wire.f64(math.sqrt(change / squared(d))), smoothness_gamma=wire.f64(1.0),
                    grad_sq=wire.f64(squared(g)), grad_mid_sq=wire.f64(squared(g_mid)),
                    grad_end_sq=wire.f64(squared(g_end)), delta_sq=wire.f64(squared(d)),
                    dgrad_sq=wire.f64(change), flags=0)
        self.x = end
        self.k += 1


def main(endpoint, run_id):
    peer = Peer(endpoint, run_id, project="e2e", name=f"descent {run_id}", tags=["cosh"],
                config={"lr": 0.02, "clip": 5.0})
    trainer = Trainer()
    for line in sys.stdin:
        words = line.split()
        if words[0] == "finish":
            peer.finish(int(words[1]), trainer.k)
        elif words[0] == "say":
            peer.record(wire.EVENT, step=trainer.k, wall_ns=time.time_ns(), event=0, severity=int(words[1]),
                        text=" ".join(words[2:]))
            peer.deliver()
        elif words[0] == "nan":
            trainer.nan(peer)
            peer.deliver()
        else:
            for _ in range(int(words[0])):
                trainer.step(peer)
            peer.deliver()
        print("committed", peer.committed, flush=True)


main(sys.argv[1], sys.argv[2])
