"""traj ls, show and export, as a user calls them."""
import json
import math
import os
import socket
import subprocess
import threading

import pytest

import trajd as rig
import wire
from peer import Peer

TRAJ = rig.BUILD / "traj"


def traj(*words, url=None, **kwargs):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}
    if url is not None:
        environment["TRAJD_URL"] = url
    return subprocess.run([TRAJ, *words], capture_output=True, text=True, env=environment,
                          timeout=60, check=False, **kwargs)


def url_of(trajd):
    return f"http://{trajd.http}"


@pytest.fixture
def runs(trajd):
    """Three runs; the first has all kinds of records and values."""
    for run_id, project, name in (("alpha-1", "p", "one"), ("alpha-2", "p", "two"),
                                  ("beta", "other", "two")):
        peer = Peer(trajd.ingest, run_id, project=project, name=name)
        for k in range(120):
            loss = math.nan if k == 5 else 1 / (k + 3)
            peer.record(wire.STEP, step=k, loss=wire.f64(loss), grad_sq=wire.f64(k / 7))
            g = 1.0 + k * 37 % 11
            peer.record(wire.PROBE, step=k, estimator=3, smoothness=wire.f64(2 + 3 * g),
                        grad_sq=wire.f64(g * g), delta_sq=wire.f64(1e-12))
        peer.record(wire.METRIC, step=1, name="a,b\"c", value=wire.f64(0.1))
        if run_id == "alpha-1":
            peer.record(wire.SHARPNESS, step=1, value=wire.f64(-math.inf), converged=0)
            peer.record(wire.GROUP, step=1, group=1, grad_sq=wire.f64(0.1))
            peer.record(wire.GROUP, step=1, group=2, delta_sq=wire.f64(math.nan))
        peer.record(wire.EVENT, step=1, event=0, severity=0, text="line\nbreak \x1b[31m")
        peer.deliver()
    return trajd


def test_ls_names_the_runs(runs):
    shown = traj("ls", url=url_of(runs))
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["ID", "PROJECT", "NAME", "STATE", "COMPLETE", "STEPS",
                                "PROBES", "UPDATED"]
    assert [line.split()[:7] for line in lines[1:]] == [
        ["beta", "other", "two", "live", "not", "yet", "120"],
        ["alpha-2", "p", "two", "live", "not", "yet", "120"],
        ["alpha-1", "p", "one", "live", "not", "yet", "120"]]


def test_ls_keeps_its_columns_apart(trajd):
    cut = "\u00e9" * 27
    for run_id, name in (("0" * 26, "0" * 26), ("a" * 64, cut + "x"), ("b", cut)):
        peer = Peer(trajd.ingest, run_id, project="p" * 40, name=name)
        peer.ask(peer.send_hello)
    lines = traj("ls", url=url_of(trajd)).stdout.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[1:]}
    assert rows["0" * 26][1:4] == ["p" * 11 + "\u2026", "0" * 26, "live"]
    assert rows["a" * 64][2:4] == [cut[:26] + "\u2026", "live"]
    assert rows["b"][2:4] == [cut, "live"]
    starts = {line.index("live") for line in lines[1:] if not line.startswith("a")}
    assert starts == {lines[0].index("STATE")}


def test_ls_json_is_one_run_a_line(runs):
    was = None
    now = runs.json("/api/v1/runs?project=p")["data"]
    while now != was:  # an alert may still come
        was = now
        shown = traj("ls", "--json", "--project", "p", "--url", url_of(runs))
        now = runs.json("/api/v1/runs?project=p")["data"]
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [run["id"] for run in found] == ["alpha-2", "alpha-1"]
    assert found == now


def test_ls_follows_pages(trajd):
    for k in range(501):
        peer = Peer(trajd.ingest, f"run-{k:03}")
        peer.ask(peer.send_hello)
        peer.close()
    shown = traj("ls", "--json", url=url_of(trajd))
    ids = [json.loads(line)["id"] for line in shown.stdout.splitlines()]
    assert sorted(ids) == [f"run-{k:03}" for k in range(501)]


def test_show_says_where_a_run_is_and_which_laws_fit(runs):
    shown = traj("show", "alpha-1", url=url_of(runs)).stdout
    assert "state      live" in shown
    assert ("120 steps, 120 probes, 1 metrics, 1 events, 1 of sharpness, 2 of groups; "
            "lost 0, dropped 0, repeated 0, late 0\ncomplete   no: stream_open\n") in shown
    other = traj("show", "beta", url=url_of(runs)).stdout
    assert "120 steps, 120 probes, 1 metrics, 1 events; lost 0, dropped 0" in other
    assert "last step  119: loss 0.00819672, gradient norm 4.1231" in shown
    assert "(start, same_batch), n = 120, excluded 0" in shown
    assert "nnls_relative    L0 2            L1 3\n" in shown
    assert "  power            rho 1 predicts best\n" in shown
    assert "last       120 steps, 120 probes\n  faults           1 not finite (first at step 5)\n" in shown
    assert f"dashboard  {url_of(runs)}/runs/alpha-1\n" in shown


def test_show_has_a_line_for_what_was_measured(trajd):
    peer = Peer(trajd.ingest, "r")
    for k in range(4):
        peer.record(wire.STEP, step=k, loss=wire.f64(4.0 - k), lr=wire.f64(0.5), flags=0,
                    grad_sq=wire.f64(16.0), micro_grad_sq=wire.f64(40.0), micro_batches=4,
                    batch_samples=12, clip_scale=wire.f64(0.5 if k % 2 else 1.0),
                    delta_sq=wire.f64(1.0), grad_delta=wire.f64(-2.0), dgrad_sq=wire.f64(1.0))
    peer.deliver()
    shown = traj("show", "r", url=url_of(trajd)).stdout
    assert ("last       4 steps, 0 probes\n"
            "  faults           0 skipped, 0 found_inf, 0 updates of zero, 0 not finite\n"
            "  clipped          50 % of 4 steps, by 50 % on average\n"
            "  noise scale      12 samples +- 0, n = 4\n"
            "  decrease, steps  predicted 6, realised 3, n = 3 (each loss of its own batch)\n"
            "  lr / AdGD's step 1, geometric mean 1, n = 3\n") in shown


def test_show_json_is_what_the_api_says(runs):
    shown = json.loads(traj("show", "beta", "--json", url=url_of(runs)).stdout)
    assert shown["fits"] == runs.json("/api/v1/runs/beta/fits")["data"]
    assert shown["diagnostics"] == runs.json("/api/v1/runs/beta/diagnostics")["data"]
    assert shown["run"]["id"] == "beta"
    assert shown["last"] == {"loss": 1 / 122, "loss_step": 119,
                             "grad_norm": math.sqrt(119 / 7), "grad_norm_step": 119}


def test_probes_of_single_groups_are_counted_apart(trajd):
    peer = Peer(trajd.ingest, "r")
    for step in range(3):
        for group in {}, {"group": 0}, {"group": 1}, {"group": 7}, {"group": 1}:
            peer.record(wire.PROBE, step=step, smoothness=wire.f64(1.0), **group)
    peer.deliver()
    assert (trajd.run("r")["records"]["probe"], trajd.run("r")["group_probes"]) == (15, 9)
    assert "0 steps, 6 probes (and 9 of single groups), 0 metrics" in traj("show", "r", url=url_of(trajd)).stdout
    assert traj("ls", url=url_of(trajd)).stdout.splitlines()[1].split()[3:8] == [
        "live", "not", "yet", "0", "6"]


def test_show_says_of_which_step_a_value_is_that_the_last_step_lacks(trajd):
    peer = Peer(trajd.ingest, "r")
    peer.record(wire.STEP, step=7, loss=wire.f64(2.0), grad_sq=wire.f64(9.0))
    peer.record(wire.STEP, step=8, loss=wire.f64(1.0))
    peer.deliver()
    assert ("last step  8: loss 1, gradient norm 3 (step 7)\n"
            in traj("show", "r", url=url_of(trajd)).stdout)
    assert json.loads(traj("show", "r", "--json", url=url_of(trajd)).stdout)["last"] == {
        "loss": 1, "loss_step": 8, "grad_norm": 3, "grad_norm_step": 7}


@pytest.mark.parametrize("text, run_id", [("bet", "beta"), ("one", "alpha-1"), ("alpha-2", "alpha-2")])
def test_a_run_may_be_named_by_prefix_and_by_name(runs, text, run_id):
    assert json.loads(traj("show", text, "--json", url=url_of(runs)).stdout)["run"]["id"] == run_id


@pytest.mark.parametrize("text, said", [("alpha", "alpha-1"), ("two", "alpha-2"), ("gamma", "no run 'gamma'"),
                                        ("no such/run ?", "no run"), ("", "no run")])
def test_a_run_that_is_unclear_is_refused(runs, text, said):
    shown = traj("show", text, url=url_of(runs))
    assert shown.returncode == 1
    assert said in shown.stderr


@pytest.mark.parametrize("kind", list(wire.KINDS))
def test_export_is_every_record_bit_for_bit(runs, tmp_path, kind):
    number = wire.KINDS[kind]
    expected = rig.export_rows(runs, "alpha-1", number)
    as_csv = traj("export", "alpha-1", "--kind", kind, url=url_of(runs))
    assert as_csv.returncode == 0
    assert as_csv.stdout.encode() == runs.export("alpha-1", kind, "csv")
    file = tmp_path / "out.ndjson"
    done = traj("export", "alpha-1", "--kind", kind, "--format", "ndjson", "-o", file, url=url_of(runs))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    body = runs.export("alpha-1", kind, "ndjson")
    assert file.read_bytes() == body[:body.rindex(b"{\"trailer\"")]
    assert len(file.read_text().splitlines()) == len(expected)
    assert os.listdir(tmp_path).count("out.ndjson") == 1
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]


# ---- what answers is not a whole export


def answer_with(chunks, end):
    """A server that gives run r and then these chunks as its export."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            connection, _ = server.accept()
            with connection:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += connection.recv(4096)
                if b"/export" in request.split(b"\r\n")[0]:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for chunk in chunks:
                        connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    connection.sendall(end)
                    return
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 10\r\n\r\n"
                                   b'{"id":"r"}')
    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"


ROWS = b'{"seq":1}\n{"seq":2}\n'
TRAILER = b'{"trailer":{"rows":2,"crc32c":"%08x"}}\n' % wire.crc32c(ROWS)
WHOLE = b"0\r\n\r\n"


@pytest.mark.parametrize("form, chunks, end, said", [
    ("ndjson", [ROWS], WHOLE, "cut off"),
    ("ndjson", [ROWS, TRAILER[:-3]], WHOLE, "cut off"),
    ("ndjson", [ROWS[:10], TRAILER], WHOLE, "damaged"),
    ("ndjson", [ROWS.replace(b"2", b"3"), TRAILER], WHOLE, "damaged"),
    ("ndjson", [ROWS, TRAILER, ROWS], WHOLE, "trailer"),
    ("ndjson", [ROWS, TRAILER], b"", "traj: "),
    ("csv", [b"seq\n1\n"], b"", "traj: "),
    ("csv", [b"seq\n1\n"], b"5\r\n1", "traj: ")])
def test_an_export_that_is_not_whole_leaves_no_file(tmp_path, form, chunks, end, said):
    file = tmp_path / "out"
    done = traj("export", "r", "--format", form, "-o", file, url=answer_with(chunks, end))
    assert done.returncode == 1
    assert said in done.stderr
    assert os.listdir(tmp_path) == []


def test_a_whole_export_in_odd_pieces_is_taken(tmp_path):
    file = tmp_path / "out"
    body = ROWS + TRAILER
    done = traj("export", "r", "--format", "ndjson", "-o", file,
                url=answer_with([body[i:i + 3] for i in range(0, len(body), 3)], WHOLE))
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == ROWS


def test_an_old_file_survives_an_export_that_fails(tmp_path):
    file = tmp_path / "out"
    file.write_text("old")
    assert traj("export", "r", "-o", file, url=answer_with([b"x"], b"")).returncode == 1
    assert file.read_text() == "old"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    done = traj("export", "r", "--format", "ndjson", "-o", pipe,
                url=answer_with([ROWS, TRAILER], WHOLE))
    assert done.returncode == 0, done.stderr
    assert pipe.is_fifo()
    reader.join(30)
    assert got == [ROWS]


def test_a_symbolic_link_stays_one(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("target")
    (tmp_path / "target").write_text("old")
    done = traj("export", "r", "--format", "ndjson", "-o", link,
                url=answer_with([ROWS, TRAILER], WHOLE))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert (tmp_path / "target").read_bytes() == ROWS


def test_a_full_disk_is_told():
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            [TRAJ, "export", "r", "--url", answer_with([b"seq\n1\n"], WHOLE)],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr


@pytest.mark.parametrize("words", [["ls"], ["show", "r"], ["export", "r"]])
def test_without_a_daemon_the_error_says_where_it_looked(words):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = traj(*words, "--url", f"http://127.0.0.1:{port}/")
    assert done.returncode == 1
    assert f"no trajd answers at http://127.0.0.1:{port}:" in done.stderr
    assert "$TRAJD_URL" in done.stderr


@pytest.mark.parametrize("words", [["ls", "x"], ["show"], ["show", "a", "b"], ["export"],
                                   ["export", "r", "--kind", "x"], ["export", "r", "--format", "x"],
                                   ["ls", "--nonsense"]])
def test_a_wrong_call_shows_the_usage(words):
    done = traj(*words)
    assert done.returncode == 2
    assert "usage: traj" in done.stderr


@pytest.mark.parametrize("command", ["ls", "show", "export"])
def test_help_goes_to_stdout(command):
    done = traj(command, "--help")
    assert done.returncode == 0 and done.stdout.startswith(f"usage: traj {command}")


def test_names_cannot_command_the_terminal(trajd):
    peer = Peer(trajd.ingest, "r", name="red \x1b[31m\nname")
    peer.ask(peer.send_hello)
    for words in ["ls"], ["show", "r"]:
        shown = traj(*words, url=url_of(trajd)).stdout
        assert "\x1b" not in shown and "red ?[31m?name" in shown
