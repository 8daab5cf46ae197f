"""Records as a NumPy array are the records of the export, bit for bit."""
import http.client
import io
import sqlite3
import struct

import numpy
import pytest

import wire
from emitter import Emitter
from peer import Peer
from trajd import ndjson_rows


def array(trajd, run_id, query):
    status, headers, body = trajd.get(f"/api/v1/runs/{run_id}/array?{query}")
    assert status == 200, body
    assert headers["Content-Type"] == "application/x-npy"
    assert headers["Content-Length"] == str(len(body))
    return numpy.load(io.BytesIO(body), allow_pickle=False)


def bits(value, of):
    as_u64 = int(numpy.frombuffer(value.tobytes(), "<u8")[0])
    if of == "F64" and as_u64 & (1 << 63) - 1 > 0x7FF0000000000000:
        return "NaN"
    return as_u64


@pytest.mark.parametrize("kind", wire.KIND_NAMES)
def test_every_numeric_field_of_every_kind(trajd, tmp_path, kind):
    Emitter(tmp_path, trajd.ingest, "r", 3000).wait()
    name = wire.KIND_NAMES[kind]
    got = array(trajd, "r", f"kind={name}&attempt=all&rank=all")
    numeric = [(f, of) for f, of in wire.FIELDS[kind] if of not in ("TEXT", "BLOB")]
    assert got.dtype.names == (*(f for f, _ in numeric), "present")
    assert [got.dtype[f].str for f, _ in numeric] == [
        {"F64": "<f8", "I64": "<i8", "U64": "<u8"}[of] for _, of in numeric]
    expected = [fields for *_, fields in ndjson_rows(trajd.export("r", name, "ndjson"), kind)]
    assert len(got) == len(expected) > 0
    for row, fields in zip(got, expected):
        for i, (f, of) in enumerate(numeric):
            there = int(row["present"]) >> i & 1
            assert there == (f in fields)
            if there:
                assert bits(row[f], of) == fields[f]
            else:
                assert numpy.isnan(row[f]) if of == "F64" else row[f] == 0


def test_a_window_of_some_fields(trajd):
    peer = Peer(trajd.ingest, "r")
    for step in range(10000):
        peer.record(wire.STEP, step=step, wall_ns=1, loss=wire.f64(step / 7), lr=wire.f64(0.5))
    peer.deliver()
    got = array(trajd, "r", "fields=loss,step&from=4000&to=8999")
    assert got.dtype.names == ("step", "loss", "present")
    assert (got["step"] == numpy.arange(4000, 9000)).all()
    assert (got["loss"] == numpy.arange(4000, 9000) / 7).all()
    assert (got["present"] == 3).all()
    assert len(array(trajd, "r", "from=10000")) == 0
    assert len(array(trajd, "r", "kind=probe")) == 0


def test_a_text_is_no_number(trajd):
    Peer(trajd.ingest, "r").deliver()
    status, _, body = trajd.get("/api/v1/runs/r/array?kind=metric&fields=name")
    assert (status, b"name is no number" in body) == (400, True)
    assert trajd.get("/api/v1/runs/r/array?kind=layer")[0] == 400
    assert trajd.get("/api/v1/runs/none/array")[0] == 404


def damage_field(db_path, after_seq, field):
    """In the chunks behind a record; the other fields can be read (daemon/store/chunk.h)."""
    with sqlite3.connect(db_path) as db:
        for row, body in db.execute("SELECT id, body FROM chunk WHERE first_seq > ?",
                                    (after_seq,)).fetchall():
            for i in range(body[13]):
                entry = struct.unpack_from("<BBHIIII", body, 24 + 20 * i)
                if entry[0] == field:
                    at = entry[4]
                    body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1:]
            db.execute("UPDATE chunk SET body = ? WHERE id = ?", (body, row))


def test_an_array_that_cannot_be_read_to_its_end_is_no_whole_reply(trajd):
    peer = Peer(trajd.ingest, "r")
    for step in range(20000):
        peer.record(wire.STEP, step=step, wall_ns=1, loss=wire.f64(step / 7))
    peer.deliver()
    trajd.wait(lambda: trajd.metrics()["store_chunks_sealed_total"] >= 9, "chunks")
    damage_field(trajd.db, 10000, [name for name, _ in wire.FIELDS[wire.STEP]].index("loss"))
    with pytest.raises(http.client.IncompleteRead) as cut:
        trajd.get("/api/v1/runs/r/array?fields=loss")
    assert cut.value.expected > 0
    assert "array=cut error=" in trajd.log()
