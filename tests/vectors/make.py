#!/usr/bin/python3
"""Writes the golden vectors: NAME.bin (one message) and NAME.json (what it
says), by the encoder of tests/integration/wire.py; and bad.json, messages in
hex that must be refused, and how.

Values of eight bytes are their bits in hex, blobs hex, texts texts.
test_wire_vectors.py checks that what is stored is what this makes.
"""
import json
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "integration"))
import wire  # noqa: E402

UID = bytes(range(0xA0, 0xB0))
NAN_PAYLOAD = 0x7FF80000DEADBEEF
MINUS_ZERO = 1 << 63
DENORMAL = 1
INFINITY = 0x7FF0000000000000
MINUS_INFINITY = 0xFFF0000000000000
WALL = 1_700_000_000_123_456_789


def full(kind, seq, text=None):
    """A record that has every field, each with bits of its own."""
    fields = {}
    for i, (name, of) in enumerate(wire.FIELDS[kind]):
        fields[name] = text if of in ("TEXT", "BLOB") else 0x0101010101010101 * (i + 1)
    return wire.Record(kind, seq, fields)


def step(seq, **fields):
    return wire.Record(wire.STEP, seq, {"step": seq, "wall_ns": WALL + seq, **fields})


def metric(seq, name, value):
    return wire.Record(wire.METRIC, seq, {"step": seq, "wall_ns": WALL, "name": name,
                                          "value": wire.f64(value)})


def event(seq, text, **fields):
    return wire.Record(wire.EVENT, seq, {"step": seq, "wall_ns": wire.i64(-1), "event": 0,
                                         "severity": 1, "text": text, **fields})


def gammas(*points):
    return b"".join(struct.pack("<4d", *point) for point in points)


def mixed():
    """All kinds in turn; some fields here and not there."""
    specials = [NAN_PAYLOAD, INFINITY, MINUS_INFINITY, MINUS_ZERO, DENORMAL, wire.f64(0.1)]
    records = []
    for seq in range(100, 142):
        bits = specials[seq % len(specials)]
        records.append([
            step(seq, loss=bits, lr=wire.f64(1e-3)) if seq % 8 else step(seq, grad_sq=bits),
            wire.Record(wire.PROBE, seq, {"step": seq, "smoothness": bits, "gammas": gammas(
                *[(g / 4, seq, 0.5, -0.0) for g in range(seq % 5)])}),
            metric(seq, "eval/%s" % ("x" * (seq % 11 + 1)), seq / 7),
            event(seq, "é€😀"[: seq % 4], **({"exit_code": wire.i64(-9)} if seq % 3 else {})),
            wire.Record(wire.SHARPNESS, seq, {"step": seq, "value": bits, **(
                {"group": seq, "residual": wire.f64(0.25)} if seq % 4 else {"converged": 1})}),
            wire.Record(wire.GROUP, seq, {"step": seq, "group": seq % 3 + 1, "grad_sq": bits,
                                          **({"grad_nan": 2, "norm": 3} if seq % 4 else {})}),
        ][seq * 7 % 6])
    return records


def good():
    """name -> (type, flags, what is said of it beyond that)."""
    one = "the smallest DATA: one record, one field"
    return {
        "hello": dict(type=wire.HELLO, about="a HELLO with what it may hold", json=json.dumps({
            "run_id": "run-1", "attempt": 1, "rank": 0, "world": 2, "project": "größe",
            "name": "lstm \u2028 clipped", "config": {"lr": 0.1, "nested": {"a": [1, None]}},
            "tags": ["a", "b c"], "optimizer": "sgd", "host": "h", "program": "p",
            "client": "c", "pid": 4242, "started_wall_ns": str(WALL),
            "groups": [{"name": "embed", "size": 1000}, {
                "name": "größe", "size": 12, "rows": 3, "cols": 4, "norm": 3, "combine": 1}],
            "unknown_key": True,
        }, ensure_ascii=False)),
        "hello_sync": dict(type=wire.HELLO, flags=wire.SYNC, about="sent by traj sync",
                           json='{"run_id":"r","attempt":1}'),
        "keepalive": dict(type=wire.DATA, about="no records: alive", first_seq=7, records=[]),
        "step_one": dict(type=wire.DATA, about=one, first_seq=1,
                         records=[wire.Record(wire.STEP, 1, {"step": 0})]),
        "step_all_fields": dict(type=wire.DATA, about="three steps, every field", first_seq=5,
                                records=[full(wire.STEP, seq) for seq in (5, 6, 7)]),
        "step_uniform_64": dict(type=wire.DATA, first_seq=1, about="what a trainer sends",
                                records=[step(seq, loss=wire.f64(1 / seq), lr=wire.f64(0.1),
                                              grad_sq=wire.f64(seq)) for seq in range(1, 65)]),
        "step_special_values": dict(
            type=wire.DATA, about="NaN with payload, infinities, -0, denormal, absent",
            first_seq=1, records=[
                step(1, loss=NAN_PAYLOAD), step(2, loss=INFINITY), step(3, loss=MINUS_INFINITY),
                step(4, loss=MINUS_ZERO), step(5, loss=DENORMAL), step(6), step(7, loss=0)]),
        "probe_all_fields": dict(type=wire.DATA, about="a probe with every field", first_seq=9,
                                 records=[full(wire.PROBE, 9, gammas((0.5, 1, 2, 3), (1, 4, 5, 6)))]),
        "probe_most_points": dict(
            type=wire.DATA, about="32 points, and a probe without", first_seq=1,
            records=[wire.Record(wire.PROBE, 1, {"step": 1, "gammas": gammas(
                *[(g / 32, g, g * 2, g * 3) for g in range(1, 33)])}),
                wire.Record(wire.PROBE, 2, {"step": 2})]),
        "metric_names": dict(type=wire.DATA, about="names of 1 and 200 bytes", first_seq=1,
                             records=[metric(1, "a", 0.0), metric(2, "n" * 200, -1.5)]),
        "event_texts": dict(type=wire.DATA, first_seq=1,
                            about="an empty text, UTF-8 of each length, a longer text",
                            records=[event(1, ""), event(2, "aé€😀"),
                                     event(3, "t" * 1001), event(4, "end")]),
        "sharpness_all_fields": dict(
            type=wire.DATA, about="every field, and the least", first_seq=1 << 40,
            records=[full(wire.SHARPNESS, 1 << 40),
                     wire.Record(wire.SHARPNESS, (1 << 40) + 1, {"step": 0})]),
        "group_all_fields": dict(type=wire.DATA, about="two groups, every field", first_seq=3,
                                 records=[full(wire.GROUP, seq) for seq in (3, 4)]),
        "group_uniform_200": dict(
            type=wire.DATA, about="the layers of one step", first_seq=1, records=[
                wire.Record(wire.GROUP, k, {
                    "step": 7, "wall_ns": WALL, "group": k, "grad_sq": wire.f64(1 / k),
                    "delta_sq": wire.f64(k), "stage": 1}) for k in range(1, 201)]),
        "mixed_kinds": dict(type=wire.DATA, flags=wire.GAP | wire.SYNC, first_seq=100,
                            about="all kinds interleaved", records=mixed()),
        "bye": dict(type=wire.BYE, about="nothing more", last_seq=(1 << 64) - 1),
        "bye_writer_gone": dict(type=wire.BYE, flags=wire.SYNC | wire.WRITER_GONE, last_seq=0,
                                about="found dead"),
        "ack": dict(type=wire.ACK, flags=wire.OK, about="a law with it", ack=dict(
            committed_seq=123456789012345, attempt=2, window=64, probe_every=10, advice_n=30,
            advice_L0=wire.f64(0.5), advice_L1=NAN_PAYLOAD, wait_ms=1000, zero=0)),
        "ack_need_hello": dict(type=wire.ACK, flags=wire.NEED_HELLO, about="who are you",
                               ack=dict.fromkeys(wire.ACK_KEYS, 0)),
    }


def encode(v):
    flags = v.get("flags", 0)
    if v["type"] == wire.HELLO:
        return wire.hello(UID, v["json"], flags)
    if v["type"] == wire.DATA:
        return wire.data(UID, v["records"], v["first_seq"], flags)
    if v["type"] == wire.BYE:
        return wire.bye(UID, v["last_seq"], flags)
    values = v["ack"]
    return wire.message(wire.ACK, UID, struct.pack(
        "<QIIIIQQII", *(values[key] for key in wire.ACK_KEYS)), flags)


def shown(value):
    if isinstance(value, bytes):
        return value.hex()
    return value if isinstance(value, str) else hex(value)


def describe(v):
    out = {"about": v["about"], "type": v["type"], "flags": v.get("flags", 0),
           "stream_uid": UID.hex()}
    for key in ("json", "first_seq", "last_seq"):
        if key in v:
            out[key] = shown(v[key])
    if "ack" in v:
        out["ack"] = {key: shown(value) for key, value in v["ack"].items()}
    if "records" in v:
        out["records"] = [{"kind": r.kind, "seq": hex(r.seq), "fields": {
            name: shown(value) for name, value in r.fields.items()}} for r in v["records"]]
    return out


# ---- messages that must be refused -----------------------------------------


def body_with(records, first_seq, edit):
    """The body of a DATA message, changed by edit(bytearray)."""
    body = bytearray(wire.data_body(records, first_seq))
    edit(body)
    return bytes(body)


def put(offset, fmt, *values):
    return lambda body: struct.pack_into(fmt, body, offset, *values)


# In the body of DATA: 16 bytes, then the first section's header at 16, its
# parts from 40.
FIRST_SEQ, COUNT, SECTIONS = 0, 8, 12
S_KIND, S_FLAGS, S_RESERVED, S_COUNT, S_LENGTH, S_HEAP, S_MASK = 16, 17, 18, 20, 24, 28, 32
S_PARTS = 40


def bad():
    """name -> (message, "malformed" or "unsupported")."""
    one = [wire.Record(wire.STEP, 1, {"step": 9})]
    two = [step(1), step(2)]
    uneven = [step(1, loss=1), step(2)]
    text = [event(1, "abc")]
    probe = [wire.Record(wire.PROBE, 1, {"gammas": gammas((1, 1, 1, 1))})]
    names = [metric(1, "ab", 1.0), metric(2, "cd", 1.0)]
    cases = {}

    def data(name, records, edit, verdict="malformed"):
        first = records[0].seq
        cases[name] = (wire.message(wire.DATA, UID, body_with(records, first, edit)), verdict)

    def message(name, raw, verdict):
        cases[name] = (raw, verdict)

    message("magic", wire.message(wire.BYE, UID, bytes(8), magic=b"TRJ2"), "malformed")
    message("version_2", wire.message(wire.BYE, UID, bytes(8), version=2), "unsupported")
    message("version_0", wire.message(wire.DATA, UID, b"", version=0), "unsupported")
    message("type_0", wire.message(0, UID, bytes(8)), "unsupported")
    message("type_5", wire.message(5, UID, bytes(8)), "unsupported")
    message("type_ack", wire.ack(UID, wire.OK, committed_seq=1), "malformed")
    message("flag_unknown", wire.bye(UID, 1, flags=8), "unsupported")
    message("hello_empty", wire.message(wire.HELLO, UID, b""), "malformed")
    message("hello_no_utf8", wire.message(wire.HELLO, UID, b'{"run_id":"\xff"}'), "malformed")
    message("hello_nul", wire.message(wire.HELLO, UID, b'{}\x00'), "malformed")
    message("bye_short", wire.message(wire.BYE, UID, bytes(7)), "malformed")
    message("bye_long", wire.message(wire.BYE, UID, bytes(16)), "malformed")
    message("data_no_body", wire.message(wire.DATA, UID, b""), "malformed")
    message("data_trailing", wire.message(wire.DATA, UID, wire.data_body(one, 1) + bytes(8)),
            "malformed")

    data("seq_0", one, put(FIRST_SEQ, "<Q", 0))
    data("seq_overflow", one, put(FIRST_SEQ, "<Q", (1 << 64) - 1))
    data("count_more", one, put(COUNT, "<I", 2))
    data("count_0", one, put(COUNT, "<I", 0))
    data("count_4097", one, put(COUNT, "<I", 4097))
    data("count_huge", one, put(COUNT, "<I", 0xFFFFFFFF))
    data("sections_0", one, put(SECTIONS, "<I", 0))
    data("sections_2", one, put(SECTIONS, "<I", 2))
    data("sections_17", one, put(SECTIONS, "<I", 17))
    data("kind_0", one, put(S_KIND, "<B", 0))
    data("kind_7", one, put(S_KIND, "<B", 7), "unsupported")
    data("kind_200", one, put(S_KIND, "<B", 200), "unsupported")
    data("section_flag", one, put(S_FLAGS, "<B", 3), "unsupported")
    data("reserved", one, put(S_RESERVED, "<H", 1))
    data("section_count_0", one, put(S_COUNT, "<I", 0))
    data("section_count_huge", one, put(S_COUNT, "<I", 0x80000001))
    data("section_length_0", one, put(S_LENGTH, "<I", 0))
    data("section_length_short", one, put(S_LENGTH, "<I", 32))
    data("section_length_huge", one, put(S_LENGTH, "<I", 0xFFFFFFF8))
    data("heap_length_huge", one, put(S_HEAP, "<I", 0xFFFFFFF8))
    data("heap_length_odd", text, put(S_HEAP, "<I", 7))
    data("mask_unknown_field", one, put(S_MASK, "<Q", 1 << 63), "unsupported")
    group = [wire.Record(wire.GROUP, 1, {"step": 1, "group": 1})]
    data("mask_unknown_field_of_group", group,
         put(S_MASK, "<Q", 1 | 1 << len(wire.FIELDS[wire.GROUP])), "unsupported")
    data("mask_empty", one, put(S_MASK, "<Q", 0))
    data("offset_beyond", one, put(S_PARTS, "<H", 1))
    data("offset_twice", two, put(S_PARTS, "<HH", 0, 0))
    data("offset_descending", two, put(S_PARTS, "<HH", 1, 0))
    data("offset_padding", one, put(S_PARTS + 2, "<H", 1))
    data("presence_beyond_mask", uneven, put(S_PARTS + 8, "<Q", 0x1B))
    data("presence_less_than_mask", uneven, put(S_PARTS + 8, "<Q", 0x03))
    data("presence_uniform", uneven, put(S_PARTS + 16, "<Q", 0x0B))
    data("absent_slot", uneven, put(S_PARTS + 24 + 16 * 2 + 8, "<Q", 5))
    # event: five columns behind the offsets, text is the fifth
    text_slot = S_PARTS + 8 + 4 * 8
    data("text_offset", text, put(text_slot, "<II", 3, 1))
    data("text_length", text, put(text_slot, "<II", 9, 0))
    data("text_length_huge", text, put(text_slot, "<II", 0xFFFFFFFF, 0))
    data("text_offset_huge", text, put(text_slot, "<II", 3, 0xFFFFFFFF))
    data("text_no_utf8", text, put(text_slot + 8, "<B", 0xC0))
    data("text_surrogate", text, put(text_slot + 8, "3s", b"\xed\xa0\x80"))
    data("text_nul", text, put(text_slot + 8, "<B", 0))
    data("heap_padding", text, put(text_slot + 8 + 3, "<B", 1))
    data("gammas_33_bytes", probe, put(S_PARTS + 8, "<II", 33, 0))
    data("gammas_24_bytes", probe, put(S_PARTS + 8, "<II", 24, 0))
    data("gammas_33_points", [wire.Record(wire.PROBE, 1, {"gammas": bytes(33 * 32)})],
         lambda body: None)
    data("metric_name_empty", [metric(1, "", 1.0)], lambda body: None)
    data("metric_name_201", [metric(1, "n" * 201, 1.0)], lambda body: None)
    name_slots = S_PARTS + 8 + 2 * 16
    data("texts_overlap", names, put(name_slots, "<IIII", 2, 0, 2, 0))
    data("texts_swapped", names, put(name_slots, "<IIII", 2, 2, 2, 0))
    data("texts_gap", names, put(name_slots, "<IIII", 2, 0, 2, 3))

    # Whole and consistent, but for one thing.
    data("text_beyond_heap", [event(1, "abcdefgh")], put(text_slot, "<II", 9, 0))
    data("gammas_40_bytes", [wire.Record(wire.PROBE, 1, {"gammas": bytes(40)})],
         lambda body: None)
    body = wire.data_body(uneven, 1)
    message("section_beyond_message", wire.message(wire.DATA, UID, body[:-8]), "malformed")
    grown = bytearray(wire.data_body(text, 1) + bytes(8))
    struct.pack_into("<II", grown, S_LENGTH, len(grown) - 16, 16)
    message("heap_too_long", wire.message(wire.DATA, UID, bytes(grown)), "malformed")
    nothing = struct.pack("<BBHIIIQ", wire.EVENT, wire.UNIFORM, 0, 0, 24, 0, 0)
    message("section_empty", wire.message(
        wire.DATA, UID, struct.pack("<QII", 1, 1, 2) + wire.section(wire.STEP, one, 1) + nothing),
        "malformed")
    tail = struct.pack("<IBBH", 40, wire.VERSION, wire.BYE, 0) + UID + bytes(16)
    message("length_other", wire.MAGIC + struct.pack("<I", wire.crc32c(tail)) + tail, "malformed")

    twice = wire.section(wire.STEP, [step(1)], 1) + wire.section(wire.STEP, [step(2)], 1)
    message("kind_twice", wire.message(wire.DATA, UID, struct.pack("<QII", 1, 2, 2) + twice),
            "malformed")
    swapped = wire.section(wire.EVENT, [event(1, "")], 1) + wire.section(wire.STEP, [step(2)], 1)
    message("kinds_descending", wire.message(
        wire.DATA, UID, struct.pack("<QII", 1, 2, 2) + swapped), "malformed")
    shared = wire.section(wire.STEP, [step(1)], 1) + wire.section(wire.EVENT, [event(1, "")], 1)
    message("seq_in_two_sections", wire.message(
        wire.DATA, UID, struct.pack("<QII", 1, 2, 2) + shared), "malformed")
    return cases


def files():
    """path -> bytes, of everything there is to store."""
    out = {}
    for name, v in good().items():
        out[f"{name}.bin"] = encode(v)
        out[f"{name}.json"] = (json.dumps(describe(v), ensure_ascii=False) + "\n").encode()
    refused = {name: {"result": verdict, "hex": raw.hex()}
               for name, (raw, verdict) in bad().items()}
    out["bad.json"] = (json.dumps(refused, indent=0) + "\n").encode()
    return out


if __name__ == "__main__":
    for name, content in files().items():
        (HERE / name).write_bytes(content)
