"""The examples that users copy: measuring changes nothing, and what is wrong is said."""
import re
from pathlib import Path

import numpy as np
import pytest

from example import ROOT, environment, printed, run

EXAMPLES = ROOT / "client/examples"
ALL_ON = {
    "mlp": ["--probe-every", 1, "--sharpness", 2],
    "delta_only": [],
    "layers": [],
}
OFF = {"mlp": ["--no-watch"], "delta_only": ["no-watch"], "layers": ["no-watch"]}


@pytest.fixture
def offline(tmp_path):
    return environment(tmp_path, TRAJ_MODE="offline")


@pytest.fixture
def table(tmp_path):
    """300 rows of a smooth function with a little noise; the target is the second column."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 4))
    y = np.tanh(x[:, 0] - x[:, 1] * x[:, 2]) + rng.normal(size=300) * .1
    path = tmp_path / "a table.csv"
    np.savetxt(path, np.column_stack([x[:, 0], y, x[:, 1:]]), delimiter=",", comments="",
               header="a,wanted,b,c,d")
    return path


def mlp(table, *options, env):
    return run("mlp", "--data", table, "--target", "wanted", "--steps", 60, "--batch", 24,
               "--print-every", 1, *options, env=env)


def losses(name, options, env):
    done = run(name, *options, env=env)
    assert len(printed(done)) >= 60
    return [line for line in done.stdout.splitlines() if " loss " in line]


@pytest.mark.parametrize("options", [
    [], ["--optimizer", "heavy-ball", "--lr", .02], ["--clip", .2], ["--micro", 4],
    ["--micro", 3, "--unbiased"], ["--loss-scale", 1024], ["--loss-scale", 3e38],
    ["--norm", "spectral"], ["--ranks", 2, "--rank", 1], ["--ranks", 2, "--shard"]])
def test_the_perceptron_trains_the_same_with_a_watch_and_without(offline, table, options):
    base = ["--data", table, "--steps", 60, "--batch", 24, "--print-every", 1, *options]
    bare = losses("mlp", [*base, "--no-watch"], offline)
    assert losses("mlp", base, offline) == bare
    assert losses("mlp", [*base, *ALL_ON["mlp"]], offline) == bare


@pytest.mark.parametrize("name, options", [
    ("layers", []), ("delta_only", []), ("delta_only", ["logistic"]),
    ("delta_only", ["heavy-ball"]), ("delta_only", ["float", "heavy-ball"])])
def test_the_others_train_the_same_with_a_watch_and_without(offline, name, options):
    assert losses(name, options, offline) == losses(name, [*options, *OFF[name]], offline)


@pytest.mark.parametrize("name", ["minimal", "layers", "delta_only", "clip_by_law"])
def test_without_a_daemon_an_example_ends_well_and_says_where_its_records_are(tmp_path, name):
    done = run(name, env=environment(tmp_path))
    assert "traj sync" in done.stdout + done.stderr
    assert list((tmp_path / "spool").glob("*/*/*.seg"))


def test_a_loss_scale_of_a_power_of_two_changes_no_bit(offline, table):
    plain = mlp(table, "--no-watch", env=offline).stdout
    assert mlp(table, "--no-watch", "--loss-scale", 2 ** 20, env=offline).stdout == plain


def test_microbatches_are_the_batch_to_rounding(offline, table):
    whole = printed(mlp(table, "--no-watch", env=offline))
    parts = printed(mlp(table, "--no-watch", "--micro", 4, env=offline))
    # float32 and 60 steps of lr 0.1 on a smooth loss
    assert whole != parts and parts == pytest.approx(whole, rel=1e-4)


def test_options_of_the_perceptron_do_what_they_say(offline, table):
    options = [[], ["--clip", .2], ["--optimizer", "heavy-ball"], ["--seed", 2], ["--hidden", 8],
               ["--layers", 2], ["--gain", 2], ["--lr", .05]]
    runs = [mlp(table, "--no-watch", *option, env=offline).stdout for option in options]
    assert len(set(runs)) == len(options)
    first, *_, last = printed(mlp(table, "--no-watch", "--steps", 400, env=offline))
    assert last < .5 * first


@pytest.mark.parametrize("text, reason", [
    ("a,b\n1,2\n3,x\n", "line 3: x in column b is no finite number"),
    ("a,b\n1,2\n3\n", "line 3 has fewer than the 2 numbers that the first line names"),
    ("", "has one column: nothing to learn from"),
    ("a,b\n1,2\n3,4\n", "2 rows, and a --batch has 64"),
])
def test_unusable_tables_are_named_with_the_reason(offline, tmp_path, text, reason):
    path = tmp_path / "broken.csv"
    path.write_text(text)
    done = run("mlp", "--data", path, env=offline, status=1)
    assert (done.stdout, done.stderr) == ("", f"mlp: {path}: {reason}\n")
    assert not (tmp_path / "spool").exists()


def test_a_missing_file_or_column_is_named(offline, table, tmp_path):
    missing = run("mlp", "--data", tmp_path / "none", env=offline, status=1)
    assert missing.stderr == f"mlp: {tmp_path / 'none'}: No such file or directory\n"
    column = run("mlp", "--data", table, "--target", "x", env=offline, status=1)
    assert column.stderr == f"mlp: {table}: no column x\n"


@pytest.mark.parametrize("options, reason", [
    (["--micro", 5], "--micro does not divide --batch"),
    (["--unbiased"], "--unbiased needs a --micro of 2 or more"),
    (["--ranks", 2, "--rank", 2], "--rank is not below --ranks"),
    (["--ranks", 17, "--shard"], "--shard leaves ranks without elements of a layer"),
    (["--norm", "spectral", "--shard"],
     "--norm spectral needs whole matrices, and --shard cuts them"),
    (["--norm", "l3"], "--norm l3"),
    (["--layers", 17], "--layers 17"),
])
def test_wrong_options_are_refused_before_anything_starts(offline, tmp_path, options, reason):
    done = run("mlp", *options, env=offline, status=2)
    assert (done.stdout, done.stderr) == ("", f"mlp: {reason}: see mlp --help\n")
    assert not (tmp_path / "spool").exists()


def test_a_loss_that_is_not_finite_ends_the_run(offline, table):
    done = run("mlp", "--data", table, "--target", "wanted", "--lr", 1e30, "--no-watch", env=offline,
               status=1)
    assert re.fullmatch(r"mlp: step \d+ is not finite: a smaller --lr or a --clip would help\n",
                        done.stderr)


def test_the_default_table_is_there_and_trains(offline):
    first, *_, last = printed(run("mlp", "--no-watch", "--steps", 101, env=offline))
    assert last < first


ALL = sorted(path.stem for path in EXAMPLES.glob("*.c"))


@pytest.mark.parametrize("name", ALL)
def test_help_says_what_an_example_takes_and_returns(offline, tmp_path, name):
    said = run(name, "--help", env=offline)
    assert said.stderr == ""
    assert said.stdout.startswith(f"usage: {name}")
    assert re.search(r"Exit status: 0 .*2[ \n]wrong\s+options", said.stdout, re.S)
    for word in "TRAJ_URL", "TRAJ_DIR", "TRAJ_MODE":
        assert word in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("words", [["--nonsense"], ["nonsense"], [""]])
def test_what_an_example_does_not_know_it_refuses(offline, tmp_path, name, words):
    done = run(name, *words, env=offline, status=2)
    assert done.stdout == "" and name in done.stderr
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("name, words", [
    ("minimal", ["1"]), ("layers", ["no-watch", "x"]), ("layers", ["no-watch", "no-watch"]),
    ("delta_only", ["logistic", "adam"]), ("clip_by_law", ["5", "5"]), ("clip_by_law", ["-1"]),
    ("clip_by_law", ["5x"]), ("clip_by_law", ["1" * 16])])
def test_words_too_many_or_wrong_are_refused(offline, name, words):
    done = run(name, *words, env=offline, status=2)
    assert (done.stdout, done.stderr) == ("", f"{name}: {words[-1]}: see {name} --help\n")


@pytest.mark.parametrize("source", sorted(EXAMPLES.glob("*.c")), ids=lambda path: path.stem)
def test_an_example_uses_traj_h_only_and_opens_with_its_name(source):
    text = source.read_text()
    folders = [source, *(EXAMPLES / source.stem).glob("*.[ch]")]
    included = {name for path in folders
                for name in re.findall(r'#include ["<]([^">]+)[">]', Path(path).read_text())}
    assert {name for name in included if "traj" in name} == {"traj.h"}
    assert text.startswith(f"/*\n * {source.stem}: ")
