"""Trainers that trap floating-point exceptions, flush subnormals or are built
with -Ofast get the numbers that any other gets, and no signal."""
import os
import subprocess

import pytest

from trajd import BUILD


def measured(program, mode):
    """Whether the process flushed subnormals, and all that it measured."""
    done = subprocess.run([BUILD / "integration" / program, mode], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    first, *rest = done.stdout.splitlines()
    return first == "flushes 1", rest


def test_the_measure_of_comparison_is_what_it_should_be():
    flushes, lines = measured("hazards", "default")
    assert not flushes
    assert len(lines) == 4 * (8 * 5 + 1) + 1
    ones = [line for line in lines if line.startswith("moments") and line.split()[2] == "1"]
    assert all(line.split()[3] == "0" * 16 for line in ones)
    assert not any("u" in word for line in lines for word in line.split()[3:]
                   if line.startswith("moments"))


def test_trapped_exceptions_change_nothing():
    assert measured("hazards", "trapped") == measured("hazards", "default")


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="sets the modes of x86-64")
def test_flushed_subnormals_change_nothing():
    flushes, lines = measured("hazards", "flushed")
    assert flushes
    assert lines == measured("hazards", "default")[1]


@pytest.mark.parametrize("mode", ["default", "trapped", "flushed"])
def test_a_caller_built_with_ofast_gets_the_same_numbers(mode):
    flushes, lines = measured("hazards_ofast", mode)
    assert flushes or os.uname().machine != "x86_64"
    assert lines == measured("hazards", "default")[1]
