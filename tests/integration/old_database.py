"""What is in tests/vectors/database-VERSION.db.gz: a database of that version,
made by the trajd of that time from what this file sends.

    old_database.py INGEST_ENDPOINT VERSION

Attempt 1 has ended and is sealed in chunks; attempt 2 is open and lies in the
log. Then trajd was stopped, and its one file compressed.
"""
import sys

import wire
from peer import Peer

RUN = "old"
UIDS = {1: bytes([1]) * 16, 2: bytes([2]) * 16}
# The kinds there were, and how many fields they had.
FIELDS = {1: {wire.STEP: 46, wire.PROBE: 36, wire.METRIC: 4, wire.EVENT: 7}}
FIELDS[2] = {**FIELDS[1], wire.SHARPNESS: 23, wire.GROUP: 20}
FIELDS[3] = FIELDS[4] = {**FIELDS[2], wire.PROBE: 40}
# Of one record after the other.
KINDS = {1: (wire.STEP, wire.PROBE, wire.STEP, wire.METRIC, wire.EVENT)}
KINDS[2] = KINDS[3] = KINDS[4] = (*KINDS[1], wire.SHARPNESS, wire.GROUP)
HELLO = {"project": "before", "name": "an old run", "tags": ["old"], "config": {"lr": 0.5},
         "groups": [{"name": "embed", "size": 1000}]}


def _bits(seed):
    """splitmix64: bits of any kind, the same for ever."""
    z = seed * 0x9E3779B97F4A7C15 & (1 << 64) - 1
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & (1 << 64) - 1
    z = (z ^ z >> 27) * 0x94D049BB133111EB & (1 << 64) - 1
    return z ^ z >> 31


def _value(of, seed):
    if of == "TEXT":
        return "größe %d" % (seed % 7)
    if of == "BLOB":
        return b"".join(_bits(seed + i).to_bytes(8, "little") for i in range(seed % 4 * 4))
    return _bits(seed)


def records(attempt, version):
    """[(kind, fields)]; a third of the fields is there, other ones each time."""
    out = []
    for seq in range(1, 101):
        kind = KINDS[version][seq % len(KINDS[version])]
        fields = {"step": seq}
        for i, (name, of) in enumerate(wire.FIELDS[kind][1:FIELDS[version][kind]]):
            seed = (attempt * 1000 + seq) * 64 + i
            if seed % 3 == 0 or of == "TEXT":
                fields[name] = _value(of, seed)
        if kind == wire.EVENT:
            fields["event"] = 0  # a FINISH or DROPPED would mean something
        out.append((kind, fields))
    return out


def peer(endpoint, attempt, version):
    """The sender of that attempt, with all its records."""
    sender = Peer(endpoint, RUN, attempt=attempt, uid=UIDS[attempt], **HELLO)
    for kind, fields in records(attempt, version):
        sender.record(kind, **fields)
    return sender


def main(endpoint, version):
    for attempt in (1, 2):
        sender = peer(endpoint, attempt, version)
        sender.deliver()
        if attempt == 1:
            sender.send_bye()
            sender.receive_until(lambda ack: ack["status"] == wire.ACK_BYE)
        sender.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
