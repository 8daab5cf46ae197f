"""Verdicts and advice of real runs: what the API, the CLI and a live stream say
of functions whose truth is known."""
import json
import math
import subprocess

import pytest

import wire
from peer import Peer
from trajd import BUILD


def compared(trajd, *names):
    return trajd.json(f"/api/v1/compare?runs={','.join(names)}")["data"]


class Wanderer:
    """Descent on (L0/L1^2) phi(L1 x), whose smoothness is exactly L0 + L1 g, by
    a trainer that comes far from the minimum and back."""
    L0, L1 = 2.0, 0.7

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2 ** 64
        return ((self.state >> 11) + 0.5) * 2.0 ** -53

    def g(self, x):
        return self.L0 / self.L1 * math.expm1(self.L1 * x)

    def send(self, trajd, name, steps, sharpness=10, lr=lambda k: 0.1, optimizer="sgd", norm=None, attempt=1, first=0,
             probes_alone=False):
        peer = Peer(trajd.ingest, name, optimizer=optimizer, attempt=attempt)
        for k in range(first, first + steps):
            x = 0.5 + 6 * self.uniform()
            at = self.g(x)
            d = -at / (self.L0 + 1.5 * self.L1 * at) * (0.5 + self.uniform())
            end, middle = self.g(x + d), self.g(x + d / 2)
            y = (at - end) / -d * (0.9 + 0.2 * self.uniform())
            if not probes_alone:
                peer.record(wire.STEP, step=k, wall_ns=k, loss=wire.f64(1.0), lr=wire.f64(lr(k)),
                            grad_sq=wire.f64(at * at))
            peer.record(wire.PROBE, step=k, wall_ns=k, estimator=1, lr=wire.f64(lr(k)), grad_sq=wire.f64(at * at),
                        grad_mid_sq=wire.f64(middle ** 2), grad_end_sq=wire.f64(end * end),
                        delta_sq=wire.f64(d * d), dgrad_sq=wire.f64((y * d) ** 2))
            if sharpness and k % sharpness == 0:
                size = (norm or (lambda at: self.L0 + self.L1 * at))(at)
                peer.record(wire.SHARPNESS, step=k, wall_ns=k, group=0, value=wire.f64(size * (0.99 + 0.02 * self.uniform())),
                            grad_sq=wire.f64(at * at), converged=1, residual=wire.f64(0.0))
        peer.deliver(frame=512)
        peer.finish(0, first + steps)
        peer.close()


def verdict(trajd, name, query=""):
    return trajd.json(f"/api/v1/runs/{name}/verdict{query}")["data"]


def test_a_law_is_found_and_advice_follows(trajd):
    Wanderer(1).send(trajd, "law", 1000)
    said = verdict(trajd, "law")
    assert said["verdict"] == "grows", said["sentence"]
    phase = said["phases"][said["main_phase"]]
    L1 = phase["interval"]["L1"]
    assert L1["low"] < 0.7 < L1["high"] and L1["high"] - L1["low"] < 0.1
    assert said["sentence"].startswith("smoothness grows with gradient norm (L1 = ")
    advice = phase["advice"]
    assert advice["knee"] == pytest.approx(advice["L0"] / advice["L1"], rel=1e-12)
    assert advice["knee"] == pytest.approx(2 / 0.7, rel=0.1)
    G = 5.0
    asked = trajd.json(f"/api/v1/runs/law/advice?grad_norm={G}&target=0.01")["data"]["advice"]
    assert asked["steps"]["l0l1"] == pytest.approx(1 / (asked["L0"] + 1.5 * asked["L1"] * G), rel=1e-12)
    M, eps = asked["grad_norm_most"], 0.01
    assert asked["bound_ratio"] == pytest.approx(
        (M * asked["L1"] + asked["L0"]) / (asked["L0"] + 1.5 * asked["L1"] * eps), rel=1e-12)


def test_the_operator_norm_is_heard(trajd):
    Wanderer(2).send(trajd, "flat", 1000, norm=lambda at: 300.0)
    Wanderer(4).send(trajd, "impossible", 1000, norm=lambda at: 0.1 * (2 + 0.7 * at))
    Wanderer(3).send(trajd, "none", 1000, sharpness=0)
    assert verdict(trajd, "flat")["verdict"] == "direction_artefact"
    assert trajd.json("/api/v1/runs/flat/advice")["data"]["advice"] == {"refusal": "direction_artefact"}
    assert verdict(trajd, "none")["verdict"] == "grows_unconfirmed"
    # Less than what was measured along the update: it is no operator norm.
    assert verdict(trajd, "impossible")["verdict"] == "grows_unconfirmed"
    assert trajd.json("/api/v1/runs/none/advice")["data"]["advice"]["unconfirmed"] is True


def test_of_a_layer_there_is_the_radius_in_its_own_norm(trajd):
    """A matrix in the spectral norm, its gradients in the nuclear one: y = 2 + 0.7 x."""
    wanderer = Wanderer(7)
    peer = Peer(trajd.ingest, "layers", optimizer="muon", groups=[
        {"name": "w", "size": 64, "rows": 8, "cols": 8, "norm": 3}])
    norms = [0.5 + 9 * wanderer.uniform() for _ in range(600)]
    for k, x in enumerate(norms):
        y = (2 + 0.7 * x) * (0.9 + 0.2 * wanderer.uniform())
        peer.record(wire.PROBE, step=k, wall_ns=k, estimator=1, group=1, norm=3, grad_dual=wire.f64(x),
                    smoothness=wire.f64(y), ceiling=wire.f64(100 * y))
    peer.deliver(frame=512)
    peer.close()
    said = verdict(trajd, "layers", "?group=1")
    assert said["verdict"] == "grows_unconfirmed", said["sentence"]
    advice = trajd.json("/api/v1/runs/layers/advice?group=1&grad_norm=5")["data"]["advice"]
    assert (advice["refusal"], advice["unconfirmed"], advice["grad_norm"]) == ("layer", True, 5)
    assert set(advice) == {"refusal", "unconfirmed", "L0", "L1", "knee", "share_above_knee", "grad_norm", "radius"}
    assert advice["radius"] == pytest.approx(5 / (advice["L0"] + 5 * advice["L1"]), rel=1e-12)
    assert advice["radius"] == pytest.approx(5 / (2 + 0.7 * 5), rel=0.05)
    assert said["phases"][0]["advice"]["grad_norm"] == norms[-1]
    shown = cli(trajd, "layers", "--group", "1").stdout
    assert "  no advice: layer\n  radius of its part " in shown
    assert f"{said['phases'][0]['advice']['radius']:.4g}, in its own norm, at gradient norm {norms[-1]:.4g}\n" in shown
    assert cli(trajd, "layers").stdout.startswith("nothing was probed\n")


def test_phases_begin_where_something_happened(trajd):
    Wanderer(4).send(trajd, "dropped", 1200, lr=lambda k: 0.1 if k < 600 else 0.01)
    phases = verdict(trajd, "dropped")["phases"]
    assert [(p["from_step"], p["to_step"], p["cause"]) for p in phases] == [(0, 599, "start"), (600, None, "lr_drop")]
    assert all(p["verdict"] == "grows" for p in phases)
    whole = verdict(trajd, "dropped", "?from=700&to=1100")["phases"]
    assert [(p["from_step"], p["to_step"]) for p in whole] == [(700, 1100)]


@pytest.mark.parametrize("probes_alone", [False, True])
def test_a_later_attempt_begins_a_phase_and_replaces_what_it_did_again(trajd, probes_alone):
    """With STEP records and without: goes back to step 600 of 900, with another law."""
    name = f"resumed-{probes_alone}"
    Wanderer(5).send(trajd, name, 900, probes_alone=probes_alone)
    again = Wanderer(6)
    again.L1 = 1.4
    again.send(trajd, name, 500, attempt=2, first=600, probes_alone=probes_alone)
    phases = verdict(trajd, name)["phases"]
    assert [(p["from_step"], p["to_step"], p["cause"]) for p in phases] == [(0, 599, "start"), (600, None, "attempt")]
    assert [p["fit"]["n"] for p in phases] == [600, 500]
    for phase, truth in zip(phases, (0.7, 1.4)):
        assert phase["interval"]["L1"]["low"] < truth < phase["interval"]["L1"]["high"]


def test_advice_for_a_window_is_for_its_learning_rate(trajd):
    Wanderer(4).send(trajd, "dropped", 1200, lr=lambda k: 0.1 if k < 600 else 0.01)
    before = trajd.json("/api/v1/runs/dropped/advice?to=599")["data"]["advice"]
    after = trajd.json("/api/v1/runs/dropped/advice?from=600")["data"]["advice"]
    assert before["own_threshold"] == pytest.approx(1 / (3 * before["L1"] * 0.1), rel=1e-12)
    assert after["own_threshold"] == pytest.approx(1 / (3 * after["L1"] * 0.01), rel=1e-12)


def test_a_rate_that_follows_the_law_does_not_hide_it(trajd):
    """What trajd itself recommends: lr = 1/(L0 + 3/2 L1 g)."""
    class Adaptive(Wanderer):
        def g(self, x):
            self.last = super().g(x)
            return self.last
    trainer = Adaptive(10)
    trainer.send(trajd, "adaptive", 1000, lr=lambda k: 1 / (2 + 1.05 * trainer.last))
    said = verdict(trajd, "adaptive")
    assert len(said["phases"]) == 1 and said["verdict"] == "grows", said["sentence"]


def test_an_optimizer_of_its_own_metric_gets_no_advice(trajd):
    Wanderer(5).send(trajd, "adam", 500, optimizer="adam")
    assert trajd.json("/api/v1/runs/adam/advice")["data"]["advice"] == {"refusal": "optimizer"}


def cli(trajd, *words):
    return subprocess.run([BUILD / "traj", "verdict", "--url", f"http://{trajd.http}", *words],
                          capture_output=True, text=True, timeout=60, check=False)


def test_traj_verdict_says_the_same(trajd):
    Wanderer(6).send(trajd, "law", 1000)
    said = verdict(trajd, "law")
    shown = cli(trajd, "law")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(said["sentence"] + "\n(fitted along this trajectory")
    advice = said["phases"][0]["advice"]
    assert f"knee L0/L1             {advice['knee']:.4g}, " in shown.stdout
    assert "steps 0 to the end (start)" in shown.stdout
    assert json.loads(cli(trajd, "law", "--json").stdout) == said
    assert cli(trajd).returncode == 2
    assert cli(trajd, "law", "--group", "7").stdout.startswith("nothing was probed\n")
    assert "group" in cli(trajd, "law", "--group", "x").stderr
    assert cli(trajd, "nobody").returncode == 1


def test_runs_of_one_law_and_of_another_are_compared(trajd):
    for seed, name in ((7, "one"), (8, "two")):
        Wanderer(seed).send(trajd, name, 1000)
    steeper = Wanderer(9)
    steeper.L1 = 0.8
    steeper.send(trajd, "steep", 1000)
    same = compared(trajd, "one", "two")
    assert same["equal_L1"]["dof"] == 1 and same["equal_L1"]["p"] > 0.01
    assert same["pooled"]["n"] == 2000
    low, high = (same["pooled"]["interval"]["L1"][end] for end in ("low", "high"))
    assert low < 0.7 < high
    mine = [run["interval"]["L1"]["high"] - run["interval"]["L1"]["low"] for run in same["runs"]]
    assert high - low < min(mine)  # twice the pairs
    other = compared(trajd, "one", "steep", "two")
    assert other["equal_L1"]["dof"] == 2 and other["equal_L1"]["p"] < 1e-6
    # By hand: inverse variances.
    L1 = [run["interval"]["L1"] for run in other["runs"]]
    weights = [1 / i["se"] ** 2 for i in L1]
    mean = sum(w * i["estimate"] for w, i in zip(weights, L1)) / sum(weights)
    assert other["equal_L1"]["q"] == pytest.approx(
        sum(w * (i["estimate"] - mean) ** 2 for w, i in zip(weights, L1)), rel=1e-9)


def test_traj_compare(trajd):
    Wanderer(7).send(trajd, "one", 1000)
    Wanderer(8).send(trajd, "two", 1000)
    said = compared(trajd, "one", "two")
    run = [BUILD / "traj", "compare", "--url", f"http://{trajd.http}"]
    shown = subprocess.run([*run, "one", "two"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert f"equal L1: p = {said['equal_L1']['p']:.3g} (" in shown
    assert [line.split()[:2] for line in shown.splitlines()[1:4]] == [["one", "1000"], ["two", "1000"], ["all", "2000"]]
    again = subprocess.run([*run, "--json", "one", "two"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert json.loads(again) == said
    assert subprocess.run([*run, "one"], capture_output=True, check=False).returncode == 2
    assert subprocess.run([*run, "one", "nobody"], capture_output=True, check=False).returncode == 1
