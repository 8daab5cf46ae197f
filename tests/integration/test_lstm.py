"""The LSTM trainer from outside: measuring changes nothing, and nothing that goes
wrong with measuring stops it."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LSTM = ROOT / os.environ.get("TRAJ_BUILD", "build") / "examples/lstm"
SMALL = ["--steps", "60", "--hidden", "16", "--layers", "2", "--batch", "4", "--bptt", "8",
         "--print-every", "1", "--lr", "5"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "a text.txt"
    path.write_text("How much wood would a woodchuck chuck if it could chuck wood? " * 20)
    return path


@pytest.fixture
def environment(tmp_path):
    """A port nobody listens on, so that no daemon of the machine is met."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRAJ_")}
    return dict(kept, TRAJ_DIR=str(tmp_path / "spool"), TRAJ_URL="tcp://127.0.0.1:9")


def lstm(*options, env, cwd=ROOT):
    return subprocess.run([str(LSTM), *map(str, options)], env=env, cwd=cwd, timeout=120,
                          capture_output=True, text=True)


def trained(text, *options, env):
    done = lstm(*SMALL, "--text", text, *options, env=env)
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^step ", done.stdout, re.M)) == 60
    return done.stdout


def test_losses_and_parameters_are_the_same_with_probes_and_without(text, environment):
    offline = dict(environment, TRAJ_MODE="offline")
    bare = trained(text, "--no-traj", env=offline)
    assert re.search(r"^parameters [0-9a-f]{16}$", bare, re.M)
    assert trained(text, "--probe-every", 0, env=offline) == bare
    assert trained(text, "--probe-every", 1, env=offline) == bare
    assert trained(text, "--probe-every", 3, "--gammas", "0.05,0.5,1", env=offline) == bare
    assert trained(text, "--probe-budget", 1, "--sharpness-every", 1, env=offline) == bare
    assert trained(text, "--probe-every", 2, "--measure-every", 5, env=offline) == bare
    # As the demo: the last point is not where the trainer's parameters are.
    assert trained(text, "--probe-every", 2, "--gammas", "0.05", env=offline) == bare


def test_losses_are_the_same_when_the_daemon_is_absent(text, environment):
    bare = trained(text, "--no-traj", env=environment)
    assert trained(text, env=environment) == bare
    assert trained(text, env=dict(environment, TRAJ_MODE="disabled")) == bare


def test_losses_are_the_same_when_the_spool_cannot_be_made(text, environment, tmp_path):
    (tmp_path / "file").write_text("")
    broken = dict(environment, TRAJ_DIR=str(tmp_path / "file" / "below"))
    done = lstm(*SMALL, "--text", text, env=broken)
    assert done.returncode == 0
    assert done.stdout == trained(text, "--no-traj", env=environment)
    assert re.search(r"^lstm: the run is not recorded: open [^:]+: [^:]+; training goes on$", done.stderr, re.M)


@pytest.mark.parametrize("method", [[], ["--clip", "0.1"], ["--normalized", "0.5"]])
def test_probes_disturb_none_of_the_methods(text, environment, method):
    offline = dict(environment, TRAJ_MODE="offline")
    bare = trained(text, "--no-traj", *method, env=offline)
    assert trained(text, "--probe-every", 1, *method, env=offline) == bare


def test_methods_and_seeds_differ(text, environment):
    runs = [trained(text, "--no-traj", *options, env=environment)
            for options in ([], ["--clip", "0.1"], ["--normalized", "0.5"], ["--seed", "2"])]
    assert len(set(runs)) == 4
    assert trained(text, "--no-traj", env=environment) == runs[0]


def test_training_lowers_the_loss(text, environment):
    done = lstm("--text", text, "--no-traj", "--steps", 300, "--hidden", 32, "--batch", 4,
                "--bptt", 16, "--print-every", 299, "--lr", 2, "--clip", 1, env=environment)
    first, last = [float(x) for x in re.findall(r"loss (\S+)", done.stdout)]
    assert last < 0.8 * first


def test_an_absent_daemon_is_reported_with_what_to_do(text, environment):
    done = lstm(*SMALL, "--text", text, env=environment)
    assert done.returncode == 0
    assert done.stderr == (
        "lstm: the daemon has not confirmed all of the run; the rest is kept, and sent by: "
        f"traj sync {environment['TRAJ_DIR']}\n")


def test_clipping_at_a_norm_never_reached_is_no_clipping(text, environment):
    assert trained(text, "--no-traj", "--clip", "1e9", env=environment) == \
        trained(text, "--no-traj", env=environment)


def test_unusable_texts_are_named_with_the_reason(environment, tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("")
    short = tmp_path / "short"
    short.write_text("a" * (8 * 33 - 1))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    reasons = {
        empty: "is empty",
        tmp_path: "is no regular file",
        tmp_path / "missing": "No such file or directory",
        short: "too short: 263 bytes, and 8 sequences of 32 tokens need 264",
        loop: "Too many levels of symbolic links",
        Path("/dev/null"): "is no regular file",
    }
    for path, reason in reasons.items():
        done = lstm("--text", path, env=environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"lstm: {path}: {reason}\n"
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("options", [
    ["--steps", "x"], ["--steps", "-1"], ["--lr", "nan"], ["--lr", "-1"], ["--hidden", "0"],
    ["--hidden", "1025"], ["--gammas", "0"], ["--gammas", "1,0.5"], ["--gammas", "1.5"],
    ["--gammas", "0.5,"], ["--clip", "1", "--normalized", "1"], ["--print-every", "0"],
    ["--gammas", ",".join(str(k / 100) for k in range(1, 35))], ["--nonsense"], ["word"],
])
def test_wrong_options_are_refused_before_anything_starts(environment, tmp_path, options):
    done = lstm(*options, env=environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr
    assert not (tmp_path / "spool").exists()


def test_help_names_every_option(environment):
    done = lstm("--help", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    for option in ("text steps lr clip normalized hidden layers batch bptt seed probe-every "
                   "probe-budget sharpness-every gammas no-traj project name run-id help").split():
        assert f"--{option}" in done.stdout


def test_a_loss_that_is_not_finite_ends_the_run_as_failed(text, environment):
    done = lstm(*SMALL, "--text", text, "--lr", "1e30", env=environment)
    assert done.returncode == 1
    assert re.search(r"the loss of step \d+ is not finite", done.stderr)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_in_order(text, environment, number):
    command = [str(LSTM), *SMALL, "--text", str(text), "--steps", "100000000"]
    with subprocess.Popen(command, env=dict(environment, TRAJ_MODE="offline"),
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("step 0/")
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 128 + number
        assert rest.rstrip().splitlines()[-1].startswith("parameters ")


# ---- with a daemon ------------------------------------------------------------


def recorded_steps(trajd, run_id):
    body = trajd.json(f"/api/v1/runs/{run_id}/steps?fields=step,loss&limit=10000")
    return body["data"]["step"]


def test_an_interrupted_run_is_recorded_as_failed_with_its_exit_code(text, environment, trajd):
    command = [str(LSTM), *SMALL, "--text", str(text), "--steps", "100000000", "--run-id", "cut"]
    with subprocess.Popen(command, env=dict(environment, TRAJ_URL=trajd.ingest),
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("step 0/")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    run = trajd.run("cut")
    assert (run["state"], run["exit_code"]) == ("failed", 130)


def test_a_finished_run_is_complete_and_its_probes_are_idempotent(text, environment, trajd):
    trained(text, "--run-id", "whole", "--probe-every", 3,
            env=dict(environment, TRAJ_URL=trajd.ingest))
    run = trajd.run("whole")
    assert (run["state"], run["exit_code"]) == ("finished", 0)
    assert (run["records"]["step"], run["records"]["probe"]) == (60, 20)
    assert recorded_steps(trajd, "whole") == list(range(60))
    probes = trajd.json("/api/v1/runs/whole/probes?fields=step,idempotence,flags")["data"]
    assert probes["step"] == list(range(0, 60, 3))
    assert [gap for gap in probes["idempotence"] if gap is not None] == [0]


def test_the_operator_norm_is_measured_at_every_other_probe(text, environment, trajd):
    trained(text, "--run-id", "sharp", "--probe-every", 2, "--sharpness-every", 2,
            env=dict(environment, TRAJ_URL=trajd.ingest))
    fields = "step,value,residual,converged,hvps,grad_evals,grad_sq"
    data = trajd.json(f"/api/v1/runs/sharp/sharpness?fields={fields}")["data"]
    steps = trajd.json("/api/v1/runs/sharp/steps?fields=step,grad_sq")["data"]
    assert data["step"] == list(range(0, 60, 4))
    assert data["grad_sq"] == steps["grad_sq"][::4]
    assert all(1 <= n <= 3 for n in data["hvps"])
    assert data["grad_evals"] == [2 * n for n in data["hvps"]]
    assert data["converged"] == [int(r <= 0.1 * abs(v))
                                 for r, v in zip(data["residual"], data["value"])]
    assert 1 in data["converged"]


def test_recorded_losses_and_norms_are_the_printed_ones(text, environment, trajd):
    out = trained(text, "--run-id", "same", "--clip", 0.1,
                  env=dict(environment, TRAJ_URL=trajd.ingest))
    printed = re.findall(r"^step \d+/60 loss (\S+) grad_norm (\S+)$", out, re.M)
    data = trajd.json("/api/v1/runs/same/steps?fields=loss,grad_sq,delta_sq,clip_scale")["data"]
    assert [f"{loss:.9g}" for loss in data["loss"]] == [loss for loss, _ in printed]
    for (_, norm), square, delta, scale in zip(
            printed, data["grad_sq"], data["delta_sq"], data["clip_scale"]):
        assert square ** 0.5 == pytest.approx(float(norm), rel=1e-8)
        # lr is 5; the parameters' rounding to float moves ||d|| by less
        assert delta ** 0.5 == pytest.approx(5 * scale * float(norm), rel=1e-4)


def test_a_killed_trainer_has_lost_nothing(text, environment, trajd):
    offline = dict(environment, TRAJ_MODE="offline")
    command = [str(LSTM), *SMALL, "--text", str(text), "--steps", "100000000", "--run-id", "killed"]
    with subprocess.Popen(command, env=offline, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(100)]
        process.kill()
        lines += process.stdout.read().splitlines()
    subprocess.run([str(LSTM.parent.parent / "traj"), "sync", environment["TRAJ_DIR"]], check=True,
                   env=dict(environment, TRAJ_URL=trajd.ingest), timeout=60, capture_output=True)
    last = max(int(re.match(r"step (\d+)/", line).group(1)) for line in lines if "loss" in line)
    steps = recorded_steps(trajd, "killed")
    assert steps == list(range(len(steps)))
    assert len(steps) > last  # the line of a step is printed after its record, or draft
