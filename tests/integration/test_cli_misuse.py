"""traj, asked wrongly, cut short, or with nowhere to write to: it says so, and leaves nothing."""
import os
import resource
import signal
import socket
import subprocess
import threading

import pytest

import trajd as rig
import wire
from peer import Peer

TRAJ = rig.BUILD / "traj"


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith("TRAJ")}


def traj(*words, **kwargs):
    kwargs = {"stdout": subprocess.PIPE, "env": environment(), **kwargs}
    return subprocess.run([TRAJ, *map(str, words)], stderr=subprocess.PIPE, text=True, timeout=60,
                          check=False, stdin=subprocess.DEVNULL, **kwargs)


@pytest.fixture
def runs(trajd):
    """Runs whose probes are of one estimator, another, and of both."""
    for run_id, estimators in ("a", [3] * 90), ("b", [1] * 90), ("c", [3] * 90 + [1] * 10):
        peer = Peer(trajd.ingest, run_id)
        for k, estimator in enumerate(estimators):
            g = 1.0 + k * 37 % 11
            peer.record(wire.PROBE, step=k, estimator=estimator, smoothness=wire.f64(2 + 3 * g),
                        grad_sq=wire.f64(g * g), delta_sq=wire.f64(1e-12))
        peer.deliver()
    return trajd


# ---- what is wrong is said, and then the usage


@pytest.mark.parametrize("words, reason", [
    ([], "traj: which command?"),
    (["dance"], "traj: unknown command 'dance'"),
    (["--dance"], "traj: unrecognized option '--dance'"),
    (["ls", "--dance"], "traj ls: unrecognized option '--dance'"),
    (["ls", "--url"], "traj ls: option '--url' requires an argument"),
    (["ls", "x"], "traj: 'x' is one word too many"),
    (["show"], "traj: which run?"),
    (["show", "a", "b"], "traj: one run only"),
    (["verdict"], "traj: which run?"),
    (["verdict", "a", "b"], "traj: one run only"),
    (["verdict", "a", "--group", "x"], "traj: --group: 'x' is no number of a layer"),
    (["verdict", "a", "--group", ""], "traj: --group: '' is no number of a layer"),
    (["verdict", "a", "--group", "100000"], "traj: --group: '100000' is no number of a layer"),
    (["compare", "a"], "traj: 2 to 16 runs, not 1"),
    (["compare", *"abcdefghijklmnopq"], "traj: 2 to 16 runs, not 17"),
    (["export"], "traj: which run?"),
    (["export", "a", "b"], "traj: one run only"),
    (["export", "a", "--kind", "x"], "traj: --kind: 'x' is none"),
    (["export", "a", "--format", "json"], "traj: --format: 'json' is none"),
    (["rate", "a"], "traj: a run and a number of steps are wanted"),
    (["rate", "a", "1000001"], "traj: '1000001' is not a number from 0 to 1000000"),
    (["rate", "a", "5x"], "traj: '5x' is not a number from 0 to 1000000"),
    (["query", "SELECT 1", "SELECT 2"], "traj: one statement only"),
    (["query", "--format", "xml", "SELECT 1"], "traj: --format: 'xml' is none"),
    (["query", "--limit", "0", "SELECT 1"], "traj: --limit: '0' is no number of rows"),
    (["query", "--timeout", "86401", "SELECT 1"],
     "traj: --timeout: '86401' is not a number from 1 to 86400"),
    (["fit", "--x", "a", "--y", "b"], "traj fit: which file?"),
    (["fit", "f", "g", "--x", "a", "--y", "b"], "traj fit: one file only"),
    (["fit", "f", "--x", "a"], "traj fit: --x and --y name the columns"),
    (["sync", "a", "b"], "traj: one DIR only"),
    (["sync", "--timeout", "0"], "traj: --timeout: '0' is not a number from 1 to 86400"),
    (["sync", "--endpoint", "x"], 'traj: endpoint "x" is not like tcp://127.0.0.1:7011'),
])
def test_what_is_asked_wrongly_is_named(words, reason):
    done = traj(*words)
    assert done.returncode == 2
    first, second, *_ = done.stderr.splitlines()
    assert first == reason
    assert second.startswith("usage: traj")
    assert done.stdout == ""


def test_a_terminal_is_asked_for_no_statement():
    leader, follower = os.openpty()
    done = subprocess.run([TRAJ, "query"], stdin=follower, capture_output=True, text=True,
                          env=environment(), timeout=60, check=False)
    os.close(leader)
    os.close(follower)
    assert done.returncode == 2
    assert done.stderr.startswith("traj: which statement?\nusage: traj query")


def test_a_database_that_is_not_there_is_no_riddle(tmp_path):
    done = traj("query", "--db", tmp_path / "none.db", "SELECT 1")
    assert (done.returncode, done.stderr) == (
        1, f"traj query: {tmp_path / 'none.db'}: No such file or directory\n")


def test_a_comparison_says_of_which_probes_it_is(runs):
    url = f"http://{runs.http}"
    shown = traj("compare", "a", "b", "--url", url).stdout.splitlines()
    assert shown[1].split()[:2] == ["a", "90"]
    assert shown[2].split()[:2] == ["b", "0"]
    assert shown[2].endswith("(90 probes of another estimator)")
    assert "pairs are of start, same_batch: the first run's" in shown
    shown = traj("compare", "b", "a", "--url", url).stdout.splitlines()
    assert "pairs are of start, full: the first run's" in shown
    assert shown[2].endswith("(90 probes of another estimator)")
    assert "another" not in shown[1]
    shown = traj("compare", "a", "c", "--url", url).stdout.splitlines()
    assert shown[2].split()[:2] == ["c", "90"]
    assert "another" not in shown[2]


# ---- nowhere to write to


@pytest.mark.parametrize("words", [
    ["ls"], ["ls", "--json"], ["show", "a"], ["show", "a", "--json"], ["verdict", "a"],
    ["verdict", "a", "--json"], ["compare", "a", "b"], ["compare", "a", "b", "--json"],
    ["export", "a", "--kind", "probe"], ["export", "a", "--kind", "probe", "--format", "ndjson"],
    ["--help"], ["--version"], ["ls", "--help"], ["sync", "--help"]])
def test_what_cannot_be_written_is_no_success(runs, words):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = traj(*words, stdout=full, env=dict(environment(), TRAJD_URL=f"http://{runs.http}"))
    assert (done.returncode, done.stderr) == (
        1, "traj: standard output: No space left on device\n")


def test_a_table_or_a_report_that_cannot_be_written_is_no_success(runs, tmp_path):
    table = tmp_path / "f.csv"
    table.write_text("a,b\n" + "".join(f"{k},{k % 7}\n" for k in range(40)))
    empty = tmp_path / "empty"
    empty.mkdir()
    for words, program in ((["fit", table, "--x", "a", "--y", "b"], "traj"),
                           (["query", "--db", runs.db, "SELECT 1"], "traj query"),
                           (["sync", empty], "traj")):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = traj(*words, stdout=full)
        assert (done.returncode, done.stderr) == (
            1, f"{program}: standard output: No space left on device\n")


def test_a_file_that_may_grow_no_more_is_told_and_goes(runs, tmp_path):
    out = tmp_path / "out.csv"
    done = traj("export", "a", "--kind", "probe", "-o", out, "--url", f"http://{runs.http}",
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)))
    assert done.returncode == 1
    assert done.stderr.startswith(f"traj: {out}") and done.stderr.endswith(": File too large\n")
    assert os.listdir(tmp_path).count("out.csv") == 0
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]


@pytest.mark.parametrize("words", [
    ["ls"], ["show", "a"], ["verdict", "a"], ["compare", "a", "b"], ["export", "a", "--kind", "probe"]])
def test_a_pipe_that_nobody_reads_ends_a_command_without_a_word(runs, words):
    read, write = os.pipe()
    os.close(read)
    done = traj(*words, stdout=write, env=dict(environment(), TRAJD_URL=f"http://{runs.http}"))
    os.close(write)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")


# ---- Ctrl-C


def half_an_export():
    """A server that gives run r, and the start of its export; asked.wait() for that, and go on
    with held[0]."""
    server = socket.create_server(("127.0.0.1", 0))
    asked = threading.Event()
    held = []

    def serve():
        while True:
            connection, _ = server.accept()
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(4096)
            if b"/export" in request.split(b"\r\n")[0]:
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   b"Transfer-Encoding: chunked\r\n\r\n4\r\nseq\n\r\n")
                held.append(connection)
                asked.set()
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
                                   b"Content-Length: 10\r\n\r\n" b'{"id":"r"}')
                connection.close()
    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}", asked, held


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_export_that_is_interrupted_leaves_what_was_there(tmp_path, number):
    url, asked, _ = half_an_export()
    out = tmp_path / "out.csv"
    out.write_text("old")
    with subprocess.Popen([TRAJ, "export", "r", "-o", out, "--url", url],
                          env=environment()) as process:
        assert asked.wait(30)
        assert len(os.listdir(tmp_path)) == 2
        process.send_signal(number)
        assert process.wait(30) == -number
    assert os.listdir(tmp_path) == ["out.csv"]
    assert out.read_text() == "old"


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    url, asked, held = half_an_export()
    out = tmp_path / "out.csv"
    with subprocess.Popen([TRAJ, "export", "r", "-o", out, "--url", url], env=environment(),
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        with held[0] as connection:
            connection.sendall(b"0\r\n\r\n")
        assert process.wait(30) == 0
    assert out.read_text() == "seq\n"


# ---- folders that are not what they seem


def test_a_run_whose_folder_cannot_be_opened_is_told(tmp_path):
    (tmp_path / "r").symlink_to("r")  # for ever
    (tmp_path / "gone").symlink_to("nowhere")
    (tmp_path / "notes.txt").write_text("of no run")
    done = traj("sync", tmp_path)
    assert done.returncode == 1
    assert done.stderr == "traj sync: r: Too many levels of symbolic links\n"
    assert done.stdout == ""
