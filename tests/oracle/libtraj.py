"""libtraj by ctypes: the structs of its uncertainty functions, as traj.h has
them, and calls that raise what went wrong."""
import ctypes as c
import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = c.CDLL(str(ROOT / os.environ.get("TRAJ_BUILD", "build") / "libtraj.so"))

RELATIVE, OLS, NNLS, QUANTILE = 1, 2, 3, 4
PRESENT, UNDETERMINED, CONSTANT = 0, 3, 4
FEW_BLOCKS, SHORT_BLOCKS, LONG_MEMORY, NOT_SEPARABLE, NOT_ASKED = 5, 6, 7, 8, 9
NO_DRAWS = 2 ** 32 - 1

d, u32, u64, size_t, enum = c.c_double, c.c_uint32, c.c_uint64, c.c_size_t, c.c_int


class Struct(c.Structure):
    def __init__(self, **fields):
        super().__init__(size=c.sizeof(type(self)), **fields)


class Interval(c.Structure):
    _fields_ = [(name, d) for name in ("estimate", "se", "low", "high")]


class RankTest(c.Structure):
    _fields_ = [("absent", enum), ("rho", d), ("p", d), ("p_greater", d), ("covariates", u64)]


class Options(Struct):
    _fields_ = [("size", size_t), ("level", d), ("tau_int", d), ("block", u64),
                ("draws", u32), ("shifts", u32), ("seed", u64)]


class Dependence(Struct):
    _fields_ = [("size", size_t), ("absent", enum), ("tau_int", d), ("n_eff", d),
                ("window", u64), ("block", u64)]


class Uncertainty(Struct):
    _fields_ = [("size", size_t), ("n", u64), ("n_excluded", u64), ("blocks", u64), ("block", u64),
                ("tau_int", d), ("n_eff", d), ("level", d), ("x_mean", d), ("absent", enum),
                ("dof", d), ("L0", Interval), ("L1", Interval), ("centroid", Interval),
                ("corr", d), ("corr_design", d), ("boot_absent", enum), ("draws", u64),
                ("boot_L0", Interval), ("boot_L1", Interval), ("boot_centroid", Interval),
                ("boot_corr", d)]


class Tests(Struct):
    _fields_ = [("size", size_t), ("n", u64), ("n_excluded", u64), ("blocks", u64), ("block", u64),
                ("tau_int", d), ("slope_absent", enum), ("slope_t", d), ("slope_p", d),
                ("boundary_absent", enum), ("boundary_lr", d), ("boundary_p", d),
                ("spearman", RankTest), ("partial", RankTest), ("differences", RankTest)]


class Leverage(Struct):
    _fields_ = [("size", size_t), ("n", u64), ("n_excluded", u64), ("absent", enum),
                ("n_dropped", u64), ("x_above", d), ("L0", d), ("L1", d),
                ("rest_L0", d), ("rest_L1", d)]


class Summary(Struct):
    _fields_ = [("size", size_t), ("n", u64), ("n_excluded", u64), ("n_unbinned", u64),
                ("bins", u64), ("step_first", u64), ("step_last", u64),
                *[(name, d) for name in ("x_min", "x_max", "y_min", "y_max", "x_mean", "y_mean",
                                         "xx", "xy", "yy")],
                ("n_positive", u64), ("slope", d), ("intercept", d)]


array = c.POINTER(d)
state_p = c.c_void_p


def declare(name, result, *arguments):
    function = getattr(LIBRARY, name)
    function.restype, function.argtypes = result, arguments
    return function


last_error = declare("traj_last_error", c.c_char_p)
student_tail = declare("traj_student_tail", d, d, d)
student_quantile = declare("traj_student_quantile", d, d, d)
_dependence = declare("traj_fit_dependence", enum, size_t, array, c.POINTER(Dependence))
_uncertainty = declare("traj_fit_uncertainty", enum, enum, size_t, array, array,
                       c.POINTER(Options), c.POINTER(Uncertainty))
_tests = declare("traj_fit_tests", enum, size_t, array, array, array, array,
                 c.POINTER(Options), c.POINTER(Tests))
_leverage = declare("traj_fit_leverage", enum, enum, size_t, array, array, c.POINTER(Leverage))
_new = declare("traj_fit_state_new", enum, c.POINTER(state_p))
_add = declare("traj_fit_state_add", enum, state_p, u64, d, d)
_merge = declare("traj_fit_state_merge", enum, state_p, state_p)
_encode = declare("traj_fit_state_encode", enum, state_p, c.c_void_p, size_t, c.POINTER(size_t))
_decode = declare("traj_fit_state_decode", enum, c.c_char_p, size_t, c.POINTER(state_p))
_summary = declare("traj_fit_state_summary", enum, state_p, c.POINTER(Summary))
_line = declare("traj_fit_state_line", enum, enum, state_p, d, array, array)
_blocks = declare("traj_fit_blocks_uncertainty", enum, enum, size_t, c.POINTER(state_p),
                  c.POINTER(Options), c.POINTER(Uncertainty))
_free = declare("traj_fit_state_free", None, state_p)


def check(status):
    if status != 0:
        raise ValueError(last_error().decode())


def pointer(values):
    """Borrowed from values, which has to be contiguous doubles; None is NULL."""
    if values is None:
        return None
    assert values.dtype == np.float64 and values.flags.c_contiguous
    return values.ctypes.data_as(array)


def doubles(values):
    return None if values is None else np.ascontiguousarray(values, dtype=np.float64)


def dependence(residuals):
    e, found = doubles(residuals), Dependence()
    check(_dependence(len(e), pointer(e), found))
    return found


def uncertainty(method, x, y, **options):
    x, y, found = doubles(x), doubles(y), Uncertainty()
    check(_uncertainty(method, len(x), pointer(x), pointer(y), Options(**options), found))
    return found


def tests(x, y, step=None, lr=None, **options):
    columns, found = [doubles(v) for v in (x, y, step, lr)], Tests()
    check(_tests(len(columns[0]), *map(pointer, columns), Options(**options), found))
    return found


def leverage(method, x, y):
    x, y, found = doubles(x), doubles(y), Leverage()
    check(_leverage(method, len(x), pointer(x), pointer(y), found))
    return found


class State:
    def __init__(self, x=(), y=(), first_step=0):
        self.handle = state_p()
        check(_new(self.handle))
        for i, (a, b) in enumerate(zip(x, y)):
            self.add(first_step + i, a, b)

    def __del__(self):
        _free(self.handle)

    def add(self, step, x, y):
        check(_add(self.handle, step, x, y))

    def merge(self, other):
        check(_merge(self.handle, other.handle))

    def encode(self):
        n = size_t()
        check(_encode(self.handle, None, 0, n))
        bytes_ = c.create_string_buffer(n.value)
        check(_encode(self.handle, bytes_, n.value, n))
        return bytes_.raw

    @classmethod
    def decode(cls, raw):
        state = cls()
        found = state_p()
        check(_decode(raw, len(raw), found))
        _free(state.handle)
        state.handle = found
        return state

    def summary(self):
        found = Summary()
        check(_summary(self.handle, found))
        return found

    def line(self, method, tau=0.5):
        L0, L1 = d(), d()
        check(_line(method, self.handle, tau, L0, L1))
        return L0.value, L1.value


def blocks_uncertainty(method, states, **options):
    handles, found = (state_p * len(states))(*[s.handle for s in states]), Uncertainty()
    check(_blocks(method, len(states), handles, Options(**options), found))
    return found
