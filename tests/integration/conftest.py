import pytest

from trajd import Trajd


@pytest.fixture
def trajd(tmp_path):
    """A running trajd on a database of its own; ends with the test."""
    daemon = Trajd(tmp_path).start()
    yield daemon
    daemon.end()
