"""States of fits: their bytes by an encoder of its own, their merges, and their
lines beside numpy and scipy."""
import struct
from fractions import Fraction
from math import atanh, ceil, floor, log, log2, nan

import numpy as np
import pytest
from scipy.optimize import nnls

import libtraj
from test_uncertainty import design, relative_weights

GOLDEN = libtraj.ROOT / "tests/vectors/fit_state.tfs"

# Sums of these, and of their squares, are exact in 106 bits. The last two are no
# samples; one is negative and in no bin.
SAMPLES = ((5, 2.0, 0.0), (3, 0.0, 3.0), (9, 3.0, 4.0), (4, -1.0, 2.0), (7, 1.0, 1.0), (8, 1.0, 1.0),
           (1, nan, 1.0), (2, 1.0, 1e200))
GOOD = SAMPLES[:-2]


def twofold(exact):
    high = float(exact)
    return struct.pack("<2d", high, float(exact - Fraction(high)))


def sums(pairs):
    pairs = [(Fraction(x), Fraction(y)) for x, y in pairs]
    products = (lambda x, y: x, lambda x, y: y, lambda x, y: x * x, lambda x, y: x * y,
                lambda x, y: y * y)
    return struct.pack("<d", len(pairs)) + b"".join(
        twofold(sum((f(x, y) for x, y in pairs), Fraction(0))) for f in products)


def leb128(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def encode_bin(key, pairs):
    cells = [ceil(log(y) / (2 * atanh(0.01))) for _, y in pairs if y > 0]
    first, n = (min(cells), max(cells) - min(cells) + 1) if cells else (0, 0)
    return (struct.pack("<2iIQ", key, first, n, len(pairs) - len(cells)) + sums(pairs)
            + b"".join(leb128(cells.count(first + i)) for i in range(n)))


def hull(points):
    """The points no chord of two others passes above, of equal x the highest: by definition."""
    top = {x: max(y for u, y in points if u == x) for x, _ in points}
    exact = {Fraction(x): Fraction(y) for x, y in top.items()}
    return [(x, top[x]) for x in sorted(top) if not any(
        exact[a] + (exact[b] - exact[a]) * (x - a) / (b - a) >= exact[x] for a in exact for b in exact if a < x < b)]


def encode(samples, excluded):
    """As client/math/fit_state.h says."""
    steps, xs, ys = zip(*samples)
    pairs = list(zip(xs, ys))
    binned = [(x, y) for x, y in pairs if x >= 0 and y >= 0]
    keys = [floor(8 * log2(x)) if x > 0 else -3201 for x, _ in binned]
    bins = {}
    for key, pair in zip(keys, binned):
        bins.setdefault(max(key, max(keys) - 255), []).append(pair)
    points = hull(binned)
    return (b"TFS1" + struct.pack("<2I", len(bins), len(points)) + sums(pairs)
            + sums([(log(x), log(y)) for x, y in pairs if x > 0 and y > 0])
            + struct.pack("<3Q", excluded, min(steps), max(steps))
            + struct.pack("<4d", min(xs), max(xs), min(ys), max(ys))
            + struct.pack("<Q", len(pairs) - len(binned))
            + b"".join(encode_bin(key, bins[key]) for key in sorted(bins))
            + b"".join(struct.pack("<2d", x, y) for x, y in points))


def test_the_golden_state_is_what_both_encoders_make():
    state = libtraj.State()
    for sample in SAMPLES:
        state.add(*sample)
    assert state.encode() == encode(GOOD, 2) == GOLDEN.read_bytes()


def test_the_golden_state_reads_back():
    state = libtraj.State.decode(GOLDEN.read_bytes())
    s = state.summary()
    assert (s.n, s.n_excluded, s.n_unbinned, s.bins) == (6, 2, 1, 4)
    assert (s.step_first, s.step_last) == (3, 9)
    assert (s.x_min, s.x_max, s.y_min, s.y_max) == (-1, 3, 0, 4)
    assert (s.x_mean, s.n_positive) == (1, 3)
    assert state.encode() == GOLDEN.read_bytes()


@pytest.mark.parametrize("spoil", (
    lambda raw: raw[:-1],
    lambda raw: raw + b"\0",
    lambda raw: raw[:4] + struct.pack("<I", 5) + raw[8:],         # a bin too many
    lambda raw: raw[:4] + struct.pack("<I", 2 ** 31) + raw[8:],
    lambda raw: raw[:8] + struct.pack("<I", 1) + raw[12:],        # a point too few
    lambda raw: raw[:12] + struct.pack("<d", 5.5) + raw[20:],     # not a count
    lambda raw: raw[:12] + struct.pack("<d", 7) + raw[20:],       # not the bins'
    lambda raw: raw[:20] + struct.pack("<d", nan) + raw[28:],
    lambda raw: raw[:28] + struct.pack("<d", 1e9) + raw[36:],     # low above high
    lambda raw: raw[:-33] + b"\x02" + raw[-32:],                  # a cell not the bin's
    lambda raw: raw[:-16] + raw[-32:-16],                         # a point twice
    lambda raw: raw.replace(b"\x02" + struct.pack("<i", 8), b"\x01" + struct.pack("<i", 8)),
    lambda raw: raw[:-33] + b"\x81\x00" + raw[-32:],              # 1, the longer way
))
def test_other_bytes_are_refused(spoil):
    raw = GOLDEN.read_bytes()
    assert spoil(raw) != raw
    with pytest.raises(ValueError, match="no state"):
        libtraj.State.decode(spoil(raw))


def norms(seed, n=6000):
    rng = np.random.default_rng(seed)
    x = np.exp(rng.normal(0, 1.5, n))
    return x, (2 + 0.7 * x) * np.exp(rng.normal(0, 0.5, n))


LINES = ((libtraj.OLS, 0.5), (libtraj.NNLS, 0.5), (libtraj.RELATIVE, 0.5), (libtraj.QUANTILE, 0.5),
         (libtraj.QUANTILE, 0.95))


@pytest.mark.parametrize("senders", (1, 2, 8))
@pytest.mark.parametrize("seed", range(2))
def test_any_split_over_senders_gives_the_same_lines(senders, seed):
    """Shuffled, cut, sent as bytes and merged in an order drawn."""
    x, y = norms(seed)
    whole = libtraj.State(x, y)
    rng = np.random.default_rng([seed, senders])
    order = rng.permutation(len(x))
    parts = [libtraj.State.decode(libtraj.State(x[part], y[part]).encode())
             for part in np.array_split(order, senders)]
    while len(parts) > 1:
        merged = parts.pop(rng.integers(len(parts)))
        parts[rng.integers(len(parts))].merge(merged)
    for method, tau in LINES:
        assert parts[0].line(method, tau) == pytest.approx(whole.line(method, tau), rel=1e-12)
    assert parts[0].summary().bins == whole.summary().bins


def test_lines_are_those_of_the_samples():
    x, y = norms(3)
    state = libtraj.State(x, y)
    assert state.line(libtraj.OLS) == pytest.approx(
        np.linalg.lstsq(design(x), y, rcond=None)[0], rel=1e-10)
    assert state.line(libtraj.NNLS) == pytest.approx(nnls(design(x), y)[0], rel=1e-10)
    w, *line = relative_weights(x, y)
    error = np.sqrt(np.diag(np.linalg.inv((design(x) * w[:, None]).T @ design(x)))) * 0.5
    assert (np.abs(np.array(state.line(libtraj.RELATIVE)) - line) < 0.2 * error).all()
    s = state.summary()
    slope, intercept = np.polyfit(np.log(x), np.log(y), 1)
    assert (s.slope, s.intercept) == pytest.approx((slope, intercept), rel=1e-9)
    assert (s.x_mean, s.y_mean) == pytest.approx((x.mean(), y.mean()), rel=1e-14)
    u, v = x - x.mean(), y - y.mean()
    assert (s.xx, s.xy, s.yy) == pytest.approx((u @ u, u @ v, v @ v), rel=1e-11)


def test_a_quantile_line_has_its_share_of_the_samples_below():
    x, y = norms(4)
    state = libtraj.State(x, y)
    for tau in (0.05, 0.5, 0.9, 0.95):
        L0, L1 = state.line(libtraj.QUANTILE, tau)
        below = np.mean(y <= L0 + L1 * x)
        # 1 % of y is 0.02 standard deviations of ln y, at most 0.008 of the
        # samples; and four standard errors.
        assert abs(below - tau) < 0.01 + 4 * np.sqrt(tau * (1 - tau) / len(x))


@pytest.mark.parametrize("method", (libtraj.OLS, libtraj.NNLS))
def test_intervals_from_states_of_blocks_are_those_of_the_samples(method):
    x, y = norms(5, 4000)
    blocks = [libtraj.State(x[i:i + 100], y[i:i + 100], i) for i in range(0, 4000, 100)]
    blocks.insert(7, libtraj.State())  # an empty one is none
    mine = libtraj.blocks_uncertainty(method, blocks, tau_int=2, seed=3)
    theirs = libtraj.uncertainty(method, x, y, block=100, tau_int=2, seed=3)
    assert (mine.blocks, mine.block, mine.n, mine.n_eff) == (40, 100, 4000, 2000)
    for name in ("L0", "L1", "centroid", "boot_L0", "boot_L1", "boot_centroid"):
        for field in ("estimate", "se", "low", "high"):
            assert getattr(getattr(mine, name), field) == pytest.approx(
                getattr(getattr(theirs, name), field), rel=1e-10)


def test_logarithms_need_three_samples_for_a_slope():
    state = libtraj.State([1, 2], [1, 4])
    assert np.isnan(state.summary().slope)
    state.add(3, 4, 16)
    assert state.summary().slope == pytest.approx(2, rel=1e-14)


def test_an_empty_state_has_no_numbers():
    state = libtraj.State()
    s = state.summary()
    assert (s.n, s.bins, s.n_positive, s.step_first) == (0, 0, 0, 2 ** 64 - 1)
    assert np.isnan([s.x_min, s.y_max, s.x_mean, s.xx, s.slope]).all()
    assert all(np.isnan(state.line(method, tau)).all() for method, tau in LINES)
    assert libtraj.State.decode(state.encode()).summary().n == 0
