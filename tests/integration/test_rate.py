"""The probe interval that people ask for: traj rate, and the ACKs that tell it."""
import json
import urllib.error
import urllib.request

import pytest

import wire
from peer import Peer
from test_cli import traj, url_of


def ask(trajd, run_id, n):
    """PUT; the status."""
    request = urllib.request.Request(
        f"http://{trajd.http}/api/v1/runs/{run_id}/probe_every", method="PUT",
        data=json.dumps({"probe_every": n}).encode(), headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def told(peer):
    """What the next ACK says, of a sign of life."""
    return peer.ask(lambda: peer.send_raw(wire.data(peer.uid, [], peer.committed + 1)))["probe_every"]


@pytest.fixture
def peer(trajd):
    peer = Peer(trajd.ingest, "r")
    assert peer.ask(peer.send_hello)["probe_every"] == 0
    return peer


def test_every_stream_of_the_run_is_told_and_no_other(trajd, peer):
    rank_1 = Peer(trajd.ingest, "r", rank=1, world=2)
    other = Peer(trajd.ingest, "s")
    assert ask(trajd, "r", 25) == 204
    assert told(peer) == 25
    assert rank_1.ask(rank_1.send_hello)["probe_every"] == 25
    assert other.ask(other.send_hello)["probe_every"] == 0
    assert ask(trajd, "r", 0) == 204
    assert told(peer) == 0


def test_a_wish_ends_with_the_daemon(trajd, peer):
    assert ask(trajd, "r", 25) == 204
    assert trajd.stop() == 0
    trajd.start()
    peer.endpoint = trajd.ingest
    peer.connect()
    assert peer.ask(peer.send_hello)["probe_every"] == 0


def test_a_deleted_runs_wish_is_not_its_successors(trajd, peer):
    assert ask(trajd, "r", 25) == 204
    with urllib.request.urlopen(urllib.request.Request(
            f"http://{trajd.http}/api/v1/runs/r", method="DELETE"), timeout=30) as reply:
        assert reply.status == 204
    again = Peer(trajd.ingest, "r")
    assert again.ask(again.send_hello)["probe_every"] == 0


@pytest.mark.parametrize("n", ["16", "1000000", "0"])
def test_traj_rate_asks_for_it(trajd, peer, n):
    assert ask(trajd, "r", 3) == 204
    done = traj("rate", "r", n, url=url_of(trajd))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert trajd.run("r")["probe_every"] == int(n)
    assert told(peer) == int(n)


@pytest.mark.parametrize("words", [["r"], ["r", ""], ["r", "-1"], ["r", "1.5"], ["r", "1000001"],
                                   ["r", "99999999999999999999999"], ["r", "5", "6"], []])
def test_traj_rate_asked_wrongly_shows_its_usage(trajd, peer, words):
    done = traj("rate", *words, url=url_of(trajd))
    assert done.returncode == 2
    assert "\nusage: traj rate RUN N" in done.stderr
    assert trajd.run("r")["probe_every"] == 0


def test_traj_rate_of_no_run_fails(trajd):
    done = traj("rate", "nobody", "5", url=url_of(trajd))
    assert done.returncode == 1
    assert "no run 'nobody'" in done.stderr


def test_traj_rate_of_a_run_that_has_ended_says_so(trajd, peer):
    assert ask(trajd, "r", 3) == 204
    peer.record(wire.EVENT, event=1, severity=0, exit_code=0)
    peer.deliver()
    peer.ask(peer.send_bye)
    assert trajd.run("r")["state"] == "finished"
    done = traj("rate", "r", "5", url=url_of(trajd))
    assert (done.returncode, done.stdout) == (1, "")
    assert "run r has ended: no trainer is there that would probe" in done.stderr
    assert trajd.run("r")["probe_every"] == 3
    assert traj("rate", "r", "0", url=url_of(trajd)).returncode == 0
    again = Peer(trajd.ingest, "r", attempt=2)
    again.ask(again.send_hello)
    assert traj("rate", "r", "5", url=url_of(trajd)).returncode == 0
