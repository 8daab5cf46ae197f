"""tests/run.sh tells the truth: in a tree of stand-ins, where each of its
runners passes, fails, dies, hangs or runs nothing."""
import os
import shutil
import subprocess

import pytest

import wire

PYTEST_OK = 'echo "12 passed in 0.1s"'
NODE_OK = 'echo "# pass 4"; echo "# fail 0"'
CMOCKA_OK = 'echo "[  PASSED  ] 3 test(s)."'
CMOCKA_BAD = 'echo "[  PASSED  ] 2 test(s)."; echo "[  FAILED  ] 1 test(s), listed below:"; exit 1'


class Tree:
    def __init__(self, root):
        self.root = root
        self.script("tests/lib/deps.sh", "exit 0")
        for name in ("make", "node"):
            self.script(f"bin/{name}", "exit 0")
        self.script("bin/timeout", 'while [ "${1#-}" != "$1" ]; do shift 2; done; shift; exec "$@"')
        shutil.copy(wire.ROOT / "tests/run.sh", root / "tests/run.sh")

    def script(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def unit(self, name, text):
        self.script(f"build/tests/{name}", text)
        self.script(f"tests/unit/{name}.c", "")

    def run(self, *groups):
        """(exit status, the last line)."""
        environment = {**os.environ, "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                       "PYTHON": f"{self.root}/bin/python"}
        done = subprocess.run([self.root / "tests/run.sh", *groups], capture_output=True, text=True,
                              env=environment, timeout=60, check=False)
        return done.returncode, done.stdout.splitlines()[-1]


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path)
    tree.unit("test_good", CMOCKA_OK)
    tree.unit("test_also", CMOCKA_OK)
    (tmp_path / "tests/fault").mkdir()
    (tmp_path / "tests/unit/test_also.c").rename(tmp_path / "tests/fault/test_also.c")
    return tree


def test_totals_are_sums(tree):
    tree.unit("test_more", f"{CMOCKA_OK}; {CMOCKA_OK}")
    tree.script("bin/python", PYTEST_OK)
    tree.script("bin/node", NODE_OK)
    assert tree.run("unit", "python", "contract") == (0, f"{6 + 6 + 24 + 4} passed, 0 failed")


@pytest.mark.parametrize("text, passed, failed", [
    (CMOCKA_BAD, 8, 1),
    ("kill -SEGV $$", 6, 1),
    (f"{CMOCKA_OK}; kill -ABRT $$", 9, 1),
    (f"{CMOCKA_BAD.replace('exit 1', 'exit 0')}", 8, 1),
    ("exit 0", 6, 1),
    ("exit 124", 6, 1),  # of timeout
])
def test_a_binary_that_fails_dies_hangs_or_tests_nothing(tree, text, passed, failed):
    tree.unit("test_other", text)
    assert tree.run("unit") == (1, f"{passed} passed, {failed} failed")


def test_a_test_that_was_not_built(tree):
    tree.script("tests/unit/test_new.c", "")
    assert tree.run("unit") == (1, "6 passed, 1 failed")


def test_tests_that_do_not_compile(tree):
    tree.script("bin/make", "exit 2")
    assert tree.run("unit") == (1, "0 passed, 1 failed")
    assert tree.run("asan", "build") == (1, "0 passed, 2 failed")


def test_a_binary_without_a_source_is_not_run(tree):
    tree.script("build/tests/test_of_yesterday", CMOCKA_BAD)
    assert tree.run("unit") == (0, "6 passed, 0 failed")


@pytest.mark.parametrize("text, last", [
    ('echo "1 failed, 11 passed, 2 errors in 3s"; exit 1', "22 passed, 6 failed"),
    ('echo "ERROR: not found"; exit 2', "0 passed, 2 failed"),
    ('echo "no tests ran in 0.01s"; exit 5', "0 passed, 2 failed"),
    ('echo "no tests ran in 0.01s"', "0 passed, 2 failed"),
    ('echo "3 passed"; kill -KILL $$', "0 passed, 2 failed"),
    ('echo "> 99 passed, 99 failed"; echo "1 failed, 1 passed in 1s"; exit 1', "2 passed, 2 failed"),
])
def test_pytest_that_fails_cannot_collect_or_is_killed(tree, text, last):
    tree.script("bin/python", text)
    assert tree.run("python") == (1, last)


@pytest.mark.parametrize("text, last", [
    ('echo "ℹ pass 3"; echo "ℹ fail 2"; exit 1', "3 passed, 2 failed"),
    ('echo "# pass 0"; echo "# fail 0"; echo "# cancelled 1"; exit 1', "0 passed, 1 failed"),
    ('echo "# pass 0"; echo "# fail 0"', "0 passed, 1 failed"),
    ("kill -SEGV $$", "0 passed, 1 failed"),
])
def test_node_that_fails_hangs_or_dies(tree, text, last):
    tree.script("bin/node", text)
    assert tree.run("contract") == (1, last)


def test_packages_that_are_missing_are_a_failure(tree):
    tree.script("tests/lib/deps.sh", "exit 1")
    assert tree.run() == (1, "0 passed, 1 failed")
