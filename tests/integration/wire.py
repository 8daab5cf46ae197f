"""The wire of schema/wire.md, encoded and decoded again from its text alone.

Shares no code with client/wire or daemon/pure: golden vectors made here are
what both are tested against. Only the tables of fields come from
schema/wire.h, as wire.md says.
"""
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MAGIC = b"TRJ1"
VERSION = 1
HELLO, DATA, BYE, ACK = 1, 2, 3, 4
GAP, SYNC, WRITER_GONE = 1, 2, 4
OK, NEED_HELLO, ACK_GAP, REFUSED, BUSY, ACK_BYE = range(6)
STEP, PROBE, METRIC, EVENT, SHARPNESS, GROUP = 1, 2, 3, 4, 5, 6
KINDS = {"step": STEP, "probe": PROBE, "metric": METRIC, "event": EVENT,
         "sharpness": SHARPNESS, "group": GROUP}
KIND_NAMES = {number: name for name, number in KINDS.items()}
UNIFORM = 1
RECORDS_MAX = 4096
HELLO_MAX = 851_968


def _tables():
    """{kind: [(name, type)]}, the index being the bit of the mask."""
    text = (ROOT / "schema/wire.h").read_text()
    tables = {}
    for name, kind in KINDS.items():
        body = re.search(
            rf"#define WIRE_{name.upper()}_FIELDS\(X\)(.*?)\n\n", text, re.S)
        rows = re.findall(r"X\((\d+), (\w+), (\w+)\)", body.group(1))
        assert [int(row[0]) for row in rows] == list(range(len(rows)))
        tables[kind] = [(row[1], row[2]) for row in rows]
    return tables


FIELDS = _tables()


def _crc_table():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


_CRC = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


@dataclass
class Record:
    """fields: name -> bits (int) of an F64, U64 or I64; str of a TEXT; bytes
    of a BLOB. What is not in it is absent."""
    kind: int
    seq: int
    fields: dict = field(default_factory=dict)


def f64(value):
    """The bits of a double."""
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def i64(value):
    return value & 0xFFFFFFFFFFFFFFFF


def _pad(data):
    return data + bytes(-len(data) % 8)


def message(kind, uid, body, flags=0, version=VERSION, magic=MAGIC):
    """A whole message around body, length and checksum right."""
    assert len(uid) == 16
    tail = struct.pack("<IBBH", 32 + len(body), version, kind, flags) + uid + body
    return magic + struct.pack("<I", crc32c(tail)) + tail


def _heap_bytes(value):
    return value.encode() if isinstance(value, str) else value


def section(kind, records, first_seq):
    names = FIELDS[kind]
    present = [sum(1 << i for i, (name, _) in enumerate(names) if name in r.fields)
               for r in records]
    mask = 0
    for bits in present:
        mask |= bits
    uniform = all(bits == mask for bits in present)
    body = _pad(b"".join(struct.pack("<H", r.seq - first_seq) for r in records))
    if not uniform:
        body += struct.pack(f"<{len(records)}Q", *present)
    heap = b""
    for i, (name, kind_of_value) in enumerate(names):
        if not mask >> i & 1:
            continue
        for r in records:
            value = r.fields.get(name, 0)
            if name in r.fields and kind_of_value in ("TEXT", "BLOB"):
                data = _heap_bytes(value)
                value = len(heap) << 32 | len(data)
                heap += data
            body += struct.pack("<Q", value)
    heap = _pad(heap)
    length = 24 + len(body) + len(heap)
    head = struct.pack("<BBHIIIQ", kind, UNIFORM if uniform else 0, 0,
                       len(records), length, len(heap), mask)
    return head + body + heap


def data_body(records, first_seq):
    sections = [section(kind, [r for r in records if r.kind == kind], first_seq)
                for kind in sorted({r.kind for r in records})]
    return struct.pack("<QII", first_seq, len(records), len(sections)) + b"".join(sections)


def data(uid, records, next_seq=1, flags=0):
    """DATA; next_seq counts only without records (a keepalive)."""
    first = records[0].seq if records else next_seq
    return message(DATA, uid, data_body(records, first), flags)


def hello(uid, json_text, flags=0):
    return message(HELLO, uid, json_text.encode(), flags)


def bye(uid, last_seq, flags=0):
    return message(BYE, uid, struct.pack("<Q", last_seq), flags)


ACK_FORMAT = "<QIIIIddII"
ACK_KEYS = ("committed_seq", "attempt", "window", "probe_every", "advice_n",
            "advice_L0", "advice_L1", "wait_ms", "zero")


def ack(uid, status, **values):
    return message(ACK, uid, struct.pack(
        ACK_FORMAT, *(values.get(key, 0) for key in ACK_KEYS)), status)


# ---- decoding --------------------------------------------------------------


class Malformed(Exception):
    """wire.md, Refusals: not answered."""


class Unsupported(Exception):
    """wire.md, Refusals: answered with REFUSED."""


def _require(condition, what, error=Malformed):
    if not condition:
        raise error(what)


def decode_head(raw):
    """(type, flags, uid, body) of a sound message."""
    _require(32 <= len(raw) <= 1 << 20, "length of the message")
    _require(raw[:4] == MAGIC, "magic")
    crc, length = struct.unpack_from("<II", raw, 4)
    _require(length == len(raw), "length")
    _require(crc == crc32c(raw[8:]), "checksum")
    version, kind, flags = struct.unpack_from("<BBH", raw, 12)
    _require(version == VERSION, "version", Unsupported)
    _require(1 <= kind <= 4, "type", Unsupported)
    return kind, flags, raw[16:32], raw[32:]


def decode_ack(raw):
    kind, status, uid, body = decode_head(raw)
    _require(kind == ACK and len(body) == 48, "ACK")
    values = dict(zip(ACK_KEYS, struct.unpack(ACK_FORMAT, body)))
    return {"stream_uid": uid, "status": status, **values}


def _section_records(kind, first_seq, count, mask, uniform, body, heap_length):
    position = 2 * count + -2 * count % 8
    seqs = struct.unpack_from(f"<{count}H", body)
    present = [mask] * count
    if not uniform:
        present = struct.unpack_from(f"<{count}Q", body, position)
        position += 8 * count
    heap = body[len(body) - heap_length:]
    records = [Record(kind, first_seq + offset) for offset in seqs]
    for i, (name, kind_of_value) in enumerate(FIELDS[kind]):
        if not mask >> i & 1:
            continue
        for j, value in enumerate(struct.unpack_from(f"<{count}Q", body, position)):
            if not present[j] >> i & 1:
                _require(value == 0, "slot of an absent value")
                continue
            if kind_of_value in ("TEXT", "BLOB"):
                value = heap[value >> 32:(value >> 32) + (value & 0xFFFFFFFF)]
                value = value.decode() if kind_of_value == "TEXT" else value
            records[j].fields[name] = value
        position += 8 * count
    _require(position + heap_length == len(body), "length of a section")
    return records


def decode_data(body):
    """(first_seq, records in the order of seq) of a DATA message's body."""
    first_seq, count, n_sections = struct.unpack_from("<QII", body)
    position, records = 16, []
    for _ in range(n_sections):
        kind, flags, _, n, length, heap_length, mask = struct.unpack_from(
            "<BBHIIIQ", body, position)
        _require(kind in FIELDS, "kind", Unsupported)
        records += _section_records(kind, first_seq, n, mask, flags & UNIFORM,
                                    body[position + 24:position + length], heap_length)
        position += length
    _require(position == len(body), "length")
    records.sort(key=lambda r: r.seq)
    _require([r.seq for r in records] == list(range(first_seq, first_seq + count)), "seqs")
    return first_seq, records
