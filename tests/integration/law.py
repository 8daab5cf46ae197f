"""A run whose probes follow a law with noise, for tests that know what to find."""
import numpy as np

import wire
from peer import Peer

SAME_BATCH = 3
MANY = 70000  # more pairs than a fit of pairs takes


def send_law(trajd, name, n, seed, L1=2.0, more=lambda step: {}):
    """n pairs around 1 + L1 g of an octave and more, independent, in the order of steps, as arrays of g and y."""
    rng = np.random.default_rng(seed)
    peer = Peer(trajd.ingest, name)
    g = 2 ** rng.uniform(-1, 1, n)
    y = (1 + L1 * g) * np.exp(rng.normal(0, 0.1, n))
    for step in range(n):
        peer.record(wire.PROBE, step=step, estimator=SAME_BATCH, flags=0, smoothness=wire.f64(y[step]),
                    smoothness_gamma=wire.f64(1.0), ceiling=wire.f64(9 * y[step]), grad_sq=wire.f64(g[step] ** 2),
                    **more(step))
        if step % 2000 == 1999:
            peer.deliver(frame=250)
    peer.deliver(frame=250)
    return np.sqrt(g ** 2), y
