"""Clients that are broken, hostile or slow, on raw sockets: each gets what the
contract says or loses its connection, and the others are served."""
import random
import re
import signal
import socket
import time

import pytest

import wire
from peer import Peer

STEP_FIELDS = [name for name, of in wire.FIELDS[wire.STEP] if of == "F64"]


def connect(trajd, receive_bytes=None):
    host, port = trajd.http.rsplit(":", 1)
    client = socket.socket()
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.settimeout(20)
    client.connect((host, int(port)))
    return client


def ask(trajd, raw):
    """What comes back before the server closes. A request that ends with
    Connection: close, or that is refused, ends so."""
    with connect(trajd) as client:
        reply = b""
        try:
            client.sendall(raw)
            while block := client.recv(65536):
                reply += block
        except (ConnectionResetError, BrokenPipeError):
            pass
    return reply


def status(reply):
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.1 ") else None


def get(target, *headers, host=("Host: localhost",), method="GET"):
    lines = [f"{method} {target} HTTP/1.1", *host, *headers, "Connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def code(reply):
    return re.search(rb'"code":"(\w+)"', reply)[1].decode()


def is_refused(trajd):
    try:
        connect(trajd).close()
    except ConnectionRefusedError:
        return True
    return False


def is_well(trajd):
    return trajd.get("/healthz")[0] == 200


@pytest.fixture
def full(trajd):
    """A trajd with a run whose export fits into no socket's buffers."""
    peer = Peer(trajd.ingest, "big")
    value = wire.f64(0.1 + 0.2)
    for k in range(30000):
        peer.record(wire.STEP, step=k, **{name: value for name in STEP_FIELDS})
    peer.deliver(frame=1000)
    peer.close()
    return trajd


def test_a_connection_is_kept_for_the_next_request(trajd):
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reply = ask(trajd, request * 9 + get("/healthz"))
    assert reply.count(b"HTTP/1.1 200 OK") == 10
    assert reply.count(b"Connection: close") == 1


@pytest.mark.parametrize("host", [
    ("Host: evil.example",), ("Host: 127.0.0.1.evil.example",), ("Host: localhost.evil.example:7010",),
    ("Host: 0.0.0.0",), ("Host: localhost:0x1",), ("Host: user@localhost",)])
def test_names_that_are_not_ours_are_forbidden(trajd, host):
    for target in ("/", "/healthz", "/api/v1/runs", "/metrics"):
        reply = ask(trajd, get(target, host=host))
        assert status(reply) == 403 and code(reply) == "host", reply


def test_there_is_exactly_one_host(trajd):
    for host in ((), ("Host: localhost", "Host: localhost"), ("Host: localhost", "Host: evil.example")):
        assert status(ask(trajd, get("/healthz", host=host))) == 400


@pytest.mark.parametrize("headers", [
    ("Content-Length: 3", "Transfer-Encoding: chunked"), ("Content-Length: 3", "Content-Length: 4"),
    ("Content-Length: 3", "Content-Length: 3"), ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")])
def test_bodies_of_two_lengths_are_refused(trajd, headers):
    reply = ask(trajd, get("/healthz", *headers) + b"0\r\n\r\n")
    assert status(reply) in (None, 400), reply
    assert reply.count(b"HTTP/1.1 200") == 0


@pytest.mark.parametrize("target", [
    "/api%2fv1/runs", "/api/v1/runs/a%00b", "/%2e%2e/%2e%2e/etc/passwd", "/../etc/passwd", "/a%5cb", "/a\\b",
    "/%", "/%zz", "/%ff", "//", "/api//v1", "/?a=%00", "http://localhost/", "*", "/?a=1&a=2"])
def test_urls_that_mean_two_things_are_refused(trajd, target):
    reply = ask(trajd, get(target))
    assert status(reply) == 400 and code(reply) == "bad_url", reply


def test_what_is_too_long_is_refused(trajd):
    assert status(ask(trajd, get("/" + "a" * 9000))) == 414
    assert status(ask(trajd, get("/" + "a" * 40000))) == 414
    assert status(ask(trajd, get("/" + "/".join("abcdefghi")))) == 414
    assert status(ask(trajd, get("/?" + "&".join(f"p{i}" for i in range(33))))) == 414
    assert status(ask(trajd, get("/healthz", "X: " + "a" * 40000))) == 431


def test_bodies_are_bounded(trajd):
    small = ask(trajd, get("/healthz", "Content-Length: 5") + b"hello")
    assert status(small) == 200
    large = ask(trajd, get("/healthz", "Content-Length: 1000000000"))
    assert status(large) == 413 and code(large) == "body_too_big"
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    endless = ask(trajd, get("/healthz", "Transfer-Encoding: chunked") + chunk * 20)
    assert status(endless) is None
    assert is_well(trajd)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "get"])
def test_other_methods_are_told_which_there_are(trajd, method):
    reply = ask(trajd, get("/api/v1/runs", "Content-Length: 0", method=method))
    assert status(reply) == 405
    assert b"\r\nAllow: GET, HEAD\r\n" in reply


def test_random_bytes_bring_nothing_down(trajd):
    draw = random.Random(20261122)
    good = get("/api/v1/runs?limit=5&q=a", "Accept: text/csv;q=0.1", 'If-None-Match: "a", W/"b"')
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(draw.randrange(1, 6)):
            at = draw.randrange(len(raw))
            raw[at:at + draw.randrange(3)] = draw.randbytes(draw.randrange(4))
        with connect(trajd) as client:
            client.settimeout(0.3)  # many of these wait for more, as they should
            reply = b""
            try:
                client.sendall(bytes(raw))
                while block := client.recv(65536):
                    reply += block
            except (ConnectionError, TimeoutError):
                pass
            assert not re.match(rb"HTTP/1.1 5", reply) or status(reply) == 505, (bytes(raw), reply)
    for _ in range(100):
        with connect(trajd) as client:
            client.sendall(draw.randbytes(draw.randrange(1, 2000)))
    assert is_well(trajd)


def test_clients_that_never_finish_their_request_hold_nobody_up(trajd):
    idle = [connect(trajd) for _ in range(50)]
    for i, client in enumerate(idle):
        client.sendall(get("/api/v1/runs")[:i + 1])
    begin = time.monotonic()
    assert is_well(trajd)
    assert time.monotonic() - begin < 10
    for client in idle:
        client.close()


def test_exports_that_nobody_reads_leave_readers_for_the_others(full):
    raw = get("/api/v1/runs/big/export?format=csv")
    stalled = [connect(full, receive_bytes=4096) for _ in range(8)]
    for client in stalled:
        client.sendall(raw)
        assert client.recv(15, socket.MSG_WAITALL) == b"HTTP/1.1 200 OK"
    refused = ask(full, raw)
    assert status(refused) == 503 and code(refused) == "busy"
    assert b"\r\nRetry-After: " in refused
    for path in ("/api/v1/runs", "/api/v1/runs/big/steps?limit=10", "/metrics"):
        assert full.get(path)[0] == 200, path
    for client in stalled:
        client.close()
    full.wait(lambda: status(ask(full, raw)) == 200, "an export after the others have gone")


def test_what_is_being_read_when_trajd_stops_comes_whole(full):
    with connect(full) as client:
        client.sendall(get("/api/v1/runs/big/steps?format=csv&limit=15000"))
        reply = client.recv(1000)
        full.send_signal(signal.SIGTERM)
        full.wait(lambda: is_refused(full), "the listener to be closed")
        time.sleep(0.3)  # a server that ends connections at once has by now
        while block := client.recv(1 << 20):
            reply += block
    head, body = reply.split(b"\r\n\r\n", 1)
    assert f"\r\nContent-Length: {len(body)}\r\n" in head.decode() + "\r\n"
    assert len(body) > 5_000_000  # more than the kernel holds for a client
    assert full.process.wait(20) == 0


def test_exports_cut_short_by_the_client_give_back_what_they_held(full):
    for _ in range(40):
        with connect(full) as client:
            client.sendall(get("/api/v1/runs/big/export"))
            client.recv(1000)
    full.wait(lambda: b'"trailer"' in full.export("big", "step", "ndjson")
              if full.get("/api/v1/runs/big/export")[0] == 200 else False, "a whole export")
    assert len(full.export("big", "step", "csv").splitlines()) == 30001
