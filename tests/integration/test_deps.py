"""What is missing is said, and installed only by who was asked to: deps.sh and
`make` in a tree with stand-ins for the package managers."""
import os
import shutil
import subprocess

import pytest

import wire

DEBIAN = "libzmq3-dev libzstd-dev"
PAGE = "cd web && npm ci"


class Tree:
    def __init__(self, root):
        self.root = root
        self.log = root / "log"
        self.log.touch()
        (root / "web").mkdir()
        (root / "web/package-lock.json").write_text("{}")
        (root / "tests/lib").mkdir(parents=True)
        shutil.copy(wire.ROOT / "tests/lib/deps.sh", root / "tests/lib")
        shutil.copy(wire.ROOT / "Makefile", root)
        (root / "bin").mkdir()
        self.program("dpkg-query", 'for p; do :; done; case " $MISSING " in *" $p "*) exit 1;; esac; echo installed')
        self.program("id", 'echo "${FAKE_UID:-0}"')
        self.program("sudo", '[ -z "$NO_SUDO" ] || exit 1; [ "$1" = -n ] && exit; echo sudo >> "$LOG"; exec "$@"')
        self.program("apt-get", 'echo "apt-get $*" >> "$LOG"')
        self.program("node", "exit 0")
        self.program("npm", 'echo "npm $*" >> "$LOG"; mkdir -p node_modules')

    def program(self, name, text):
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def run(self, *command, missing=DEBIAN, **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MAKE") and k != "NO_INSTALL"}
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False, timeout=60,
                              stdin=subprocess.DEVNULL, env={
                                  **kept, "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                                  "MISSING": missing, "LOG": str(self.log), **environment})

    def done(self):
        return self.log.read_text().splitlines()


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def assert_only_said(tree, done):
    assert done.returncode != 0
    assert f"apt-get install {DEBIAN}" in done.stderr and PAGE in done.stderr, done.stderr
    assert tree.done() == []


@pytest.mark.parametrize("goal", ["all", "web/node_modules/.stamp", "bench"])
def test_make_says_what_is_missing_and_installs_nothing(tree, goal):
    assert_only_said(tree, tree.run("make", goal))


def test_no_install_says_what_is_missing(tree):
    for command in (("make", "demo"), ("make", "deps"), ("tests/lib/deps.sh", "install", "build", "test")):
        assert_only_said(tree, tree.run(*command, NO_INSTALL="1"))
    assert_only_said(tree, tree.run("make", "deps", "NO_INSTALL=1"))


def test_neither_root_nor_sudo_says_so_with_the_list(tree):
    done = tree.run("make", "deps", FAKE_UID="1000", NO_SUDO="1")
    assert_only_said(tree, done)
    assert "neither root nor has sudo" in done.stderr


@pytest.mark.parametrize("uid, root", [("0", []), ("1000", ["sudo"])])
def test_what_is_missing_is_installed_and_nothing_else(tree, uid, root):
    assert tree.run("make", "deps", FAKE_UID=uid).returncode == 0
    assert tree.done() == [*root, "apt-get update -qq", *root,
                           f"apt-get install -y -qq --no-install-recommends {DEBIAN}",
                           "npm ci --no-audit --no-fund --loglevel=error"]
    again = tree.run("make", "deps", missing="")
    assert (again.returncode, len(tree.done())) == (0, 3 + 2 * len(root))


def test_the_page_needs_no_root(tree):
    assert tree.run("make", "deps", missing="", FAKE_UID="1000", NO_SUDO="1").returncode == 0
    assert tree.done() == ["npm ci --no-audit --no-fund --loglevel=error"]


def test_a_newer_lock_file_installs_the_page_again(tree):
    assert tree.run("make", "deps", missing="").returncode == 0
    os.utime(tree.root / "web/package-lock.json", (4e9, 4e9))
    assert PAGE in tree.run("make", "deps", missing="", NO_INSTALL="1").stderr
