"""The golden vectors are what the independent encoder makes, and its decoder
reads them back."""
import json
import sys
from pathlib import Path

import pytest

import wire

VECTORS = wire.ROOT / "tests/vectors"
sys.path.insert(0, str(VECTORS))
import make  # noqa: E402

GOOD = sorted(make.good())


def test_crc32c_has_its_check_value():
    assert wire.crc32c(b"123456789") == 0xE3069283


def test_stored_vectors_are_what_the_encoder_makes():
    made = make.files()
    stored = {p.name: p.read_bytes() for p in VECTORS.iterdir()
              if p.suffix in (".bin", ".json")}
    assert stored == made


@pytest.mark.parametrize("name", GOOD)
def test_python_reads_back_what_is_described(name):
    raw = (VECTORS / f"{name}.bin").read_bytes()
    said = json.loads((VECTORS / f"{name}.json").read_text())
    kind, flags, uid, body = wire.decode_head(raw)
    assert (kind, flags, uid.hex()) == (said["type"], said["flags"], said["stream_uid"])
    if kind == wire.DATA:
        first_seq, records = wire.decode_data(body)
        assert hex(first_seq) == said["first_seq"]
        assert [{"kind": r.kind, "seq": hex(r.seq), "fields": {
            k: make.shown(v) for k, v in r.fields.items()}} for r in records] == said["records"]


def test_every_refused_vector_differs_from_a_good_one_in_its_bytes():
    good = {(VECTORS / f"{name}.bin").read_bytes() for name in GOOD}
    refused = json.loads((VECTORS / "bad.json").read_text())
    assert refused and all(bytes.fromhex(v["hex"]) not in good for v in refused.values())
