"""The fits of traj.h, called as a program would: shared library and arrays."""
import ctypes
from ctypes import POINTER, Structure, byref, c_double, c_int, c_size_t, c_uint64, sizeof
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Of the plain build: a sanitizer would have to be there before the interpreter.
LIB = ctypes.CDLL(ROOT / "build" / "libtraj.so")
RELATIVE, OLS, NNLS, QUANTILE, EXPECTILE, ENVELOPE, ENVELOPE_ROBUST = range(1, 8)
OK, EINVAL, ENOMEM = 0, 1, 2
DOUBLES = POINTER(c_double)


def struct(name, *fields):
    """A struct that starts with its size, as traj.h's do."""
    return type(name, (Structure,), {"_fields_": [("size", c_size_t), *fields]})


Options = struct("Options", ("tau", c_double), ("lambda_", c_double), ("at", c_double), ("step_length", DOUBLES))
Fit = struct("Fit", ("n", c_uint64), ("n_excluded", c_uint64), ("L0", c_double), ("L1", c_double),
             ("rounds", c_uint64))
Power = struct("Power", ("n", c_uint64), ("n_excluded", c_uint64), ("rho", c_double), ("L0", c_double),
               ("L1", c_double), ("scores", c_double * 9))


class Rival(Structure):
    _fields_ = [("L0", c_double), ("L1", c_double), ("H1", c_double), ("score", c_double)]


Rivals = struct("Rivals", ("n", c_uint64), ("n_excluded", c_uint64), ("least_loss", c_double),
                ("least_is_seen", c_uint64), ("best", c_int), ("of", Rival * 4))
Slope = struct("Slope", ("n", c_uint64), ("n_excluded", c_uint64), ("spearman", c_double),
               ("n_positive", c_uint64), ("slope", c_double), ("intercept", c_double), ("pearson_r", c_double),
               ("theil_sen", c_double))

LIB.traj_unset.restype = c_double
LIB.traj_is_unset.argtypes = [c_double]
LIB.traj_last_error.restype = ctypes.c_char_p
LIB.traj_fit.argtypes = [c_int, c_size_t, DOUBLES, DOUBLES, POINTER(Options), POINTER(Fit)]
LIB.traj_fit_frontier.argtypes = [c_size_t, DOUBLES, DOUBLES, c_size_t, DOUBLES, DOUBLES, POINTER(c_size_t)]
LIB.traj_fit_power.argtypes = [c_size_t, DOUBLES, DOUBLES, POINTER(Power)]
LIB.traj_fit_rivals.argtypes = [c_size_t, DOUBLES, DOUBLES, DOUBLES, c_double, POINTER(Rivals)]
LIB.traj_fit_slope.argtypes = [c_size_t, DOUBLES, DOUBLES, POINTER(Slope)]


def array(values):
    return np.ascontiguousarray(values, dtype=np.float64)


def pointer(values):
    return None if values is None else values.ctypes.data_as(DOUBLES)


def is_unset(value):
    return LIB.traj_is_unset(value) == 1


def unset():
    return LIB.traj_unset()


def status(method, x, y, step_length=None, **options):
    """(status, Fit) of traj_fit; options by name."""
    x, y = array(x), array(y)
    r = None if step_length is None else array(step_length)
    given = Options(size=sizeof(Options), step_length=pointer(r), **options)
    fit = Fit(size=sizeof(Fit))
    code = LIB.traj_fit(method, len(x), pointer(x), pointer(y), byref(given), byref(fit))
    return code, fit


def fit(method, x, y, step_length=None, **options):
    code, found = status(method, x, y, step_length, **options)
    assert code == OK, LIB.traj_last_error()
    return found


def line(method, x, y, step_length=None, **options):
    """(L0, L1), or None if the samples do not determine it."""
    found = fit(method, x, y, step_length, **options)
    return None if is_unset(found.L0) else (found.L0, found.L1)


def frontier(x, y):
    """Vertices as an array of (L0, L1)."""
    x, y = array(x), array(y)
    L0, L1, n = np.empty(len(x) + 1), np.empty(len(x) + 1), c_size_t()
    code = LIB.traj_fit_frontier(len(x), pointer(x), pointer(y), len(L0), pointer(L0), pointer(L1), byref(n))
    assert code == OK
    return np.c_[L0, L1][:n.value]


def _whole(function, kind, *arrays):
    arrays = [array(a) if isinstance(a, (list, np.ndarray)) else a for a in arrays]
    found = kind(size=sizeof(kind))
    code = function(len(arrays[0]), *[pointer(a) if isinstance(a, np.ndarray) else a for a in arrays], byref(found))
    assert code == OK, LIB.traj_last_error()
    return found


def power(x, y):
    return _whole(LIB.traj_fit_power, Power, x, y)


def rivals(x, y, loss, least_loss=None):
    return _whole(LIB.traj_fit_rivals, Rivals, x, y, loss, unset() if least_loss is None else least_loss)


def slope(x, y):
    return _whole(LIB.traj_fit_slope, Slope, x, y)
