"""`traj fit` on files as they are: quoting, gaps, and what is wrong with them."""
import json

import numpy as np
import pytest

import fit_lib as lib
import libtraj
from fit_cli import TRAJ, fit, line, run

XY = ("--x", "x", "--y", "y", "--json")


def answer(text, *arguments):
    done = run(text, *(arguments or XY))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def complaint(text, *arguments):
    done = run(text, *(arguments or XY))
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("traj fit: ") and done.stderr.count("\n") == 1
    return done.stderr[len("traj fit: "):].rstrip("\n")


def test_shape_of_the_answer():
    got = fit(np.arange(1.0, 6.0), [2, 4, 5, 8, 9])
    assert list(got) == ["n", "n_excluded", "x_range", "y_range", "fits", "power", "loglog", "spearman",
                         "frontier", "uncertainty", "p_of_growth"]
    assert [(f["method"], f["tau"]) for f in got["fits"]] == [
        ("nnls_relative", None), ("ols", None), ("nnls", None), ("quantile", 0.5),
        ("quantile", 0.9), ("quantile", 0.95), ("quantile", 0.99), ("expectile", 0.9), ("envelope", None),
        ("envelope_robust", None)]
    assert set(got["fits"][0]) == {"method", "tau", "L0", "L1"}
    assert got["n"] == 5 and got["n_excluded"] == 0
    assert got["x_range"] == [1, 5] and got["y_range"] == [2, 9]


def ends(interval):
    return [interval[end] for end in ("estimate", "se", "low", "high")]


def test_intervals_and_tests_are_those_of_the_library():
    rng = np.random.default_rng(5)
    x = rng.uniform(1, 9, 3000)
    y = (2 + 0.7 * x) * rng.uniform(0.9, 1.1, 3000)
    got = fit(x, y)
    for name, method in (("nnls_relative", libtraj.RELATIVE), ("ols", libtraj.OLS), ("nnls", libtraj.NNLS)):
        mine, u = got["uncertainty"][name], libtraj.uncertainty(method, x, y)
        assert mine["absent"] is None and mine["bootstrap"]["absent"] is None
        assert (mine["blocks"], mine["tau_int"], mine["level"]) == (u.blocks, u.tau_int, 0.95)
        for of in ("L0", "L1", "centroid"):
            theirs = getattr(u, of)
            assert ends(mine[of]) == [theirs.estimate, theirs.se, theirs.low, theirs.high]
        assert ends(mine["bootstrap"]["L1"])[2:] == [u.boot_L1.low, u.boot_L1.high]
    assert got["uncertainty"]["nnls_relative"]["L1"]["low"] < 0.7 < got["uncertainty"]["nnls_relative"]["L1"]["high"]
    assert all(p <= 0.001 for p in got["p_of_growth"].values())
    shown = run("\n".join(["x,y", *(f"{float(a)!r},{float(b)!r}" for a, b in zip(x, y))]) + "\n",
                "--x", "x", "--y", "y").stdout
    L1 = got["uncertainty"]["ols"]["L1"]
    assert f"L1 {L1['estimate']:.4g} ({L1['low']:.4g} to {L1['high']:.4g})" in shown


def test_without_enough_rows_there_is_a_reason_and_no_interval():
    got = fit(np.arange(1.0, 6.0), [2, 4, 5, 8, 9])
    for of in got["uncertainty"].values():
        assert of["absent"] and of["bootstrap"]["absent"] and "L1" not in of and "L1" not in of["bootstrap"]
    assert set(got["p_of_growth"].values()) == {None}


def test_doubles_read_back_exactly():
    x, y = 0.1 + 0.2, 1 / 3
    assert fit([x, 1.0], [y, 1.0])["x_range"] == [x, 1.0]
    assert fit([x, 1.0], [y, 1.0])["y_range"] == [y, 1.0]


def test_missing_and_nonfinite_are_left_out_and_counted():
    rows = "1,2\n2,\n,3\nnan,4\n3,inf\n4,-Infinity\nNA,1\nnull,1\n1e999,1\n 5 , 6 \n"
    got = answer("x,y\n" + rows)
    assert (got["n"], got["n_excluded"]) == (2, 8)
    assert line(got, "ols") == pytest.approx((1, 1))


def test_zero_is_a_value_but_has_no_logarithm():
    got = answer("x,y\n0,1\n1,2\n2,3\n4,5\n")
    assert got["n"] == 4 and got["loglog"]["n"] == 3
    assert line(got, "nnls") == pytest.approx((1, 1))


@pytest.mark.parametrize("text", [
    'x,"odd ""name"", with comma",y\r\n1,,2\r\n2,"a\nb",3\r\n',
    "\ufeffx,y\n1,2\n\n\r\n2,3",
    '\ufeff"x","y"\n"1","2"\n2,3\n',
    "y,x\n2,1\n3,2\n",
])
def test_quotes_marks_blank_lines_and_order_of_columns(text):
    got = answer(text)
    assert got["n"] == 2
    assert line(got, "ols") == pytest.approx((1, 1))


@pytest.mark.parametrize("text,said", [
    ("", "standard input: is empty"),
    ("\n\n", "standard input: is empty"),
    ("a,b\n1,2\n", "standard input: no column 'x'; there are: 'a', 'b'"),
    ("x,y\n1,2\n\n3\n", "standard input:4: 1 fields, but the header has 2"),
    ("x,y\n1,2,3\n", "standard input:2: 3 fields, but the header has 2"),
    ("x,y\n1,two\n", "standard input:2: column 'y': 'two' is not a number"),
    ("a\x1b[2J,b\n1,2\n", "standard input: no column 'x'; there are: 'a?[2J', 'b'"),
    ("x,y\n1,\x1b" + "z" * 99 + "\n", f"standard input:2: column 'y': '?{'z' * 39}' is not a number"),
    ("x,y\n0x10,2\n", "standard input:2: column 'x': '0x10' is not a number"),
    ('x,y\n1,"2\n3', "standard input:2: a quote is not closed"),
    ('x,y\n"1"2,3\n', "standard input:2: text after a closing quote"),
    ('x,y,z\n1,2,"a\nb\nc"\n1,2\n', "standard input:5: 2 fields, but the header has 3"),
])
def test_what_is_wrong_is_said_with_its_place(text, said):
    assert complaint(text) == said


def test_a_file_that_is_not_there_is_said():
    import subprocess
    done = subprocess.run([TRAJ, "fit", "/nonexistent.csv", *XY], capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert done.stderr == "traj fit: /nonexistent.csv: No such file or directory\n"


@pytest.mark.parametrize("arguments", [(), ("--x", "x"), ("--x", "x", "--y", "y", "--tau", "1"),
                                       ("--x", "x", "--y", "y", "more.csv"), ("--nonsense",)])
def test_wrong_usage_exits_with_2(arguments):
    done = run("x,y\n", *arguments)
    assert done.returncode == 2 and done.stdout == "" and "usage: traj fit" in done.stderr


def test_no_pair_gives_a_note_and_no_table(tmp_path):
    import subprocess
    file = tmp_path / "one.csv"
    file.write_text("x,y\n,2\n")
    done = subprocess.run([TRAJ, "fit", file, *XY[:4]], capture_output=True, encoding="utf-8")
    assert done.returncode == 0 and "determine no line" in done.stderr
    assert done.stdout == "y <= L0 + L1 x\n0 pairs, 1 left out (missing or not finite)\n"


def test_too_few_pairs_are_fitted_with_a_note():
    done = run("x,y\n1,2\n2,3\n", *XY)
    assert done.returncode == 0 and "2 pairs: fewer than 30" in done.stderr
    assert len(json.loads(done.stdout)["fits"]) == 10


def test_one_pair_determines_no_line():
    done = run("x,y\n1,2\n", *XY)
    assert done.returncode == 0 and "determine no line" in done.stderr
    assert json.loads(done.stdout)["fits"] == []


def test_the_table_names_every_method():
    done = run("x,y\n1,2\n2,3\n3,5\n,1\n", "--x", "x", "--y", "y")
    assert done.returncode == 0
    for word in ("3 pairs", "1 left out", "nnls_relative", "ols", "nnls", "quantile", "0.95", "envelope",
                 "Spearman", "log-log slope"):
        assert word in done.stdout


COLUMNS = ("--x", "x", "--y", "y")


def many(n=200):
    rng = np.random.default_rng(1)
    x = 10 ** rng.uniform(-1, 1, n)
    y = (1 + 2 * x) * np.exp(rng.normal(0, 0.3, n))
    r, f = rng.uniform(0, 0.3, n), rng.uniform(1, 2, n)
    rows = "".join(f"{float(a)!r},{float(b)!r},{float(c)!r},{float(d)!r}\n" for a, b, c, d in zip(x, y, r, f))
    return x, y, r, f, "x,y,r,f\n" + rows


def test_what_is_asked_for_equals_the_library():
    x, y, r, f, text = many()
    got = answer(text, *XY, "--lambda", "3", "--at", "0.4", "--rho", "0.7", "--r", "r", "--loss", "f",
                 "--f-star", "0.9", "--tau", "0.2")
    assert line(got, "expectile", 0.8) == lib.line(lib.EXPECTILE, x, y, lambda_=3)
    assert line(got, "quantile", 0.2) == lib.line(lib.QUANTILE, x, y, tau=0.2)
    assert line(got, "quantile", 0.5) is None
    assert line(got, "envelope_robust") == lib.line(lib.ENVELOPE_ROBUST, x, y)
    assert got["envelope_at"]["c"] == 0.4
    assert (got["envelope_at"]["L0"], got["envelope_at"]["L1"]) == lib.line(lib.ENVELOPE, x, y, at=0.4)
    assert got["frontier"] == lib.frontier(x, y).tolist()
    for method, name in ((lib.RELATIVE, "nnls_relative"), (lib.ENVELOPE, "envelope")):
        theirs = lib.fit(method, x, y, r)
        assert got["corrected"][name] == {"n": 200, "L0": theirs.L0, "L1": theirs.L1, "rounds": theirs.rounds}
    power = lib.power(x, y)
    assert got["power"] == {"rho": power.rho, "L0": power.L0, "L1": power.L1, "scores": list(power.scores)}
    assert got["power_at"]["rho"] == 0.7
    assert (got["power_at"]["L0"], got["power_at"]["L1"]) == pytest.approx(
        lib.line(lib.RELATIVE, x ** 0.7, y), rel=1e-12)
    theirs = lib.rivals(x, y, f, 0.9)
    assert got["rivals"]["f_star"] == 0.9 and got["rivals"]["f_star_is_least_seen"] is False
    assert got["rivals"]["best"] == ("constant", "gradient", "gap", "both")[theirs.best]
    for k, name in enumerate(("constant", "gradient", "gap", "both")):
        law = theirs.of[k]
        assert got["rivals"][name] == {"L0": law.L0, "L1": law.L1, "H1": law.H1, "score": law.score}
    assert got["loglog"]["theil_sen"] == lib.slope(x, y).theil_sen


def test_what_is_not_asked_for_is_not_there():
    got = answer(many()[-1])
    assert not {"envelope_at", "power_at", "corrected", "rivals"} & set(got)


def test_the_least_loss_of_the_file_stands_for_f_star():
    *_, f, text = many()
    got = answer(text, *XY, "--loss", "f")
    assert got["rivals"]["f_star"] == f.min() and got["rivals"]["f_star_is_least_seen"] is True


def test_gaps_in_other_columns_leave_out_their_rows_there_only():
    text = many()[-1] + "1,2,,1.5\n1,2,0.1,\n"
    got = answer(text, *XY, "--r", "r", "--loss", "f")
    assert got["n"] == 202 and got["corrected"]["envelope"]["n"] == 201
    assert got["rivals"]["n"] == 201 and got["rivals"]["n_excluded"] == 1


@pytest.mark.parametrize("option,value,said", [
    ("--lambda", "0", "--lambda: '0' is not a number in [1e-300, 1e+09]"),
    ("--rho", "-1", "--rho: '-1' is not a number in [0, 100]"),
    ("--at", "x", "--at: 'x' is not a number in [1e-300, 1e+300]"),
    ("--f-star", "inf", "--f-star: 'inf' is not a number in [-1e+300, 1e+300]"),
    ("--tau", "0", "--tau: '0' is not in (0,1)"),
])
def test_an_option_out_of_its_range_is_refused(option, value, said):
    done = run("x,y\n1,2\n", *COLUMNS, option, value)
    assert done.returncode == 2 and done.stderr.startswith(f"traj fit: {said}\n")


def test_the_table_tells_what_was_asked_for():
    done = run(many()[-1], *COLUMNS, "--at", "0.4", "--rho", "0.7", "--r", "r", "--loss", "f")
    assert done.returncode == 0
    for words in ("envelope_robust", "c=0.4", "valid pairs", "power law", "x^0.25", "power asked for", "rivals, of 200",
                  "the least loss seen", "gradient", "of y/psi(L1 r), 200 pairs", "median of slopes"):
        assert words in done.stdout


def test_a_large_file_is_read_in_one_go():
    rng = np.random.default_rng(0)
    x = rng.random(200000) + 0.5
    got = fit(x, 1 + 2 * x)
    assert got["n"] == 200000
    assert line(got, "nnls_relative") == pytest.approx((1, 2), rel=1e-9)
