"""README.md says what is so."""

import os
import re
import subprocess
from pathlib import Path

import wire
from peer import Peer

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TRAJ_BUILD", "build")
README = (ROOT / "README.md").read_text()


def indented_blocks():
    """The lines of the README's command blocks."""
    return re.findall(r"^    (\S.*)$", re.sub(r"```.*?```", "", README, flags=re.S), re.M)


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def test_the_hook_is_the_one_of_the_minimal_example():
    hook = re.search(r"```c\n(.*?)```", README, re.S).group(1)
    assert hook in (ROOT / "client/examples/minimal.c").read_text()
    assert hook.count("\n") > 10


def test_links_lead_somewhere():
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
               for title in re.findall(r"^#+ (.*)$", README, re.M)}
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert len(targets) > 5
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors
        elif not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_files_and_folders_it_names_exist():
    named = re.findall(r"`((?:client|daemon|schema|web|tests)/[\w./-]*)`", README)
    assert len(named) > 10
    for path in named:
        assert (ROOT / path).exists(), path


def test_commands_of_traj_and_options_of_trajd_exist():
    commands = output(BUILD / "traj", "--help")
    options = output(BUILD / "trajd", "--help")
    lstm = output(BUILD / "examples/lstm", "--help")
    lines = indented_blocks()
    used = [line.split("build/traj ")[1].split()[0] for line in lines if "build/traj " in line]
    assert set(used) == {"ls", "show", "verdict", "compare", "export", "rate", "sync", "fit", "query"}
    assert all(re.search(rf"^  {name} ", commands, re.M) for name in used)
    for line in lines:
        where = {"build/trajd": options, "build/examples/lstm": lstm}
        for program, text in where.items():
            if f"{program} " in line:
                assert all(flag in text for flag in re.findall(r"--[a-z-]+", line))


def test_paths_of_the_api_are_in_the_contract():
    contract = (ROOT / "schema/openapi.yaml").read_text()
    paths = re.findall(r"http://127\.0\.0\.1:7010(/[\w/]*)", "\n".join(indented_blocks()))
    assert len(paths) > 5
    for path in paths:
        assert f"\n  {path.replace('RUN', '{id}')}:" in contract, path


def test_the_probes_of_a_run_can_be_fitted_as_it_says(trajd):
    peer = Peer(trajd.ingest, "r-1")
    for k in range(90):
        g = 1.0 + k * 37 % 11
        peer.record(wire.PROBE, step=k, estimator=3, smoothness=wire.f64(2 + 3 * g),
                    grad_sq=wire.f64(g * g), delta_sq=wire.f64(1e-12))
    peer.deliver()
    line, = (line for line in indented_blocks() if "| build/traj fit" in line)
    line = line.replace("build/", f"{BUILD}/").replace("'RUN'", "'r-1'")
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=True,
                          env=dict(os.environ, TRAJD_DB=str(trajd.db)))
    assert "\n90 pairs\n" in done.stdout
    method, L0, L1 = re.search(r"^(nnls_relative) +(\S+) +(\S+)", done.stdout, re.M).groups()
    assert (float(L0), float(L1)) == (2, 3), method
