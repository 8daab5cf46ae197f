"""client/examples/demo.sh, with few steps, watched from outside."""

import fcntl
import json
import os
import pty
import re
import signal
import socket
import stat
import struct
import subprocess
import termios
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TRAJ_BUILD", "build")
DEMO = ROOT / "client/examples/demo.sh"
ROW = re.compile(r"^  (lr .+?) +(\d+) +(\S+) +(\S+) +(\S+)\n((?:      steps .*\n)+)", re.M)


@pytest.fixture
def environment(tmp_path):
    """All temporary files below a folder with a space in its name."""
    temporary = tmp_path / "a folder"
    temporary.mkdir()
    kept = {k: v for k, v in os.environ.items()
            if not k.startswith("TRAJ") and not k.startswith("DEMO")}
    return dict(kept, TMPDIR=str(temporary), TRAJ_BUILD=str(BUILD), DEMO_STEPS="80")


def started(environment, *options):
    return subprocess.Popen([str(DEMO), *options], env=environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            start_new_session=True)


def ended(process, timeout=240):
    try:
        return process.communicate(timeout=timeout)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def run(environment, *options):
    process = started(environment, *options)
    out, err = ended(process)
    return process.returncode, out, err


def read_until(process, pattern):
    """The lines up to the one that matches; the demo's end fails the test."""
    seen = ""
    for line in process.stdout:
        seen += line
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"no {pattern!r} in {seen}{process.stderr.read()}")


def left_behind(environment):
    """Files below TMPDIR, and processes that name it."""
    folder = environment["TMPDIR"]
    processes = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if folder.encode() in entry.read_bytes():
                processes.append(entry.parent.name)
        except OSError:
            continue
    return os.listdir(folder) + processes


def fake_build(tmp_path, **scripts):
    """A build folder where some programs are scripts and the rest are real."""
    build = tmp_path / "build"
    (build / "examples").mkdir(parents=True)
    for name in ("trajd", "traj", "examples/lstm"):
        path = build / name
        script = scripts.get(Path(name).name)
        if script is None:
            path.symlink_to(BUILD / name)
        else:
            path.write_text("#!/bin/sh\n" + script)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(build)


def test_once_trains_three_runs_and_says_what_was_found(environment):
    status, out, err = run(environment, "--once")
    assert (status, err) == (0, ""), err
    rows = ROW.findall(out)
    assert [row[0] for row in rows] == [
        "lr 20, clipped at 0.25", "lr 2, not clipped", "lr 2, clipped at 0.25"]
    for _, n, spearman, l0, l1, _ in rows:
        assert int(n) == 40  # 80 steps, every second one probed
        assert -1 <= float(spearman) <= 1
        assert float(l0) >= 0 and float(l1) >= 0
    assert left_behind(environment) == []


def test_address_comes_before_anything_else(environment):
    _, out, _ = run(environment, "--once")
    first = next(line for line in out.splitlines() if line.strip())
    assert re.fullmatch(r"  dashboard:  http://127\.0\.0\.1:\d+/", first)


def test_table_shows_what_traj_show_says(environment):
    process = started(environment)
    seen = read_until(process, r"^Serving")
    address = re.search(r"http://127\.0\.0\.1:\d+", seen).group()
    def asked(command, run):
        return json.loads(subprocess.run([BUILD / "traj", command, "--url", address, "--json", run],
                                         check=True, capture_output=True).stdout)

    runs = ("large-lr-clipped", "small-lr", "small-lr-clipped")
    shown = [asked("show", run)["fits"] for run in runs]
    said = [asked("verdict", run) for run in runs]
    process.send_signal(signal.SIGTERM)
    ended(process)
    for (_, n, spearman, l0, l1, phases), fits, verdict in zip(ROW.findall(seen), shown, said, strict=True):
        fit = next(fit for fit in fits["fits"] if fit["method"] == "nnls_relative")
        assert int(n) == fits["n"]
        assert [line.split("): ", 1)[1] for line in phases.splitlines()] == [
            phase["sentence"] for phase in verdict["phases"]]
        assert [spearman, l0, l1] == [f"{value:.3f}" for value in
                                      (fits["spearman"], fit["L0"], fit["L1"])]


def test_on_a_terminal_a_run_is_one_line_written_over(environment):
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    seen = b""
    with subprocess.Popen([str(DEMO), "--once"], env=environment, stdout=its_end,
                          start_new_session=True) as process:
        os.close(its_end)
        try:
            while chunk := os.read(terminal, 4096):
                seen += chunk
        except OSError:  # how a pseudo-terminal says end of file
            pass
    os.close(terminal)
    assert process.returncode == 0
    progress = re.findall(r"^((?:\r\x1b\[K[^\r\n]*)+)\r\n", seen.decode(), re.M)
    assert len(progress) == 3
    for line in progress:
        states = line.split("\r\x1b[K")[1:]
        assert len(states) == 9  # 0, 10, ..., 70, 79 of 80
        assert all(len(state) <= 60 for state in states)


def test_serves_until_interrupted_and_the_runs_are_finished(environment):
    process = started(environment)
    seen = read_until(process, r"^Serving")
    address = re.search(r"http://127\.0\.0\.1:\d+", seen).group()
    with urllib.request.urlopen(f"{address}/api/v1/runs", timeout=20) as reply:
        runs = json.load(reply)["data"]
    assert {run["name"]: (run["state"], run["exit_code"], run["records"]["step"],
                          run["records"]["probe"], run["lost_records"]) for run in runs} == {
        "lr 20, clipped at 0.25": ("finished", 0, 80, 40, 0),
        "lr 2, not clipped": ("finished", 0, 80, 40, 0),
        "lr 2, clipped at 0.25": ("finished", 0, 80, 40, 0),
    }
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    ended(process)
    assert process.returncode == 130
    assert left_behind(environment) == []


@pytest.mark.parametrize("number, status",
                         [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_in_training_ends_all_and_leaves_nothing(environment, number, status):
    process = started(dict(environment, DEMO_STEPS="100000"))
    read_until(process, r"step 0/")
    process.send_signal(number)  # to the script alone
    ended(process)
    assert process.returncode == status
    assert left_behind(environment) == []


def test_probes_are_idempotent_and_exact(environment):
    process = started(environment)
    seen = read_until(process, r"^Serving")
    address = re.search(r"http://127\.0\.0\.1:\d+", seen).group()
    url = f"{address}/api/v1/runs/small-lr/probes?fields=step,idempotence,flags,smoothness"
    with urllib.request.urlopen(url, timeout=20) as reply:
        data = json.load(reply)["data"]
    process.send_signal(signal.SIGTERM)
    ended(process)
    assert data["step"] == list(range(0, 80, 2))
    assert [gap for gap in data["idempotence"] if gap is not None] == [0]
    assert all(not flags for flags in data["flags"])
    assert all(smoothness > 0 for smoothness in data["smoothness"])


def test_a_port_that_is_taken_is_an_error_only_if_it_was_asked_for(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, out, err = run(dict(environment, TRAJD_PORT=str(port)), "--once")
    assert status == 1
    assert err.splitlines()[-1] == \
        "demo: trajd does not start; its last words are above"
    assert "dashboard" not in out
    assert left_behind(environment) == []


def test_a_daemon_that_does_not_start_fails_the_demo_with_its_words(environment, tmp_path):
    build = fake_build(tmp_path, trajd="echo 'the disk is made of cheese' >&2; exit 3\n")
    status, _, err = run(dict(environment, TRAJ_BUILD=build), "--once")
    assert status == 1
    assert "the disk is made of cheese" in err
    assert left_behind(environment) == []


def test_a_trainer_that_fails_fails_the_demo_with_its_words(environment, tmp_path):
    build = fake_build(tmp_path, lstm="echo 'lstm: out of ideas' >&2; exit 7\n")
    status, _, err = run(dict(environment, TRAJ_BUILD=build), "--once")
    assert status == 1
    assert "lstm: out of ideas" in err and "ended with status 7" in err
    assert left_behind(environment) == []


def test_programs_that_are_not_built_are_named(environment, tmp_path):
    status, _, err = run(dict(environment, TRAJ_BUILD=str(tmp_path)), "--once")
    assert status == 1
    assert err == f"demo: {tmp_path}/trajd is missing: run make\n"
