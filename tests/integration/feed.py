"""Fills a trajd with runs that show every kind of value, for contract.mjs:
feed.py INGEST_ENDPOINT; with `again` behind it contract.live goes on instead.
Ends when all of it is on the daemon's disk."""
import json
import math
import sys
import time

import zmq

import wire


def step(k):
    fields = {"step": k, "wall_ns": 1_700_000_000_000_000_000 + k, "mono_ns": k * 1000,
              "loss": wire.f64(3.0 / (1 + k)), "grad_sq": wire.f64(4.0 / (1 + k)),
              "delta_sq": wire.f64(1e-4), "param_sq": wire.f64(10.0 + k), "lr": wire.f64(0.1)}
    if k % 3 == 0:
        fields["tokens"] = (1 << 53) + k  # beyond what a double counts
    if k == 5:
        fields["loss"] = wire.f64(math.nan)
    if k == 6:
        fields["loss"] = wire.f64(-math.inf)
    return wire.STEP, fields


def probe(k):
    g = 0.1 + 0.01 * k
    points = [0.5, 0.25, 0.01, 0.002, 1.0, 0.2, 0.04, 0.01]
    return wire.PROBE, {
        "step": k, "wall_ns": 1_700_000_000_000_000_000 + k, "estimator": 3,
        "smoothness": wire.f64(1.0 + 8.0 * g), "grad_sq": wire.f64(g * g),
        "grad_mid_sq": wire.f64(g * g * 0.9), "grad_end_sq": wire.f64(g * g * 0.8),
        "delta_sq": wire.f64(1e-4), "dgrad_sq": wire.f64(1e-4 * (1.0 + 8.0 * g) ** 2), "flags": 0,
        "gammas": b"".join(wire.struct.pack("<d", p) for p in points)}


GROUPS = [{"name": "embed", "size": 1000, "rows": 100, "cols": 10, "norm": 3},
          {"name": "größe/1.weight", "size": (1 << 53) - 1, "combine": 1},
          {"name": "bias", "size": 10, "norm": 2}]


def group(k, number):
    return wire.GROUP, {
        "step": k, "wall_ns": 1_700_000_000_000_000_000 + k, "group": number, "norm": number,
        "grad_sq": wire.f64(0.1 * number), "delta_sq": wire.f64(math.nan if k else math.inf),
        "grad_dual": wire.f64(0.5), "grad_nan": (1 << 53) + k, "stage": 1}


def sharpness(k):
    return wire.SHARPNESS, {
        "step": k, "wall_ns": 1_700_000_000_000_000_000 + k, "method": 1, "estimator": 3,
        "value": wire.f64(-2.5), "residual": wire.f64(0.01), "hvps": 3, "converged": 1,
        **({"epsilon": wire.f64(1e-3), "group": 2} if k % 40 else {})}


def records():
    for k in range(200):
        yield step(k)
        if k % 2 == 0:
            yield probe(k)
        if k % 16 == 0:
            yield from (group(k, number) for number in (1, 2, 3))
        if k % 20 == 0:
            yield sharpness(k)
        if k % 10 == 0:
            yield wire.METRIC, {"step": k, "wall_ns": k, "name": "eval/loss", "value": wire.f64(k / 7)}
    yield wire.EVENT, {"step": 199, "wall_ns": 199, "event": 2, "severity": 1,
                       "text": 'a "quoted", \u00fcber\nline', "value": wire.f64(1.0)}


def finish(code):
    return wire.EVENT, {"step": 199, "wall_ns": 200, "event": 1, "severity": 0, "text": "",
                        "exit_code": wire.i64(code)}


def send(endpoint, number, hello, rows, batch=100, pause_s=0.0):
    uid = bytes([number]) * 16
    all_records = [wire.Record(kind, i + 1, fields) for i, (kind, fields) in enumerate(rows)]
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.LINGER, 0)
    socket.connect(endpoint)
    socket.send(wire.hello(uid, json.dumps(hello)))
    for at in range(0, len(all_records), batch):
        socket.send(wire.data(uid, all_records[at:at + batch]))
        time.sleep(pause_s)
    deadline = time.monotonic() + 30
    committed = -1
    while committed < len(all_records):
        if not socket.poll(max(0, int((deadline - time.monotonic()) * 1000))):
            sys.exit(f"{committed} of {len(all_records)} records acknowledged")
        committed = wire.decode_ack(socket.recv())["committed_seq"]
    socket.close()


def main(endpoint):
    rows = list(records())
    send(endpoint, 1, {"run_id": "contract.live", "attempt": 1, "project": "contract",
                       "name": "a \"name\" <b>", "tags": ["one", "two"],
                       "config": {"lr": 0.1, "big": 9007199254740993}, "groups": GROUPS}, rows)
    send(endpoint, 2, {"run_id": "contract.done", "attempt": 1, "project": "contract"},
         rows + [finish(0)])
    send(endpoint, 3, {"run_id": "contract.failed", "attempt": 1}, [finish(-9)])
    send(endpoint, 4, {"run_id": "contract.empty", "attempt": 1, "rank": 0, "world": 2}, [])
    for rank in (0, 1):  # of three; they differ in the learning rate, and one flags a spike
        send(endpoint, 5 + 5 * rank, {"run_id": "contract.doomed", "attempt": 1, "rank": rank,
                                      "world": 3, "host": "\u00fc", "pid": 7},
             [(wire.STEP, {"step": k, "lr": wire.f64(0.1 + rank), "grad_sq": wire.f64(1.0),
                           "combine": 1, "flags": 16 * (rank == 1 and k == 3)}) for k in range(10 - rank)])


def again(endpoint):
    """For an event stream: rows over many of its ticks, one of them not finite,
    for which it has an `alert`, then an attempt that takes steps back, for which
    it has a `more`."""
    rows = [make(k) for k in range(150, 170) for make in (step, probe)]
    rows[10][1]["loss"] = wire.f64(math.nan)
    for attempt in (2, 3):
        send(endpoint, 4 + attempt, {"run_id": "contract.live", "attempt": attempt}, rows,
             batch=4, pause_s=0.1)


(again if sys.argv[2:] == ["again"] else main)(sys.argv[1])
