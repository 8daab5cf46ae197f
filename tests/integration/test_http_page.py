"""The page's files: embedded, or from --web-root; and what all replies share."""
import gzip
import http.client
import subprocess

import pytest

from trajd import BUILD, Trajd


def ask(trajd, path, method="GET", **headers):
    connection = http.client.HTTPConnection(trajd.http, timeout=20)
    connection.request(method, path, headers={"Accept-Encoding": "", **headers})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply, body


def assets(trajd):
    """Paths of what the page loads."""
    _, body = ask(trajd, "/")
    text = body.decode()
    return [part.split('"')[0] for mark in ('src="', 'href="') for part in text.split(mark)[1:]
            if part.startswith("/")]


def test_each_view_is_the_page(trajd):
    page = ask(trajd, "/")[1]
    assert b"<!doctype html>" in page[:20]
    for path in ("/index.html", "/runs/r-17", "/runs/r-17?x=iter&draw=density", "/runs/"):
        reply, body = ask(trajd, path)
        assert (reply.status, body) == (200, page), path
        assert reply.headers["Cache-Control"] == "no-cache"


def test_both_encodings_are_the_same_file_with_tags_of_their_own(trajd):
    for path in assets(trajd):
        plain, plain_body = ask(trajd, path)
        packed, packed_body = ask(trajd, path, **{"Accept-Encoding": "gzip, br"})
        assert packed.headers["Content-Encoding"] == "gzip"
        assert plain.headers["Content-Encoding"] is None
        assert gzip.decompress(packed_body) == plain_body
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert plain.headers["ETag"] != packed.headers["ETag"]


def test_files_named_by_their_content_are_kept_for_ever(trajd):
    kept = [ask(trajd, path)[0].headers["Cache-Control"] for path in assets(trajd)]
    assert kept and set(kept) == {"public, max-age=31536000, immutable"}


def test_a_file_that_the_client_has_is_not_sent_again(trajd):
    tag = ask(trajd, "/")[0].headers["ETag"]
    reply, body = ask(trajd, "/", **{"If-None-Match": f'"x", {tag}'})
    assert (reply.status, body) == (304, b"")
    assert reply.headers["ETag"] == tag


def test_head_is_get_without_the_body(trajd):
    for path in ("/", "/api/v1/runs", "/metrics", "/nothing"):
        whole, body = ask(trajd, path)
        head, nothing = ask(trajd, path, "HEAD")
        assert nothing == b"" and len(body) > 0
        assert head.status == whole.status
        if path != "/metrics":  # its counters have moved on
            assert head.headers["Content-Length"] == whole.headers["Content-Length"]


def test_what_is_not_there_is_a_problem(trajd):
    for path in ("/nothing.js", "/index.html/", "/API/v1/runs", "/web/src/main.ts"):
        reply, body = ask(trajd, path)
        assert reply.status == 404, path
        assert reply.headers["Content-Type"] == "application/problem+json"


def test_every_reply_has_the_headers_of_safety(trajd):
    for path in ("/", "/nothing", "/api/v1/runs", "/api/v1/runs?x=y", "/metrics", "/%00"):
        reply, _ = ask(trajd, path)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "unsafe" not in reply.headers["Content-Security-Policy"]
        assert reply.headers["Access-Control-Allow-Origin"] is None


@pytest.fixture
def from_folder(tmp_path):
    root = tmp_path / "page"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "page-old").mkdir()
    (root / "index.html").write_text("mine")
    (root / "sub/a.js").write_text("code")
    (tmp_path / "page-old/secret.txt").write_text("secret")
    (root / "out.txt").symlink_to(tmp_path / "page-old/secret.txt")
    (root / "in.txt").symlink_to(root / "sub/a.js")
    daemon = Trajd(tmp_path, "--web-root", root).start()
    yield daemon
    daemon.end()


@pytest.mark.parametrize("name, why", [("none", "No such file or directory"),
                                       ("trajd.db", "Not a directory")])
def test_a_web_root_that_is_no_folder_is_refused_at_the_start(tmp_path, name, why):
    (tmp_path / "trajd.db").touch()
    done = subprocess.run([BUILD / "trajd", "--db", tmp_path / "trajd.db", "--http", "127.0.0.1:0",
                           "--ingest", "tcp://127.0.0.1:0", "--web-root", tmp_path / name],
                          capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"trajd: http: the web root {tmp_path / name}: {why}\n"


def test_a_web_root_gives_its_files_and_no_others(from_folder):
    assert ask(from_folder, "/runs/x")[1] == b"mine"
    reply, body = ask(from_folder, "/sub/a.js")
    assert (body, reply.headers["Content-Type"]) == (b"code", "text/javascript; charset=utf-8")
    assert ask(from_folder, "/in.txt")[1] == b"code"
    for path in ("/out.txt", "/sub", "/none", "/sub/a.js/x"):
        assert ask(from_folder, path)[0].status == 404, path
    for path in ("/../page-old/secret.txt", "/..%2fpage-old/secret.txt", "/%2e%2e/page-old/secret.txt"):
        assert ask(from_folder, path)[0].status == 400, path
